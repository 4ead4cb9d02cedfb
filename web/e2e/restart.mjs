// The server is killed while people paint, and started again: with the real binary and a data folder.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import assert from "node:assert/strict";
import { drag, hash, openRoom, settle } from "./browser.mjs";
import { unlabelled } from "./labels.mjs";
import { violations } from "./layout.mjs";

/** A server process with its rooms in `data`; `kill` ends it as a power cut would. `token` is the operator's, with auth. */
export async function serve(binary, data, listen, flags = []) {
  const child = spawn(binary, ["serve", "--listen", listen, "--data", data, ...flags], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const [url, token] = await new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (bytes) => {
      text += bytes;
      const found = /(http:\/\/[^\s/]+)\S*?(?:#token=(\S+))?\s/.exec(text);
      if (found) resolve(found.slice(1));
    });
    child.once("exit", () => reject(new Error(`the server ended: ${text}`)));
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { url, token, kill };
}

const state = (page) => page.evaluate(() => window.impasto.state());

/** The page of an address in a new tab of the same browser. */
async function reopened(context, address) {
  const page = await context.newPage();
  await page.goto(address);
  await page.waitForFunction(() => window.impasto !== undefined);
  await page.evaluate(() => window.impasto.ready());
  return page;
}

const connection = (page) => page.getByRole("group", { name: "Status" }).locator(".words");

export const restartScenarios = {
  async "a killed server comes back with everything that was saved"({ browser, room, binary, shots }) {
    if (!binary) return { skipped: "name the program with --binary" };
    const data = mkdtempSync(join(tmpdir(), "impasto-e2e-"));
    let server = await serve(binary, data, "127.0.0.1:0");
    const listen = new URL(server.url).host;
    try {
      const ada = await openRoom(browser, server.url, room);
      const bob = await openRoom(browser, server.url, room);
      await drag(ada.page, [[100, 100], [300, 140]]);
      await settle(ada.page);
      await drag(bob.page, [[120, 320], [360, 360]]);
      await settle(bob.page);
      await settle(ada.page);
      await ada.page.getByText("Saved", { exact: true }).waitFor();
      const before = { sketch: await hash(ada.page, "sketch"), result: await hash(ada.page, "result") };

      await server.kill();
      await connection(ada.page).getByText(/Back in|Not connected|Connecting/).waitFor();
      // Painted while nobody listens: it is sent when the server is back.
      await drag(ada.page, [[420, 80], [460, 200]]);
      server = await serve(binary, data, listen);
      for (const { page } of [ada, bob]) {
        await connection(page).getByText("Connected", { exact: true }).waitFor({ timeout: 60_000 });
        await settle(page);
      }
      await ada.page.screenshot({ path: `${shots}/restart.png` });
      assert.notEqual(await hash(ada.page, "sketch"), before.sketch, "the stroke in between is there");
      assert.equal(await hash(bob.page, "sketch"), await hash(ada.page, "sketch"), "for both");

      // Its undo brings the picture from before the kill back, and the one after it goes further.
      await ada.page.keyboard.press("Control+z");
      await settle(ada.page);
      assert.equal(await hash(ada.page, "sketch"), before.sketch, "nothing of before was lost");
      await ada.page.keyboard.press("Control+z");
      await settle(ada.page);
      assert.notEqual(await hash(ada.page, "sketch"), before.sketch, "undo knows what was done before");

      // A newcomer sees the same.
      const eve = await openRoom(browser, server.url, room);
      await settle(eve.page);
      await settle(ada.page);
      for (const layer of ["sketch", "result"]) {
        assert.equal(await hash(eve.page, layer), await hash(ada.page, layer), `a newcomer's ${layer}`);
      }
      for (const { context } of [ada, bob, eve]) await context.close();
    } finally {
      await server.kill();
      rmSync(data, { recursive: true, force: true });
    }
  },

  async "strokes that were not sent survive the closed tab, and are painted once"({ browser, room, binary, shots }) {
    if (!binary) return { skipped: "name the program with --binary" };
    const data = mkdtempSync(join(tmpdir(), "impasto-e2e-"));
    let server = await serve(binary, data, "127.0.0.1:0");
    const listen = new URL(server.url).host;
    try {
      const { page, context } = await openRoom(browser, server.url, room);
      const address = page.url();
      await drag(page, [[100, 100], [300, 140]]);
      await settle(page);
      await page.getByText("Saved", { exact: true }).waitFor();
      const saved = await hash(page, "sketch");
      const { client } = await state(page);

      await server.kill();
      await connection(page).getByText(/Back in|Not connected|Connecting/).waitFor();
      await drag(page, [[100, 300], [300, 320]]);
      await drag(page, [[420, 80], [460, 200]]);
      await page.getByText(/^\d+ unsent$/).waitFor();
      assert.equal(await page.getByText("Saved", { exact: true }).count(), 0, "what is not saved is not called so");
      await page.screenshot({ path: `${shots}/unsent.png` });
      await page.close();

      server = await serve(binary, data, listen);
      const again = await reopened(context, address);
      await settle(again);
      await again.getByText("Saved", { exact: true }).waitFor();
      assert.equal((await state(again)).client, client, "as the same member");
      const painted = await hash(again, "sketch");
      assert.notEqual(painted, saved, "both strokes are there");
      await again.screenshot({ path: `${shots}/sent-again.png` });
      // What the server has is not sent once more.
      await again.close();
      const third = await reopened(context, address);
      await settle(third);
      assert.equal(await hash(third, "sketch"), painted);
      for (let step = 0; step < 2; step += 1) {
        const { seq } = await state(third);
        await third.keyboard.press("Control+z");
        await third.waitForFunction((before) => window.impasto.state().seq > before, seq);
        await settle(third);
      }
      assert.equal(await hash(third, "sketch"), saved, "each of them once");
      await context.close();

      // Where the browser lets a page keep nothing, the page works as before.
      const closed = await browser.newContext({ viewport: { width: 1440, height: 900 } });
      await closed.addInitScript(() => Object.defineProperty(window, "indexedDB", { get: () => { throw new Error("closed"); } }));
      const plain = await reopened(closed, address);
      await settle(plain);
      assert.equal(await hash(plain, "sketch"), saved);
      await drag(plain, [[200, 400], [260, 420]]);
      await settle(plain);
      await plain.getByText("Saved", { exact: true }).waitFor();
      await closed.close();
    } finally {
      await server.kill();
      rmSync(data, { recursive: true, force: true });
    }
  },

  async "two members: pointers, chat, undo, a killed server, a removed member, and nothing lost"({ browser, room, binary, shots }) {
    if (!binary) return { skipped: "name the program with --binary" };
    const data = mkdtempSync(join(tmpdir(), "impasto-e2e-"));
    const auth = ["--auth", "on"];
    let server = await serve(binary, data, "127.0.0.1:0", auth);
    const listen = new URL(server.url).host;
    try {
      const made = await fetch(`${server.url}/v1/rooms`, {
        method: "POST",
        headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
        body: JSON.stringify({ name: room }),
      });
      const { invites } = await made.json();
      const ada = await openRoom(browser, server.url, room, { token: invites.owner });
      const bea = await openRoom(browser, server.url, room, { token: invites.editor });
      await ada.page.waitForFunction(() => window.impasto.state().members.length === 2);

      // Pointers and chat.
      const place = await bea.page.evaluate(() => window.impasto.toPage({ x: 200, y: 120 }));
      await bea.page.mouse.move(place.x - 30, place.y);
      await bea.page.mouse.move(place.x, place.y, { steps: 6 });
      await ada.page.waitForFunction(() => {
        const { members, client } = window.impasto.state();
        const pointer = members.find((member) => member.client !== client)?.pointer;
        return pointer && Math.hypot(pointer.x - 200, pointer.y - 120) < 2;
      });
      await bea.page.getByRole("button", { name: /^Chat/ }).click();
      const field = bea.page.getByRole("textbox", { name: "Write to the room" });
      await field.fill("I take the sky");
      await field.press("Enter");
      await ada.page.waitForFunction(() => window.impasto.state().chat.some(({ text }) => text === "I take the sky"));

      // Undo is one's own.
      await drag(bea.page, [[100, 90], [380, 120]]);
      await settle(bea.page);
      await settle(ada.page);
      const sky = await hash(ada.page, "sketch");
      await drag(ada.page, [[120, 320], [360, 360]]);
      await settle(ada.page);
      await settle(bea.page);
      const both = { sketch: await hash(ada.page, "sketch"), result: await hash(ada.page, "result") };
      const { seq } = await state(bea.page);
      await ada.page.keyboard.press("Control+z");
      await bea.page.waitForFunction((before) => window.impasto.state().seq > before, seq);
      await settle(bea.page);
      assert.equal(await hash(bea.page, "sketch"), sky, "Ada's stroke is gone, Bea's is not");
      await ada.page.keyboard.press("Control+Shift+z");
      await bea.page.waitForFunction((before) => window.impasto.state().seq > before, seq + 1);
      await settle(bea.page);
      await settle(ada.page);
      assert.equal(await hash(bea.page, "sketch"), both.sketch);

      // The server is killed while both paint on.
      await server.kill();
      for (const { page } of [ada, bea]) await connection(page).getByText(/Back in|Not connected|Connecting/).waitFor();
      await drag(ada.page, [[420, 80], [460, 200]]);
      await drag(bea.page, [[60, 440], [300, 470]]);
      server = await serve(binary, data, listen, auth);
      for (const { page } of [ada, bea]) {
        await connection(page).getByText("Connected", { exact: true }).waitFor({ timeout: 60_000 });
        await settle(page);
      }
      await settle(ada.page);
      const after = await hash(ada.page, "sketch");
      assert.notEqual(after, both.sketch, "what was painted meanwhile is there");
      assert.equal(await hash(bea.page, "sketch"), after, "for both");

      // Bea is removed: she sees nothing any more, with her link or as somebody new.
      const picture = `${server.url}/v1/rooms/${room}/image`;
      const asBea = { authorization: `Bearer ${invites.editor}` };
      assert.equal((await fetch(picture, { headers: asBea })).status, 200);
      const bearing = bea.page.url();
      await ada.page.getByRole("button", { name: /members? in/ }).click();
      await ada.page.getByRole("button", { name: /^Remove / }).click();
      await bea.page.waitForFunction(() => window.impasto.state().connection === "refused");
      await ada.page.screenshot({ path: `${shots}/removed.png` });
      assert.equal((await fetch(picture, { headers: asBea })).status, 401, "her link shows no picture");
      const stranger = await browser.newContext();
      const fresh = await stranger.newPage();
      await fresh.goto(bearing);
      await fresh.waitForFunction(() => window.impasto?.state().connection === "refused");
      await stranger.close();

      // And that holds after another kill, with everything that was painted.
      await server.kill();
      server = await serve(binary, data, listen, auth);
      await connection(ada.page).getByText("Connected", { exact: true }).waitFor({ timeout: 60_000 });
      await settle(ada.page);
      assert.equal(await hash(ada.page, "sketch"), after, "nothing is lost");
      await bea.page.reload();
      await bea.page.waitForFunction(() => window.impasto?.state().connection === "refused");
      assert.equal((await fetch(picture, { headers: asBea })).status, 401);
      for (const { context } of [ada, bea]) await context.close();
    } finally {
      await server.kill();
      rmSync(data, { recursive: true, force: true });
    }
  },

  async "a time-lapse is played, moved through and saved"({ browser, room, binary, shots }) {
    if (!binary) return { skipped: "name the program with --binary" };
    const data = mkdtempSync(join(tmpdir(), "impasto-e2e-"));
    const server = await serve(binary, data, "127.0.0.1:0");
    try {
      const { page, context, troubles } = await openRoom(browser, server.url, room);
      const recorded = async () => Number((await fetch(`${server.url}/v1/rooms/${room}/recording`)).headers.get("impasto-frames"));
      for (const [step, y] of [100, 220, 340].entries()) {
        await drag(page, [[100, y], [400, y + 20]]);
        await settle(page, 120_000);
        // Recorded once its interval is over, and the room hears of anything at all.
        for (let tries = 0; (await recorded()) < step + 1 && tries < 60; tries += 1) {
          await page.mouse.move(600 + tries, 500);
          await page.waitForTimeout(100);
        }
        await page.waitForTimeout(2100);
      }
      await page.getByRole("button", { name: "History", exact: true }).click();
      await page.getByRole("button", { name: "Time-lapse" }).click();
      const dialog = page.getByRole("dialog", { name: "Time-lapse" });
      await dialog.getByRole("img").waitFor();
      const place = dialog.getByRole("slider", { name: "Place in the recording" });
      const most = Number(await place.getAttribute("max"));
      assert.ok(most >= 2, `three pictures at least: ${most + 1}`);
      await page.waitForFunction((last) => document.querySelector("dialog[open] input[type=range]")?.value === String(last), most);
      await dialog.getByRole("button", { name: "Pause" }).click();
      await place.focus();
      await page.keyboard.press("Home");
      const shown = () => dialog.getByRole("img").getAttribute("src");
      const first = await shown();
      await page.keyboard.press("ArrowRight");
      assert.notEqual(await shown(), first, "each place has its picture");
      assert.equal(await place.getAttribute("aria-valuetext"), `Picture 2 of ${most + 1}`);
      await page.screenshot({ path: `${shots}/timelapse.png` });
      assert.deepEqual(await page.evaluate(unlabelled), []);
      assert.deepEqual(await violations(page), [], "axe, dark");
      await page.emulateMedia({ colorScheme: "light" });
      await page.waitForTimeout(300);
      assert.deepEqual(await violations(page), [], "axe, light");
      await page.screenshot({ path: `${shots}/timelapse-light.png` });

      await dialog.getByRole("combobox", { name: "Length" }).selectOption("5");
      await dialog.getByRole("combobox", { name: "Size" }).selectOption("256");
      const saved = page.waitForEvent("download");
      await dialog.getByRole("button", { name: "Save as a file" }).click();
      const download = await saved;
      assert.equal(download.suggestedFilename(), `${room}-timelapse.png`);
      const bytes = readFileSync(await download.path());
      assert.equal(bytes.readUInt32BE(16), 256, "as wide as was asked");
      const control = bytes.indexOf("acTL");
      assert.ok(control > 0 && bytes.readUInt32BE(control + 4) >= most, "an animation of all of it");
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
      assert.deepEqual(troubles, []);
      await context.close();
    } finally {
      await server.kill();
      rmSync(data, { recursive: true, force: true });
    }
  },
};

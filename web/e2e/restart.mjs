// The server is killed while people paint, and started again: with the real binary and a data folder.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import assert from "node:assert/strict";
import { drag, hash, openRoom, settle } from "./browser.mjs";

/** A server process with its rooms in `data`; `kill` ends it as a power cut would. */
export async function serve(binary, data, listen, flags = []) {
  const child = spawn(binary, ["serve", "--listen", listen, "--data", data, ...flags], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (bytes) => {
      text += bytes;
      const found = /http:\/\/[^\s/]+/.exec(text);
      if (found) resolve(found[0]);
    });
    child.once("exit", () => reject(new Error(`the server ended: ${text}`)));
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { url, kill };
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
};

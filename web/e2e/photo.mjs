// Editing photos, in a browser. A server that inverts none gets the test of how it is told, and
// the rest is skipped, loudly.
import assert from "node:assert/strict";
import { drag, hash, openRoom, settle } from "./browser.mjs";
import { encodePng } from "./png.mjs";
import { carriedFile } from "./scenarios.mjs";

const SIDE = 256;
const REFUSED = "This server does not invert photos";
const LONGEST_MS = 150_000;

/** A sky, a meadow and a red sun: smooth enough for a small model. */
function photo() {
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const sky = y < SIDE * 0.6;
      const sun = Math.hypot(x - 180, y - 70) < 34;
      const colour = sun ? [214, 70, 40] : sky ? [120 + y / 4, 160 + y / 4, 215] : [70 + x / 8, 130 - (y - 150) / 4, 60];
      pixels.set(colour.map(Math.round), (y * SIDE + x) * 3);
    }
  }
  return encodePng(pixels, SIDE, [0, 0, SIDE, SIDE]);
}

async function place(page, shows) {
  await page.dispatchEvent("main", "drop", { dataTransfer: await carriedFile(page, "image/png", photo()) });
  const dialog = page.getByRole("dialog", { name: "Edit this photo?" });
  await dialog.getByLabel(/What does the photo show/).fill(shows);
  return dialog;
}

/** True when the server began to invert, false when it refused. */
async function begun(page) {
  const bar = page.getByRole("group", { name: "Photo" });
  const refusal = page.getByText(REFUSED);
  await bar.or(refusal).first().waitFor({ timeout: LONGEST_MS });
  // A server that cannot invert refuses the op: then there never is a bar.
  return (await refusal.count()) === 0;
}

export const photoScenarios = {
  async "a photo is inverted, and only what is brushed changes"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    const blank = await hash(page, "sketch");
    const dialog = await place(page, "a meadow under a red sun");
    await page.screenshot({ path: `${shots}/photo-offer.png` });
    await dialog.getByRole("button", { name: "Edit the photo" }).click();
    if (!(await begun(page))) {
      await page.waitForFunction(() => window.impasto.state().pending === 0 && window.impasto.state().seq > 0);
      await settle(page);
      assert.notEqual(await hash(page, "sketch"), blank, "the photo was placed all the same");
      await context.close();
      return { skipped: "this server refuses to invert; seen: it is told, and the photo is placed as it is" };
    }
    // What lies under the result is the photo, and is called that.
    await page.getByRole("radio", { name: "Photo", exact: true }).waitFor();
    await page.getByRole("radio", { name: "Photo and result" }).click();
    await page.getByRole("slider", { name: "Photo and result" }).waitFor();
    await page.getByRole("radio", { name: "Result", exact: true }).click();
    await page.screenshot({ path: `${shots}/photo-inverting.png` });
    await page.getByRole("group", { name: "Photo" }).getByText(/comes back at \d+\.\d\sdB/).waitFor({ timeout: LONGEST_MS });
    const likeness = await page.getByRole("group", { name: "Photo" }).innerText();

    const late = await openRoom(browser, url, room);
    const there = late.page.getByRole("group", { name: "Photo" });
    await there.getByText(/comes back at \d+\.\d\sdB/).waitFor({ timeout: LONGEST_MS });
    assert.equal(await there.innerText(), likeness, "who comes later sees the same");
    await late.context.close();

    await page.getByRole("button", { name: "Behind the curtain" }).click();
    for (const name of ["Inverted noise", "Reconstruction"]) {
      const image = page.getByRole("img", { name });
      await image.waitFor();
      await page.waitForFunction((img) => img.complete && img.naturalWidth > 1, await image.elementHandle());
    }
    await page.screenshot({ path: `${shots}/photo-curtain.png` });
    await page.getByRole("button", { name: "Behind the curtain" }).click();

    const far = [0, Math.floor(height * 0.7), width, Math.floor(height * 0.3)];
    const near = [Math.floor(width * 0.6), Math.floor(height * 0.15), Math.floor(width * 0.2), Math.floor(height * 0.2)];
    const before = [await hash(page, "result", far), await hash(page, "result", near)];
    await page.evaluate(() => window.impasto.settings({ prompt: "a meadow under a white moon", spread: 8 }));
    await page.keyboard.press("m");
    await drag(page, [[width * 0.62, height * 0.27], [width * 0.78, height * 0.27]]);
    await settle(page, LONGEST_MS);
    assert.equal(await hash(page, "result", far), before[0], "what was not brushed is the same, to the byte");
    assert.notEqual(await hash(page, "result", near), before[1], "what was brushed changed");

    // The strength is dragged, and the picture follows before the hand lets go.
    const slider = page.getByRole("slider", { name: "Edit strength" });
    const box = await slider.boundingBox();
    const done = (await page.evaluate(() => window.impasto.state().renders)).done;
    await page.mouse.move(box.x + box.width * 0.8, box.y + box.height / 2);
    await page.mouse.down();
    for (const part of [0.7, 0.6, 0.5, 0.4]) {
      await page.mouse.move(box.x + box.width * part, box.y + box.height / 2, { steps: 3 });
      await page.waitForTimeout(60);
    }
    await page.waitForFunction((least) => window.impasto.state().renders.done > least, done, { timeout: LONGEST_MS });
    await page.mouse.up();
    await settle(page, LONGEST_MS);
    const { strength } = await page.evaluate(() => window.impasto.state().settings);
    assert.ok(strength > 0.3 && strength < 0.5, `the last value is the room's: ${strength}`);
    assert.equal(await hash(page, "result", far), before[0]);

    await page.getByLabel("Method").selectOption("edit-friendly");
    await page.waitForFunction(() => window.impasto.state().pending === 0);
    assert.equal(await page.evaluate(() => window.impasto.state().settings.method), "edit-friendly");
    await settle(page, LONGEST_MS);
    await page.screenshot({ path: `${shots}/photo-edited.png` });
    assert.deepEqual(troubles, []);
    await context.close();
    return likeness.split("\n")[0];
  },

  async "an inversion can be cancelled, and the photo stays"({ browser, url, room }) {
    const { page, context } = await openRoom(browser, url, room, { colorScheme: "light" });
    const blank = await hash(page, "sketch");
    const dialog = await place(page, "");
    await dialog.getByRole("button", { name: "Edit the photo" }).click();
    if (!(await begun(page))) {
      await context.close();
      return { skipped: "this server refuses to invert" };
    }
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("group", { name: "Photo" }).getByText(/Not inverted yet|% of the photo comes back/).waitFor();
    assert.notEqual(await hash(page, "sketch"), blank, "the photo is there");
    assert.equal(await page.getByRole("progressbar").count(), 0);
    await page.keyboard.press("Control+z");
    await page.waitForFunction(() => window.impasto.state().pending === 0);
    await settle(page);
    assert.equal(await hash(page, "sketch"), blank);
    assert.equal(await page.getByRole("group", { name: "Photo" }).count(), 0, "no photo, no bar");
    await context.close();
  },
};

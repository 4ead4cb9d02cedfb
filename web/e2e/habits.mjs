// Habits that would bite: what a hand expects of Space, Enter, undo, the starters and the mask.
import assert from "node:assert/strict";
import { DEVICES, drag, hand, hash, openRoom, settle } from "./browser.mjs";

const state = (page) => page.evaluate(() => window.impasto.state());
const size = (page) => page.evaluate(() => window.impasto.canvas());
const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.tagName);
const field = (page) => page.getByLabel("Prompt", { exact: true });
const starters = (page) => page.getByRole("region", { name: "Starter sketches" });

/** Waits until everything that was said has come back, and the picture stands still. */
async function calm(page) {
  await page.waitForTimeout(150);
  await page.waitForFunction(() => window.impasto.state().pending === 0);
  await settle(page, 120_000);
}

/** Drags over the canvas with Space held. */
async function spaceDrag(page, from, to) {
  const points = await page.evaluate((all) => all.map(([x, y]) => window.impasto.toPage({ x, y })), [from, to]);
  await page.mouse.move(points[0].x, points[0].y);
  await page.keyboard.down(" ");
  await page.mouse.down();
  await page.mouse.move(points[1].x, points[1].y, { steps: 5 });
  await page.mouse.up();
  await page.keyboard.up(" ");
  await page.waitForTimeout(250);
}

/** Whether any pixel of a layer is not white. */
function painted(page, layer) {
  return page.evaluate((name) => {
    const { width, height } = window.impasto.canvas();
    return window.impasto.readPixels(name, [0, 0, width, height]).some((byte) => byte < 250);
  }, layer);
}

/** The scenarios of every one of these together. */
function each(all, scenariosOf) {
  return Object.assign({}, ...all.map(scenariosOf));
}

export const habitScenarios = {
  async "Space pans after a tool, a slider, Undo or an arrow key was used"({ browser, url, room }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await size(page);
    await drag(page, [[width * 0.3, height * 0.3], [width * 0.6, height * 0.4]]);
    await calm(page);
    const slider = await page.getByRole("slider", { name: "Size" }).boundingBox();
    const uses = {
      "a tool": () => page.getByRole("button", { name: "Brush", exact: true }).click(),
      "a slider": async () => {
        await page.mouse.move(slider.x + slider.width / 2, slider.y + slider.height * 0.6);
        await page.mouse.down();
        await page.mouse.move(slider.x + slider.width / 2, slider.y + slider.height * 0.55, { steps: 3 });
        await page.mouse.up();
      },
      Undo: () => page.getByRole("button", { name: "Undo", exact: true }).click(),
      Live: async () => {
        await page.getByRole("switch", { name: "Live" }).click();
        await page.getByRole("switch", { name: "Live" }).click();
      },
      "a menu": async () => {
        await page.getByRole("button", { name: "More", exact: true }).click();
        await page.getByLabel("Sampler").selectOption({ index: 1 });
        await page.getByRole("button", { name: "More", exact: true }).click();
      },
      "an arrow key": async () => {
        await page.getByRole("application", { name: "Canvas" }).focus();
        await page.keyboard.press("ArrowRight");
      },
    };
    for (const [what, use] of Object.entries(uses)) {
      await use();
      await calm(page);
      const before = await state(page);
      await spaceDrag(page, [width * 0.4, height * 0.4], [width * 0.45, height * 0.5]);
      const after = await state(page);
      assert.equal(after.seq, before.seq, `after ${what}, Space and a drag paint nothing`);
      assert.ok(after.view.x > before.view.x, `after ${what}, Space and a drag pan`);
      await page.keyboard.press("Control+0");
    }
    // A keyboard's focus stays, and Space is the button's.
    await page.getByRole("button", { name: "Mask", exact: true }).focus();
    await page.keyboard.press(" ");
    assert.equal((await state(page)).tool, "mask");
    assert.equal(await focused(page), "Mask");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "a tap on a tool leaves the keys with the canvas, by pen and by finger"({ browser, url, room }) {
    for (const [device, kind] of [["tablet", "pen"], ["phone", "touch"]]) {
      const { page, context, troubles } = await openRoom(browser, url, `${room}-${kind}`, DEVICES[device]);
      const use = await hand(page, kind);
      const box = await page.getByRole("button", { name: "Eraser", exact: true }).boundingBox();
      await use.tap({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
      await page.waitForFunction(() => window.impasto.state().tool === "erase");
      await page.waitForTimeout(100);
      assert.equal(await focused(page), "Canvas", `${kind}: the canvas has the focus`);
      await page.keyboard.down(" ");
      assert.equal((await state(page)).tool, "hand");
      await page.keyboard.up(" ");
      assert.deepEqual(troubles, []);
      await context.close();
    }
  },

  ...each([["desktop", "mouse"], ["tablet", "pen"], ["phone", "touch"]], ([device, kind]) => ({
    async [`the starters stay away after undo and redo, and a stroke that begins on them paints: ${device}, by ${kind}`]({ browser, url, room, shots }) {
      const { page, context, troubles } = await openRoom(browser, url, `${room}-${kind}`, DEVICES[device]);
      const use = await hand(page, kind);
      await starters(page).waitFor();
      await page.screenshot({ path: `${shots}/starters-${device}.png` });
      const box = await page.getByRole("button", { name: "Sea and meadow" }).boundingBox();
      const from = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      await use.drag([from, { x: from.x + 30, y: from.y - 60 }, { x: from.x + 60, y: from.y - 120 }]);
      await page.waitForFunction(() => window.impasto.state().seq > 0);
      await calm(page);
      assert.ok(await painted(page, "sketch"), `${kind}: the stroke is there`);
      assert.equal(await starters(page).count(), 0);
      assert.notEqual((await state(page)).settings.prompt, "sea and meadow", `${kind}: it was no click`);

      await page.keyboard.press("Control+z");
      await calm(page);
      await starters(page).waitFor();
      await page.keyboard.press("Control+Shift+z");
      await calm(page);
      await page.waitForTimeout(900);
      assert.ok(await painted(page, "sketch"));
      assert.equal(await starters(page).count(), 0, `${kind}: no starters over a picture`);
      assert.deepEqual(troubles, []);
      await context.close();
    },
  })),

  ...each(["desktop", "phone"], (device) => ({
    async [`words on an empty canvas paint all of it, and undo takes that back: ${device}`]({ browser, url, room, shots }) {
      const { page, context, troubles } = await openRoom(browser, url, `${room}-${device}`, DEVICES[device]);
      await field(page).fill("red apple");
      await page.getByText("Enter paints the whole canvas from these words.").waitFor();
      await page.screenshot({ path: `${shots}/words-empty-${device}.png` });
      await field(page).press("Enter");
      await page.waitForFunction(() => window.impasto.state().renders.done > 0, undefined, { timeout: 120_000 });
      await calm(page);
      assert.ok(await painted(page, "result"), "a picture, not white paper");
      assert.ok(!(await painted(page, "sketch")), "nobody painted");
      await page.waitForTimeout(900);
      assert.equal(await starters(page).count(), 0, "no starters over a picture");
      const late = await openRoom(browser, url, `${room}-${device}`);
      await late.page.waitForTimeout(900);
      assert.equal(await starters(late.page).count(), 0, "nor for who comes later");
      await late.context.close();
      await page.screenshot({ path: `${shots}/words-painted-${device}.png` });
      await page.keyboard.press("Control+z");
      await calm(page);
      assert.ok(!(await painted(page, "result")), "Mod+Z takes it back");
      assert.deepEqual(troubles, []);
      await context.close();
    },
  })),

  async "Enter twice asks twice and applies nothing"({ browser, url, room }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await size(page);
    await drag(page, [[width * 0.3, height * 0.3], [width * 0.6, height * 0.4]]);
    await calm(page);
    const sketch = await hash(page, "sketch");
    await field(page).fill("a red boat");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await calm(page);
    assert.equal(await hash(page, "sketch"), sketch, "the sketch is the one that was painted");
    assert.equal(await page.getByText(/^Applied/).count(), 0);
    // With something else in between, Enter on the canvas applies, as the sheet of keys says.
    await page.getByRole("application", { name: "Canvas" }).focus();
    await page.keyboard.press("b");
    await page.keyboard.press("Enter");
    await page.getByText(/^Applied: you paint on this picture now/).waitFor();
    await calm(page);
    assert.notEqual(await hash(page, "sketch"), sketch);
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.equal(await hash(page, "sketch"), sketch, "Mod+Z takes the apply back");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "words that have nothing to work on say so, and offer to repaint everything"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await size(page);
    const corner = [0, Math.floor(height * 0.8), 64, 64];
    await drag(page, [[width * 0.3, height * 0.3], [width * 0.6, height * 0.4]]);
    await calm(page);
    await page.getByRole("button", { name: "Apply to sketch" }).click();
    await calm(page);
    assert.ok(await page.getByRole("button", { name: "Apply to sketch" }).isDisabled(), "there is nothing to apply twice");
    const before = [await hash(page, "result"), await hash(page, "result", corner)];
    await field(page).fill("stormy sea");
    await page.getByText("Nothing is painted or masked, so these words change nothing yet.").waitFor();
    await page.screenshot({ path: `${shots}/words-idle.png` });
    await field(page).press("Enter");
    await calm(page);
    assert.equal(await hash(page, "result"), before[0], "nothing is repainted unasked");
    const { seq } = await state(page);
    await page.getByRole("button", { name: "Repaint everything" }).click();
    await page.waitForFunction((least) => window.impasto.state().seq > least, seq);
    await calm(page);
    assert.notEqual(await hash(page, "result", corner), before[1], "everything is repainted");
    assert.equal(await page.getByText("Nothing is painted or masked").count(), 0);
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.equal(await hash(page, "result"), before[0], "and Mod+Z takes it back, to the byte");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  ...each(["desktop", "phone", "landscape"], (device) => ({
    async [`the mask can be seen, filled and emptied: ${device}`]({ browser, url, room, shots }) {
      const { page, context, troubles } = await openRoom(browser, url, `${room}-${device}`, DEVICES[device]);
      const { width, height } = await size(page);
      /** How many of the overlay's pixels are tinted, of 100. */
      const tinted = () =>
        page.evaluate(() => {
          const canvas = document.querySelector("canvas.mask-overlay");
          if (!canvas) return undefined;
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let at = 3; at < data.length; at += 4) if (data[at] > 0) count += 1;
          return (count / (data.length / 4)) * 100;
        });
      const until = async (fits, what) => {
        for (let tries = 0; tries < 80; tries += 1) {
          const part = await tinted();
          if (fits(part)) return;
          await page.waitForTimeout(100);
        }
        assert.fail(`${device}: ${what}: ${await tinted()}`);
      };
      await drag(page, [[width * 0.3, height * 0.4], [width * 0.6, height * 0.4]]);
      await calm(page);
      const sketch = await hash(page, "sketch");
      await page.keyboard.press("q");
      await until((part) => part > 0.3 && part < 30, "the stroke is under the mask");
      await page.screenshot({ path: `${shots}/mask-${device}.png` });
      await page.getByRole("group", { name: "Mask" }).getByRole("button", { name: "Everything" }).click();
      await until((part) => part === 100, "everything is");
      await page.getByRole("group", { name: "Mask" }).getByRole("button", { name: "Nothing" }).click();
      await until((part) => part === 0, "nothing is");
      await page.getByText("Nothing is masked", { exact: true }).waitFor();
      await calm(page);
      assert.equal(await hash(page, "sketch"), sketch, "the paint stays");
      assert.equal(await hash(page, "result"), sketch, "and the result is the sketch");
      await page.keyboard.press("Control+z");
      await until((part) => part === 100, "Mod+Z takes that back");
      await page.keyboard.press("Control+z");
      await until((part) => part > 0.3 && part < 30, "and what was before");
      await page.keyboard.press("q");
      assert.equal(await tinted(), undefined);
      await page.keyboard.press("Control+a");
      await calm(page);
      await page.keyboard.press("q");
      await until((part) => part === 100, "Mod+A masks everything");
      assert.deepEqual(troubles, []);
      await context.close();
    },
  })),
};

// Brush tips, buckets, gradients and text: set, painted, taken back, and how they look on each screen.
import assert from "node:assert/strict";
import { DEVICES, hash, openRoom } from "./browser.mjs";
import { unlabelled } from "./labels.mjs";
import { misplaced, violations } from "./layout.mjs";
import { calm, onPage, size, state } from "./tools.mjs";

const PAPER = [255, 255, 255];

function pixelsAt(page, points, layer = "sketch") {
  return page.evaluate(
    ([all, name]) => all.map(([x, y]) => [...window.impasto.readPixels(name, [Math.floor(x), Math.floor(y), 1, 1])].slice(0, 3)),
    [points, layer],
  );
}

/** How many pixels of the sketch are darker than grey in a rectangle. */
function darkIn(page, rect) {
  return page.evaluate((part) => {
    const bytes = window.impasto.readPixels("sketch", part);
    let dark = 0;
    for (let at = 0; at < bytes.length; at += 4) dark += bytes[at] + bytes[at + 1] + bytes[at + 2] < 384 ? 1 : 0;
    return dark;
  }, rect);
}

async function dragBetween(page, points) {
  const [first, ...others] = await onPage(page, points);
  await page.mouse.move(first.x, first.y);
  await page.mouse.down();
  for (const { x, y } of others) await page.mouse.move(x, y, { steps: 6 });
  await page.mouse.up();
}

async function press(page, point) {
  const [{ x, y }] = await onPage(page, [point]);
  await page.mouse.click(x, y);
}

async function undone(page, before, what) {
  await page.keyboard.press("Control+z");
  await calm(page);
  assert.equal(await hash(page, "sketch"), before, `one undo takes ${what} back`);
}

const near = (found, wanted, off = 3) => found.every((value, at) => Math.abs(value - wanted[at]) <= off);

/** Opens the flyout of shapes and takes a form. */
async function takeForm(page, name) {
  const button = page.getByRole("button", { name: /^Shapes and symmetry/ });
  await button.click();
  await page.getByRole("radiogroup", { name: "Area" }).getByRole("radio", { name }).click();
  return button;
}

export const areaScenarios = {
  async "a bucket fills what is seen, up to what is drawn, and half of the edge"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    await page.evaluate(
      ([x, y, r]) => {
        const around = Array.from({ length: 61 }, (_, at) => [x + r * Math.cos((at / 30) * Math.PI), y + r * Math.sin((at / 30) * Math.PI), 1]);
        window.impasto.paint(around, { size: 10, hardness: 0.8, color: "#101010" });
      },
      [w / 2, h / 2, w / 4],
    );
    await calm(page);
    const ring = await hash(page, "sketch");
    await page.keyboard.press("n");
    await press(page, [w / 2, h / 2]);
    await calm(page);
    const [middle, inside, outside, corner] = await pixelsAt(page, [[w / 2, h / 2], [w * 0.5, h * 0.31], [w * 0.1, h * 0.5], [2, 2]]);
    assert.notDeepEqual(middle, PAPER, "the inside is filled");
    assert.deepEqual(inside, middle);
    assert.deepEqual([outside, corner], [PAPER, PAPER], "the outside is not");
    await page.screenshot({ path: `${shots}/bucket.png` });
    await undone(page, ring, "the fill");
    await press(page, [w * 0.1, h * 0.1]);
    await calm(page);
    const [around, kept] = await pixelsAt(page, [[w - 2, h - 2], [w / 2, h / 2]]);
    assert.notDeepEqual(around, PAPER);
    assert.deepEqual(kept, PAPER, "the ring holds");
    await undone(page, ring, "the fill around it");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "a gradient runs from colour to colour, or fades out"({ browser, url, room, shots, mock }) {
    if (mock) return { skipped: "the stand-in paints no gradients" };
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const blank = await hash(page, "sketch");
    await page.keyboard.press("d");
    await takeForm(page, "Gradient");
    assert.deepEqual(await page.evaluate(unlabelled), []);
    assert.deepEqual(await violations(page), [], "axe, the flyout");
    await page.screenshot({ path: `${shots}/areas-flyout.png` });
    await page.getByRole("combobox", { name: "Runs" }).selectOption("linear");
    await page.getByRole("combobox", { name: "To" }).selectOption("nothing");
    await page.keyboard.press("Escape");
    await dragBetween(page, [[w * 0.25, h / 2], [w * 0.5, h * 0.6], [w * 0.75, h / 2]]);
    await calm(page);
    const [left, half, right] = await pixelsAt(page, [[w * 0.1, h * 0.2], [w / 2, h * 0.9], [w * 0.9, h * 0.2]]);
    assert.ok(near(left, [0x1f, 0x1b, 0x18]), `it begins with the colour: ${left}`);
    assert.ok(near(half, [0x8f, 0x8d, 0x8c], 6), `half of it in the middle: ${half}`);
    assert.ok(near(right, PAPER), `nothing of it at the end: ${right}`);
    await page.screenshot({ path: `${shots}/gradient.png` });
    await undone(page, blank, "the gradient");
    await takeForm(page, "Gradient");
    await page.getByRole("combobox", { name: "Runs" }).selectOption("radial");
    await page.getByRole("combobox", { name: "To" }).selectOption("second");
    await page.keyboard.press("Escape");
    await dragBetween(page, [[w / 2, h / 2], [w * 0.7, h / 2], [w * 0.9, h / 2]]);
    await calm(page);
    const [centre, rim] = await pixelsAt(page, [[w / 2, h / 2], [w / 2, h * 0.95]]);
    assert.ok(near(centre, [0x1f, 0x1b, 0x18], 4) && near(rim, PAPER), `${centre} to ${rim}`);
    await undone(page, blank, "the round one");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "text is typed where it will stand, and becomes paint"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const blank = await hash(page, "sketch");
    await page.keyboard.press("d");
    await page.keyboard.press("y");
    await press(page, [w * 0.2, h * 0.4]);
    const field = page.getByRole("textbox", { name: "Text on the canvas" });
    await field.waitFor();
    await field.fill("Sea");
    assert.deepEqual(await page.evaluate(unlabelled), []);
    assert.deepEqual(await violations(page), [], "axe, while it is typed");
    await page.screenshot({ path: `${shots}/text-typed.png` });
    await field.press("Escape");
    await field.waitFor({ state: "detached" });
    assert.equal(await hash(page, "sketch"), blank, "Escape leaves nothing");
    await press(page, [w * 0.2, h * 0.4]);
    await field.waitFor();
    await field.fill("Sea");
    await field.press("Enter");
    await calm(page);
    const rect = [w * 0.2, h * 0.4, w * 0.4, 90].map(Math.round);
    assert.ok((await darkIn(page, rect)) > 300, "the letters are there");
    assert.equal(await darkIn(page, [0, 0, w, Math.round(h * 0.35)]), 0, "and nowhere else");
    await page.screenshot({ path: `${shots}/text.png` });
    await undone(page, blank, "the text");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "brush tips: each has its own stroke, the same here and on the server"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    await page.keyboard.press("d");
    const kinds = ["Round", "Flat", "Chalk", "Airbrush", "Pencil"];
    const button = page.getByRole("button", { name: /^Brush tip/ });
    const strokes = [];
    for (const [at, kind] of kinds.entries()) {
      await button.click();
      const panel = page.getByRole("radiogroup", { name: "Brush tip" });
      await panel.getByRole("radio", { name: kind }).click();
      if (kind === "Chalk") {
        assert.deepEqual(await page.evaluate(unlabelled), []);
        assert.deepEqual(await violations(page), [], "axe, the tips");
        await page.screenshot({ path: `${shots}/tips.png` });
      }
      await page.keyboard.press("Escape");
      const y = h * (0.15 + 0.17 * at);
      await dragBetween(page, [[w * 0.15, y], [w * 0.4, y + h * 0.06], [w * 0.65, y - h * 0.05], [w * 0.85, y]]);
      await calm(page);
      strokes.push(await hash(page, "sketch", [0, Math.round(y - h * 0.08), w, Math.round(h * 0.16)]));
    }
    assert.equal(new Set(strokes).size, kinds.length);
    await page.screenshot({ path: `${shots}/tips-strokes.png` });
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "tips, areas and text fit on every screen"({ browser, url, room, shots }) {
    for (const device of ["laptop", "tablet", "phone", "landscape", "small"]) {
      const options = { ...DEVICES[device], colorScheme: device === "tablet" ? "light" : "dark" };
      const { page, context, troubles } = await openRoom(browser, url, `${room}-${device}`, options);
      await page.getByRole("button", { name: /^Brush tip/ }).click();
      await page.getByRole("radiogroup", { name: "Brush tip" }).waitFor();
      await page.waitForTimeout(200);
      await page.screenshot({ path: `${shots}/tips-${device}.png` });
      const panel = await page.locator(".flyout").boundingBox();
      const { width, height } = options.viewport;
      assert.ok(panel.x >= 0 && panel.y >= 0 && panel.x + panel.width <= width + 1 && panel.y + panel.height <= height + 1, `${device}: ${JSON.stringify(panel)}`);
      assert.deepEqual(await violations(page), [], `axe, tips on ${device}`);
      await page.keyboard.press("Escape");
      assert.deepEqual(await page.evaluate(misplaced, options.hasTouch ? 44 : 24), [], `${device}: nothing lies over anything`);
      await takeForm(page, "Bucket");
      await page.screenshot({ path: `${shots}/areas-${device}.png` });
      assert.deepEqual(await violations(page), [], `axe, areas on ${device}`);
      await page.keyboard.press("Escape");
      assert.equal((await state(page)).role, "owner");
      assert.deepEqual(troubles, []);
      await context.close();
    }
  },
};

// Pictures on layers: dropped, arranged, laid on a new layer or the one in hand, taken back.
import assert from "node:assert/strict";
import { DEVICES, openRoom } from "./browser.mjs";
import { names, openLayers, pixel } from "./layers.mjs";
import { violations } from "./layout.mjs";
import { carriedFile } from "./scenarios.mjs";
import { calm, size, state } from "./tools.mjs";

const PAPER = [255, 255, 255];
/** What the stand-in makes of every picture. */
const MOCK = [90, 140, 190];
const RED = [200, 40, 30];

/** A red square in the middle of nothing, half as wide as the whole, as PNG. */
async function sticker(page, side) {
  const bytes = await page.evaluate(
    async ([side, colour]) => {
      const canvas = new OffscreenCanvas(side, side);
      const context = canvas.getContext("2d");
      context.fillStyle = `rgb(${colour.join(" ")})`;
      context.fillRect(side / 4, side / 4, side / 2, side / 2);
      return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
    },
    [side, RED],
  );
  return Buffer.from(bytes);
}

async function dropped(page, side) {
  await page.dispatchEvent("main", "drop", { dataTransfer: await carriedFile(page, "image/png", await sticker(page, side)) });
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  return dialog;
}

export const layerPictureScenarios = {
  async "a dropped picture goes on a new layer with its transparency, and one undo takes both back"({ browser, url, room, shots, mock }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const [middle, corner] = [[w / 2, h / 2], [w * 0.1, h * 0.1]];
    const panel = await openLayers(page);
    const dialog = await dropped(page, 256);
    await dialog.getByLabel("Put it on").selectOption("new");
    await dialog.getByRole("heading", { name: "Put this picture on a layer?" }).waitFor();
    await page.screenshot({ path: `${shots}/picture-on-layer.png` });
    assert.deepEqual(await violations(page), [], "axe");
    await dialog.getByRole("button", { name: "Put it on the layer" }).click();
    await page.waitForFunction(() => document.querySelectorAll("ol .words").length === 2);
    await calm(page);
    assert.deepEqual((await names(panel))[1], "Layer 1");
    assert.deepEqual(await pixel(page, middle), mock ? MOCK : RED);
    assert.deepEqual(await pixel(page, corner), PAPER, "what is transparent stays so");

    await page.keyboard.press("Control+z");
    await page.waitForFunction(() => document.querySelectorAll("ol .words").length === 1);
    await calm(page);
    assert.deepEqual(await pixel(page, middle), PAPER);
    await page.keyboard.press("Control+Shift+z");
    await page.waitForFunction(() => document.querySelectorAll("ol .words").length === 2);
    await calm(page);
    assert.deepEqual(await pixel(page, middle), mock ? MOCK : RED);

    await page.reload();
    await page.waitForFunction(() => window.impasto !== undefined);
    await page.evaluate(() => window.impasto.ready());
    assert.deepEqual(await pixel(page, middle), mock ? MOCK : RED, "whoever comes finds it");
    const next = await dropped(page, 64);
    assert.equal(await next.getByLabel("Put it on").inputValue(), "new", "the next one goes the same way");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "a picture lies where it was dragged, as large as was said, on the layer in hand"({ browser, url, room, mock }) {
    if (mock) return { skipped: "the stand-in decodes no pictures" };
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const dialog = await dropped(page, 256);
    await dialog.getByLabel("Put it on").selectOption("in-hand");
    const slider = dialog.getByRole("slider", { name: "Across" });
    await slider.focus();
    // 20 of a hundred to the left.
    for (let step = 0; step < 2; step += 1) await page.keyboard.press("Shift+ArrowLeft");
    const view = dialog.locator("canvas");
    const box = await view.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.7, { steps: 4 });
    await page.mouse.up();
    await dialog.getByRole("button", { name: "Put it on the layer" }).click();
    await page.waitForFunction(() => window.impasto.state().seq === 1 && window.impasto.state().pending === 0);
    await calm(page);
    // The square goes from 0.05 to 0.55 across, and from 0.45 to 0.95 down.
    for (const [x, y, expected] of [[0.1, 0.7, RED], [0.5, 0.7, RED], [0.6, 0.7, PAPER], [0.3, 0.4, PAPER], [0.3, 0.9, RED]]) {
      assert.deepEqual(await pixel(page, [w * x, h * y]), expected, `${x}, ${y}`);
    }
    assert.equal((await state(page)).renders.done, 0, "nothing is rendered where nothing is masked");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "a locked layer takes no picture, and the dialog says so"({ browser, url, room }) {
    const { page, context } = await openRoom(browser, url, room);
    const panel = await openLayers(page);
    await panel.getByRole("button", { name: "Lock Layer 1" }).click();
    await panel.locator('[aria-label="Lock Layer 1"][aria-pressed="true"]').waitFor();
    const dialog = await dropped(page, 64);
    await dialog.getByLabel("Put it on").selectOption("in-hand");
    await dialog.getByText("is locked: unlock it").waitFor();
    assert.ok(await dialog.getByRole("button", { name: "Put it on the layer" }).isDisabled());
    await context.close();
  },

  ...Object.fromEntries(
    ["phone", "landscape"].map((device) => [
      `the dialog for a picture on a layer fits: ${device}`,
      async ({ browser, url, room, shots }) => {
        const { page, context } = await openRoom(browser, url, room, DEVICES[device]);
        const dialog = await dropped(page, 256);
        await dialog.getByLabel("Put it on").selectOption("new");
        const button = dialog.getByRole("button", { name: "Put it on the layer" });
        await button.scrollIntoViewIfNeeded();
        await page.screenshot({ path: `${shots}/picture-on-layer-${device}.png` });
        const { width } = page.viewportSize();
        const box = await dialog.boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= width, "it is not wider than the screen");
        assert.deepEqual(await violations(page), [], "axe");
        await context.close();
      },
    ]),
  ),
};

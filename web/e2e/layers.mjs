// Layers: added, painted on, hidden, mixed, moved, locked, deleted, undone; seen by others and kept from the model.
import assert from "node:assert/strict";
import { DEVICES, drag, openRoom, settle } from "./browser.mjs";
import { misplaced, violations } from "./layout.mjs";
import { calm, size, state } from "./tools.mjs";

const PAPER = [255, 255, 255];

/** The sketch's pixel at a canvas point. */
export function pixel(page, [x, y]) {
  return page.evaluate(([at, down]) => [...window.impasto.readPixels("sketch", [Math.floor(at), Math.floor(down), 1, 1])].slice(0, 3), [x, y]);
}

/** Opens the panel; on a phone it is behind the button for views. */
export async function openLayers(page) {
  const more = page.getByRole("button", { name: /^Views and sharing/ });
  if (await more.isVisible()) await more.click();
  await page.getByRole("button", { name: "Layers", exact: true }).click();
  return page.getByRole("region", { name: "Layers" });
}

/** Waits until a layer's small picture has something painted on it, or nothing. */
async function thumbnailed(panel, name, isPainted) {
  const image = row(panel, name).locator("img");
  const isDark = () =>
    image.evaluate(async (img) => {
      await img.decode();
      const context = new OffscreenCanvas(img.naturalWidth, img.naturalHeight).getContext("2d");
      context.drawImage(img, 0, 0);
      const { data } = context.getImageData(0, 0, img.naturalWidth, img.naturalHeight);
      return data.some((value, at) => at % 4 < 3 && value < 128 && data[at - (at % 4) + 3] > 128);
    });
  for (let tries = 0; tries < 60; tries += 1) {
    if ((await image.count()) > 0 && (await isDark().catch(() => undefined)) === isPainted) return;
    await panel.page().waitForTimeout(100);
  }
  assert.fail(`the small picture of ${name} does not show ${isPainted ? "what is painted" : "that nothing is"}`);
}

/** What takes a layer in hand. */
const row = (panel, name) => panel.locator("button.name", { hasText: name });

/** Names of the layers as they are listed, the topmost first. */
export const names = (panel) => panel.locator("ol .words").allTextContents();

export const layerScenarios = {
  async "layers: two are painted on, hidden, multiplied, moved, deleted and undone, and a second member sees it"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const other = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const middle = [w / 2, h / 2];
    const line = [[w * 0.3, h / 2], [w * 0.7, h / 2]];
    await page.evaluate((points) => window.impasto.paint(points.map(([x, y]) => [x, y, 1]), { size: 40, color: "#78c2f0" }), line);
    await calm(page);
    const below = await pixel(page, middle);
    assert.notDeepEqual(below, PAPER);

    const panel = await openLayers(page);
    await panel.getByRole("button", { name: "Add a layer" }).click();
    await panel.getByText("Layer 2", { exact: true }).waitFor();
    assert.deepEqual(await names(panel), ["Layer 2", "Layer 1"]);
    assert.equal(await row(panel, "Layer 2").getAttribute("aria-current"), "true", "it is in hand");
    await drag(page, [[w / 2, h * 0.3], [w / 2, h * 0.7]]);
    await calm(page);
    const above = await pixel(page, middle);
    assert.notDeepEqual(above, below, "it covers what lies under it");
    await thumbnailed(panel, "Layer 2", true);
    await page.screenshot({ path: `${shots}/layers.png` });

    const theirs = await openLayers(other.page);
    await theirs.getByText("Layer 2", { exact: true }).waitFor();
    await calm(other.page);
    assert.deepEqual(await pixel(other.page, middle), above, "the second member sees it");

    await panel.getByRole("button", { name: "Show Layer 2" }).click();
    await calm(page);
    assert.deepEqual(await pixel(page, middle), below, "hidden");
    await drag(page, [[w * 0.2, h * 0.2], [w * 0.3, h * 0.2]]);
    await page.getByText("is hidden: show it").first().waitFor();
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.deepEqual(await pixel(page, middle), above, "undo shows it again");
    assert.equal(await panel.getByRole("button", { name: "Show Layer 2" }).getAttribute("aria-pressed"), "true");

    await panel.getByLabel("Blend").selectOption("multiply");
    await calm(page);
    const multiplied = await pixel(page, middle);
    multiplied.forEach((value, channel) => {
      const expected = Math.round((below[channel] * above[channel]) / 255);
      assert.ok(Math.abs(value - expected) <= 1, `${multiplied} is ${below} times ${above}`);
    });
    await calm(other.page);
    assert.deepEqual(await pixel(other.page, middle), multiplied);
    await panel.getByLabel("Opacity").focus();
    for (let step = 0; step < 3; step += 1) await page.keyboard.press("ArrowLeft");
    await calm(page);
    assert.equal(await panel.getByLabel("Opacity").inputValue(), "97");

    await panel.getByRole("button", { name: "Add a layer" }).click();
    await panel.getByText("Layer 3", { exact: true }).waitFor();
    await panel.getByLabel("Name").fill("Shadows");
    await panel.getByLabel("Name").press("Enter");
    await theirs.getByText("Shadows", { exact: true }).waitFor();
    await panel.getByRole("button", { name: "Move the layer down" }).click();
    await page.waitForFunction(() => document.querySelector("ol .words")?.textContent === "Layer 2");
    assert.deepEqual(await names(panel), ["Layer 2", "Shadows", "Layer 1"]);
    assert.ok(await panel.getByRole("button", { name: "Move the layer down" }).isDisabled(), "the lowest stays the lowest");

    await row(panel, "Layer 2").click();
    await panel.getByRole("button", { name: "Lock Layer 2" }).click();
    await theirs.locator('[aria-label="Lock Layer 2"][aria-pressed="true"]').waitFor();
    const { seq } = await state(page);
    await drag(page, [[w * 0.2, h * 0.8], [w * 0.3, h * 0.8]]);
    await page.getByText("is locked: unlock it").first().waitFor();
    assert.equal((await state(page)).seq, seq, "nothing is painted on it");
    await panel.getByRole("button", { name: "Lock Layer 2" }).click();
    await panel.locator('[aria-label="Lock Layer 2"][aria-pressed="false"]').waitFor();

    await panel.getByRole("button", { name: "Delete the layer" }).click();
    await row(panel, "Layer 2").waitFor({ state: "detached" });
    await calm(page);
    assert.deepEqual(await pixel(page, middle), below, "its paint went with it");
    assert.deepEqual(await names(theirs), ["Shadows", "Layer 1"]);
    await page.keyboard.press("Control+z");
    await row(panel, "Layer 2").waitFor();
    await calm(page);
    await calm(other.page);
    assert.notDeepEqual(await pixel(page, middle), below, "undo brings it back with its paint");
    assert.deepEqual(await pixel(other.page, middle), await pixel(page, middle));

    await page.reload();
    await page.waitForFunction(() => window.impasto !== undefined);
    await page.evaluate(() => window.impasto.ready());
    const again = await openLayers(page);
    assert.deepEqual(await names(again), ["Layer 2", "Shadows", "Layer 1"], "whoever comes finds them");
    assert.deepEqual([...troubles, ...other.troubles], []);
    await other.context.close();
    await context.close();
  },

  ...Object.fromEntries(
    Object.entries(DEVICES).map(([device, options]) => [
      `the layers panel lies right: ${device}`,
      async ({ browser, url, room, shots }) => {
        const { page, context, troubles } = await openRoom(browser, url, room, options);
        const { width: w, height: h } = await size(page);
        await page.evaluate(([x, y]) => window.impasto.paint([[x, y, 1]], { size: 60, color: "#cf2f26" }), [w / 2, h / 2]);
        await settle(page);
        const panel = await openLayers(page);
        const add = panel.getByRole("button", { name: "Add a layer" });
        for (const name of ["Layer 2", "Layer 3"]) {
          await add.click();
          await panel.getByText(name, { exact: true }).waitFor();
        }
        await page.screenshot({ path: `${shots}/layers-${device}.png` });
        const found = await page.evaluate(misplaced, options.hasTouch ? 44 : 24);
        // On a phone what is unfolded covers what is below it.
        const isTight = ["phone", "landscape", "small"].includes(device);
        assert.deepEqual(isTight ? found.filter((problem) => !problem.includes(" lies over ")) : found, []);
        assert.deepEqual(await violations(page), [], "axe");
        await page.emulateMedia({ colorScheme: "light" });
        await page.waitForTimeout(300);
        assert.deepEqual(await violations(page), [], "axe, light");
        assert.deepEqual(troubles, []);
        await context.close();
      },
    ]),
  ),

  async "a layer that the model does not see lies over the picture"({ browser, url, room, mock }) {
    if (mock) return { skipped: "the stand-in has no pictures of layers" };
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const panel = await openLayers(page);
    await panel.getByRole("button", { name: "Add a layer" }).click();
    await panel.getByText("Layer 2", { exact: true }).waitFor();
    await panel.getByLabel("The model sees it").uncheck();
    await panel.getByText("not for the model").waitFor();
    await drag(page, [[w * 0.3, h / 2], [w * 0.7, h / 2]]);
    await calm(page);
    assert.deepEqual(await pixel(page, [w / 2, h / 2]), PAPER, "it is not in the sketch");
    const note = page.locator("img.unseen").first();
    await note.waitFor();
    const alpha = () =>
      note.evaluate(async (image) => {
        await image.decode();
        const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return context.getImageData(image.naturalWidth / 2, image.naturalHeight / 2, 1, 1).data[3];
      });
    for (let tries = 0; tries < 50 && (await alpha()) === 0; tries += 1) await page.waitForTimeout(100);
    assert.ok((await alpha()) > 200, "people see it");
    assert.deepEqual(troubles, []);
    await context.close();
  },
};

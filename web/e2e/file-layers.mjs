// OpenRaster files that come in as layers: what is told before, what comes, one undo, and there and back.
import assert from "node:assert/strict";
import { drag, hash, openRoom } from "./browser.mjs";
import { names, openLayers } from "./layers.mjs";
import { violations } from "./layout.mjs";
import { encodePng } from "./png.mjs";
import { carriedFile } from "./scenarios.mjs";
import { calm, size } from "./tools.mjs";
import { zipOf } from "./zip.mjs";

const STACK = (width, height) => `<?xml version="1.0" encoding="UTF-8"?>
<image w="${width}" h="${height}"><stack>
  <layer name="Lost" src="data/lost.png"/>
  <layer name="Glow" src="data/glow.png" composite-op="svg:color-dodge" opacity="0.5"/>
  <stack name="Land" visibility="hidden"><layer name="Hills" src="data/hills.png" x="4" y="-2" composite-op="svg:multiply"/></stack>
  <layer name="Sky &amp; sea" src="data/sky.png"/>
</stack></image>`;

function ora(width, height) {
  const png = (colour) => encodePng(new Uint8Array(width * height * 3).map((_, at) => colour[at % 3]), width, [0, 0, width, height]);
  return zipOf([
    ["mimetype", "image/openraster"],
    ["stack.xml", STACK(width, height), true],
    ["data/glow.png", png([250, 220, 90])],
    ["data/hills.png", png([60, 120, 50])],
    ["data/sky.png", png([80, 150, 220])],
  ]);
}

/** Drops a file and asks for its layers. */
async function offered(page, bytes) {
  await page.dispatchEvent("main", "drop", { dataTransfer: await carriedFile(page, "", bytes) });
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Put it on").selectOption("layers");
  return dialog;
}

const layersThere = (page, count) => page.waitForFunction((wanted) => document.querySelectorAll("ol .words").length === wanted, count);

export const fileLayerScenarios = {
  async "an OpenRaster file comes in as layers, what is different is said before, and one undo takes all back"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await size(page);
    const panel = await openLayers(page);
    const dialog = await offered(page, ora(width, height));
    await dialog.getByText("take them as Normal: “Glow” (color-dodge).").waitFor();
    await dialog.getByText("The file does not have its picture.").waitFor();
    assert.ok(await dialog.getByRole("checkbox", { name: /^Lost/ }).isDisabled());
    await page.screenshot({ path: `${shots}/file-layers.png` });
    assert.deepEqual(await violations(page), [], "axe");
    await dialog.getByRole("button", { name: "Bring in 3 layers" }).click();
    await dialog.waitFor({ state: "hidden" });
    await layersThere(page, 4);
    await calm(page);
    assert.deepEqual(await names(panel), ["Glow", "Hills", "Sky & sea", "Layer 1"]);
    assert.equal(await panel.getByRole("button", { name: "Show Hills" }).getAttribute("aria-pressed"), "false");
    const about = await panel.locator("ol .about").allTextContents();
    assert.deepEqual(about.map((text) => text.trim()), ["50 %", "Multiply", "", ""]);
    await page.keyboard.press("Control+z");
    await layersThere(page, 1);
    await calm(page);

    const again = await offered(page, ora(width, height));
    for (const name of ["Glow", "Hills"]) await again.getByRole("checkbox", { name: new RegExp(`^${name}`) }).uncheck();
    assert.equal(await again.getByText("take them as Normal").count(), 0, "nothing of it is chosen");
    await again.getByRole("button", { name: "Bring in 1 layer" }).click();
    await layersThere(page, 2);
    assert.deepEqual(await names(panel), ["Sky & sea", "Layer 1"]);
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "a file without layers that can be read is told in a sentence"({ browser, url, room }) {
    const { page, context } = await openRoom(browser, url, room);
    const dialog = await offered(page, zipOf([["mimetype", "image/openraster"], ["mergedimage.png", "x"]]));
    await dialog.getByText("The file has no part stack.xml; save it again.").waitFor();
    assert.ok(await dialog.getByRole("button", { name: /^Bring in/ }).isDisabled());
    await context.close();
  },

  async "the layers of a room go to a file and into another room, to the byte"({ browser, url, room, mock }) {
    if (mock) return { skipped: "the stand-in exports no layers" };
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const panel = await openLayers(page);
    await page.evaluate(
      ([x, y]) => window.impasto.paint([[x * 0.2, y * 0.4, 1], [x * 0.8, y * 0.5, 0.5]], { size: 70, color: "#3a7bd5", hardness: 0.3, opacity: 0.7 }),
      [w, h],
    );
    await panel.getByRole("button", { name: "Add a layer" }).click();
    await panel.getByText("Layer 2", { exact: true }).waitFor();
    await panel.getByLabel("Blend").selectOption("multiply");
    await calm(page);
    await drag(page, [[w * 0.3, h * 0.3], [w * 0.6, h * 0.6]]);
    await calm(page);
    const wanted = [await hash(page, "result"), await hash(page, "sketch")];
    const answer = await fetch(`${url}/v1/rooms/${room}/export?format=ora`);
    const bytes = Buffer.from(await answer.arrayBuffer());

    const there = await openRoom(browser, url, `${room}-there`);
    const theirs = await openLayers(there.page);
    const dialog = await offered(there.page, bytes);
    await dialog.getByRole("button", { name: "Bring in 4 layers" }).click();
    await dialog.waitFor({ state: "hidden" });
    await layersThere(there.page, 5);
    await calm(there.page);
    assert.deepEqual(await names(theirs), ["Result", "Sketch", "Layer 2", "Layer 1", "Layer 1"]);
    assert.equal(await hash(there.page, "result"), wanted[0], "all layers make what was seen");
    await theirs.getByRole("button", { name: "Show Result" }).click();
    await calm(there.page);
    assert.equal(await hash(there.page, "sketch"), wanted[1], "the painted ones make what was painted");
    assert.deepEqual([...troubles, ...there.troubles], []);
    await there.context.close();
    await context.close();
  },
};

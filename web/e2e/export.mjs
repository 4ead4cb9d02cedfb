// Files that leave the room, and what comes back with them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { initializeCanvas, readPsd } from "ag-psd";
import { hash, openRoom, settle } from "./browser.mjs";
import { violations } from "./layout.mjs";
import { unlabelled } from "./labels.mjs";
import { carriedFile } from "./scenarios.mjs";

const KINDS = {
  png: { radio: /^PNG/, ending: ".png", type: "image/png", begins: "\x89PNG" },
  jpeg: { radio: /^JPEG/, ending: ".jpg", type: "image/jpeg", begins: "\xff\xd8" },
  webp: { radio: /^WebP/, ending: ".webp", type: "image/webp", begins: "RIFF" },
  ora: { radio: /^Layers/, ending: ".ora", type: "image/openraster", begins: "PK" },
  psd: { radio: /^PSD/, ending: ".psd", type: "image/vnd.adobe.photoshop", begins: "8BPS" },
};
const PROMPT = "a harbour, by night";
const GENERATED = "digitalsourcetype/trainedAlgorithmicMedia<";

// Outside a browser the library has no canvas to make pixels with.
initializeCanvas(
  () => assert.fail("only pixels are asked for"),
  (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
);

/** What the dialog saves, once it is filled in. */
async function exported(page, format, fill = async () => {}) {
  await page.getByRole("button", { name: "Export", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: /^Export/ });
  await dialog.getByRole("radio", { name: KINDS[format].radio }).check();
  await fill(dialog);
  const saved = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Export the file" }).click();
  const download = await saved;
  const name = download.suggestedFilename();
  assert.ok(name.endsWith(KINDS[format].ending), name);
  await dialog.waitFor({ state: "hidden" });
  const bytes = readFileSync(await download.path());
  assert.ok(bytes.toString("latin1").startsWith(KINDS[format].begins), `${format} begins as one`);
  return bytes;
}

/** A digest of a file's pixels, as the browser reads them. */
function hashOfFile(page, bytes, type) {
  return page.evaluate(
    async ([content, kind]) => {
      const bitmap = await createImageBitmap(new Blob([new Uint8Array(content)], { type: kind }));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
      const digest = await crypto.subtle.digest("SHA-256", data);
      return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    },
    [[...bytes], type],
  );
}

async function offered(page, bytes, type) {
  await page.dispatchEvent("main", "drop", { dataTransfer: await carriedFile(page, type, bytes) });
  const dialog = page.getByRole("dialog", { name: /Edit this photo\?|Place this picture\?/ });
  await dialog.waitFor();
  return dialog;
}

async function painted(page) {
  await page.evaluate((prompt) => window.impasto.settings({ prompt, seed: 42 }), PROMPT);
  const { width, height } = await page.evaluate(() => window.impasto.canvas());
  await page.evaluate(([w, h]) => window.impasto.paint([[w * 0.3, h * 0.4, 1], [w * 0.6, h * 0.5, 1]], { size: 60, color: "#cf2f26" }), [width, height]);
  await settle(page, 120_000);
  return { width, height };
}

export const exportScenarios = {
  async "exports every format, and a dropped file's settings are taken"({ browser, url, room, shots, mock }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    await painted(page);
    const result = await hash(page, "result");
    const sketch = await hash(page, "sketch");
    const files = {};
    for (const format of mock ? ["png"] : Object.keys(KINDS)) {
      const bytes = await exported(page, format);
      files[format] = bytes;
      const text = bytes.toString("latin1");
      if (!mock) assert.ok(text.includes(GENERATED), `${format} says that a model made it`);
      if (format === "png" || format === "ora") assert.ok(text.includes(`parameters\0${PROMPT}`), `${format} has its settings`);
      if (format === "ora") assert.ok(text.includes("mimetypeimage/openraster") && text.includes("mergedimage.png"));
      if (format === "png" || format === "webp") {
        assert.equal(await hashOfFile(page, bytes, KINDS[format].type), result, `${format} has the room's pixels`);
      }
    }
    if (files.psd) {
      const psd = readPsd(files.psd, { useImageData: true });
      const layers = psd.children.map(({ name, hidden }) => [name, hidden ?? false]);
      assert.deepEqual(layers, [["Sketch", true], ["Result", false]], "the top one is last");
      for (const [pixels, wanted] of [[psd.imageData, result], [psd.children[1].imageData, result], [psd.children[0].imageData, sketch]]) {
        assert.equal(createHash("sha256").update(pixels.data).digest("hex"), wanted, "a layer has its pixels");
      }
    }
    for (const [format, bytes] of Object.entries(files).filter(([format]) => format !== "ora" && format !== "psd")) {
      await page.evaluate(() => window.impasto.settings({ prompt: "something else", seed: 7 }));
      await settle(page, 120_000);
      const dialog = await offered(page, bytes, KINDS[format].type);
      await dialog.getByText(PROMPT).waitFor();
      assert.deepEqual(await violations(page), [], "axe, the offer");
      await dialog.getByRole("button", { name: "Use its settings" }).click();
      await dialog.getByText("The room has its settings now.").waitFor();
      await page.screenshot({ path: `${shots}/use-settings-${format}.png` });
      await dialog.getByRole("button", { name: "Do not place it" }).click();
      await page.waitForFunction((prompt) => {
        const { settings, pending } = window.impasto.state();
        return pending === 0 && settings.prompt === prompt && settings.seed === 42;
      }, PROMPT);
      await settle(page, 120_000);
    }
    if (files.ora) {
      const dialog = await offered(page, files.ora, "");
      await dialog.getByRole("combobox", { name: "Place" }).selectOption("sketch");
      const seq = await page.evaluate(() => window.impasto.state().seq);
      await dialog.getByRole("button", { name: "Place it as it is" }).click();
      await page.waitForFunction((old) => window.impasto.state().seq > old, seq);
      await settle(page, 120_000);
      assert.equal(await hash(page, "result"), sketch, "the layer came back to the byte");
    }
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "the export dialog is worked by keys, larger, and without settings"({ browser, url, room, shots, mock }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width } = await painted(page);
    const button = page.getByRole("button", { name: "Export", exact: true });
    await button.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Export" });
    await dialog.waitFor();
    assert.deepEqual(await page.evaluate(unlabelled), []);
    assert.deepEqual(await violations(page), [], "axe, dark");
    await page.screenshot({ path: `${shots}/export.png` });
    await dialog.getByRole("radio", { name: KINDS.png.radio }).focus();
    await page.keyboard.press("ArrowRight");
    assert.ok(await dialog.getByRole("radio", { name: KINDS.jpeg.radio }).isChecked());
    await dialog.getByRole("radio", { name: KINDS.ora.radio }).check();
    assert.ok(await dialog.getByRole("combobox", { name: "Size" }).isDisabled(), "layers have the canvas's size");
    await page.emulateMedia({ colorScheme: "light" });
    await page.waitForTimeout(300);
    assert.deepEqual(await violations(page), [], "axe, light");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.ok(await button.evaluate((element) => element === document.activeElement), "the focus is back");

    const bytes = await exported(page, "png", async (open) => {
      await open.getByRole("combobox", { name: "Size" }).selectOption("2");
      await open.getByRole("checkbox", { name: /With its settings/ }).uncheck();
    });
    if (!mock) {
      const fine = await exported(page, "jpeg");
      const coarse = await exported(page, "jpeg", async (open) => {
        await open.getByRole("slider", { name: "Quality" }).fill("40");
        await open.getByRole("combobox", { name: "Print" }).selectOption("300");
        await page.screenshot({ path: `${shots}/export-jpeg.png` });
        assert.deepEqual(await violations(page), [], "axe, a JPEG");
      });
      // White paper, which is most of it, is the same at any quality.
      assert.ok(coarse.length < 0.9 * fine.length, `${coarse.length} of ${fine.length} bytes`);
      const density = coarse.indexOf("JFIF\0") + 7;
      assert.deepEqual([...coarse.subarray(density, density + 5)], [1, 1, 44, 1, 44], "300 dots an inch");
    }

    const text = bytes.toString("latin1");
    assert.ok(!text.includes("parameters"), "what it was made with is not said");
    if (!mock) {
      assert.equal(bytes.readUInt32BE(16), 2 * width, "twice as wide");
      assert.ok(text.includes(GENERATED), "that a model made it is");
    }
    assert.deepEqual(troubles, []);
    await context.close();
  },
};

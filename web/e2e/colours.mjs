// Any colour, the picture's own and a reference picture, on every screen.
import assert from "node:assert/strict";
import { DEVICES, hand, openRoom } from "./browser.mjs";
import { unlabelled } from "./labels.mjs";
import { misplaced, violations } from "./layout.mjs";
import { encodePng } from "./png.mjs";
import { carriedFile } from "./scenarios.mjs";
import { calm, onPage, size, state } from "./tools.mjs";

export const colourScenarios = {
  ...Object.fromEntries(
    ["desktop", "tablet", "phone", "landscape", "small"].map((device) => [
      `any colour, recent ones and the picture's: ${device}`,
      async ({ browser, url, room, shots }) => {
        const { page, context, troubles } = await openRoom(browser, url, `${room}-${device}`, DEVICES[device]);
        const { width: w, height: h } = await size(page);
        const color = async () => (await state(page)).brush.color;
        const touches = DEVICES[device].hasTouch === true;
        const finger = await hand(page, touches ? "touch" : "mouse");
        for (const [at, paint] of ["#cf2f26", "#2a62b5", "#f6d02f"].entries()) {
          await page.evaluate(
            ([x, y, across, tint]) => window.impasto.paint([[x, y, 1], [x + across, y, 1]], { size: 70, color: tint, hardness: 1 }),
            [w * 0.2, h * (0.25 + at * 0.22), w * 0.6, paint],
          );
        }
        await calm(page);
        await page.getByRole("button", { name: /^Colour / }).click();
        const group = page.getByRole("group", { name: "Palette" });
        await group.getByLabel("Hue").waitFor();
        await group.getByLabel("Colour as hex digits").fill("#3366CC");
        await group.getByLabel("Colour as hex digits").press("Enter");
        assert.equal(await color(), "#3366cc");
        const square = await group.locator(".square").boundingBox();
        await finger.drag([{ x: square.x + 5, y: square.y + 5 }, { x: square.x + square.width - 1, y: square.y + 1 }]);
        assert.match(await color(), /^#0[0-9a-f][4-6][0-9a-f]f[0-9a-f]$/, "the brightest of that hue");
        await group.getByLabel("Hue").focus();
        await page.keyboard.press("Home");
        assert.match(await color(), /^#f[0-9a-f]0[0-9a-f]0[0-9a-f]$/, "and red with the first hue");
        await group.getByLabel("Saturation").focus();
        const most = await color();
        await page.keyboard.press("Shift+ArrowLeft");
        assert.notEqual(await color(), most);
        assert.deepEqual((await page.evaluate(misplaced, touches ? 44 : 24)).filter((problem) => !problem.includes(" lies over ")), []);
        assert.deepEqual(await page.evaluate(unlabelled), []);
        assert.deepEqual(await violations(page), []);
        await page.screenshot({ path: `${shots}/colours-${device}.png` });
        await page.emulateMedia({ colorScheme: "light" });
        await page.waitForTimeout(250);
        assert.deepEqual(await violations(page), [], "light");
        await page.screenshot({ path: `${shots}/colours-${device}-light.png` });
        const chips = group.getByRole("group", { name: "Of the picture" }).getByRole("button");
        assert.ok((await chips.count()) >= 4, "paper and three paints at least");
        await chips.nth(1).click();
        const picked = await color();
        await page.keyboard.press("Escape");
        await finger.drag(await onPage(page, [[w * 0.5, h * 0.1], [w * 0.6, h * 0.1], [w * 0.7, h * 0.1]]));
        await calm(page);
        await page.getByRole("button", { name: /^Colour / }).click();
        await group.getByRole("group", { name: "Recent" }).getByRole("button", { name: `Recent: ${picked}` }).waitFor();
        assert.deepEqual(troubles, []);
        await context.close();
      },
    ]),
  ),

  ...Object.fromEntries(
    ["desktop", "phone", "landscape"].map((device) => [
      `a reference picture beside one's own: ${device}`,
      async ({ browser, url, room, shots }) => {
        const { page, context, troubles } = await openRoom(browser, url, `${room}-${device}`, DEVICES[device]);
        const touches = DEVICES[device].hasTouch === true;
        const finger = await hand(page, touches ? "touch" : "mouse");
        const color = async () => (await state(page)).brush.color;
        const toolbar = async (name) => {
          const more = page.getByRole("button", { name: "Views and sharing" });
          if (await more.isVisible()) await more.click();
          await page.getByRole("button", { name, exact: true }).click();
          if (await more.isVisible()) await more.click();
        };
        await toolbar("Reference picture");
        const region = page.getByRole("region", { name: "Reference picture" });
        await region.getByText("It stays in this browser.").waitFor();
        assert.deepEqual(await page.evaluate(unlabelled), []);
        // Two halves: red, and blue.
        const pixels = new Uint8Array(64 * 48 * 3).map((_, at) => ((at / 3) % 64 < 32 ? [208, 48, 40] : [40, 96, 200])[at % 3]);
        const file = await carriedFile(page, "image/png", encodePng(pixels, 64, [0, 0, 64, 48]));
        const sent = [];
        page.on("request", (request) => request.method() !== "GET" && sent.push(request.url()));
        await page.dispatchEvent("section.reference", "dragover", { dataTransfer: file });
        assert.equal(await page.getByText("Drop the picture to paint on it").count(), 0);
        await page.dispatchEvent("section.reference", "drop", { dataTransfer: file });
        const view = region.getByRole("application");
        await view.waitFor();
        const box = await view.boundingBox();
        await finger.tap({ x: box.x + box.width * 0.3, y: box.y + box.height * 0.5 });
        assert.equal(await color(), "#d03028");
        await finger.tap({ x: box.x + box.width * 0.7, y: box.y + box.height * 0.5 });
        assert.equal(await color(), "#2860c8");
        await page.screenshot({ path: `${shots}/reference-${device}.png` });
        const y = box.y + box.height * 0.5;
        await finger.drag([0.25, 0.35, 0.5, 0.6].map((part) => ({ x: box.x + box.width * part, y })));
        assert.equal(await color(), "#2860c8", "a drag moves it, and takes no colour");
        await finger.tap({ x: box.x + box.width * 0.7, y });
        assert.equal(await color(), "#d03028", "the red half is there now");
        await view.focus();
        await page.keyboard.press("+");
        await page.keyboard.press("Enter");
        const grip = region.getByRole("button", { name: "Move the reference picture" });
        const was = await region.boundingBox();
        await grip.focus();
        await page.keyboard.press("ArrowDown");
        assert.equal((await region.boundingBox()).y, was.y + 16);
        assert.deepEqual(await page.evaluate(misplaced, touches ? 44 : 24), []);
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(sent, [], "nothing of it leaves the browser");
        assert.equal((await state(page)).seq, 0, "and nothing happens in the room");
        await page.reload();
        await page.waitForFunction(() => window.impasto !== undefined);
        await page.evaluate(() => window.impasto.ready());
        await toolbar("Reference picture");
        await view.waitFor();
        assert.equal((await region.boundingBox()).y, was.y + 16, "it is there again, where it was");
        await region.getByRole("button", { name: "Forget the reference picture" }).click();
        await region.getByText("It stays in this browser.").waitFor();
        await region.getByRole("button", { name: "Close the reference picture" }).click();
        assert.equal(await region.count(), 0);
        assert.deepEqual(troubles, []);
        await context.close();
      },
    ]),
  ),
};

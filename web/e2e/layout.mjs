// How the page lies on screens of all shapes, and what axe finds there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { DEVICES, drag, openRoom, settle } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Runs in the page: panels that lie over each other or stand out, and targets that are too small. */
export function misplaced(least) {
  const problems = [];
  const nameOf = (element) => element.getAttribute("aria-label") ?? (element.className.split(" ")[0] || element.textContent.trim());
  const panels = [...document.querySelectorAll(".chrome .panel, .starters")].filter((element) => element.checkVisibility());
  const boxes = panels.map((element) => ({ element, box: element.getBoundingClientRect() })).filter(({ box }) => box.width > 0);
  for (const { element, box } of boxes) {
    const out = box.left < -0.5 || box.top < -0.5 || box.right > innerWidth + 0.5 || box.bottom > innerHeight + 0.5;
    if (out) problems.push(`${nameOf(element)} stands out: ${[box.left, box.top, box.right, box.bottom].map(Math.round)}`);
  }
  for (const [index, one] of boxes.entries()) {
    for (const other of boxes.slice(index + 1)) {
      if (one.element.contains(other.element)) continue;
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (across > 0.5 && down > 0.5) problems.push(`${nameOf(one.element)} lies over ${nameOf(other.element)}: ${Math.round(across)}×${Math.round(down)}`);
    }
  }
  for (const element of document.querySelectorAll("button, input, select, textarea, [role=slider]")) {
    if (!element.checkVisibility() || element.closest("dialog:not([open])")) continue;
    const box = (element.closest("label") ?? element).getBoundingClientRect();
    if (box.width > 0 && (box.width < least - 0.5 || box.height < least - 0.5)) {
      problems.push(`${nameOf(element)} is ${Math.round(box.width)}×${Math.round(box.height)}`);
    }
  }
  return problems;
}

/** What axe finds. */
export async function violations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const found = await window.axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 100)).join(" | ")}`);
  });
}

export const layoutScenarios = Object.fromEntries(
  Object.entries(DEVICES).map(([device, options]) => [
    `nothing overlaps and everything can be hit: ${device}, ${options.viewport.width}×${options.viewport.height}`,
    async ({ browser, url, room, shots }) => {
      const { page, context, troubles } = await openRoom(browser, url, room, options);
      const least = options.hasTouch ? 44 : 24;
      await page.waitForTimeout(500);
      assert.deepEqual(await page.evaluate(misplaced, least), [], "empty");
      await page.screenshot({ path: `${shots}/layout-${device}-empty.png` });
      const { width, height } = await page.evaluate(() => window.impasto.canvas());
      const visible = await page.evaluate(([w, h]) => [window.impasto.toPage({ x: 0, y: 0 }), window.impasto.toPage({ x: w, y: h })], [width, height]);
      assert.ok(visible[1].x - visible[0].x > 120, "the picture has room");
      await page.evaluate(([w, h]) => window.impasto.paint([[w * 0.2, h * 0.5, 1], [w * 0.8, h * 0.5, 1]], { size: 60, color: "#cf2f26" }), [width, height]);
      await settle(page);
      await page.getByRole("button", { name: "Mask", exact: true }).click();
      assert.deepEqual(await page.evaluate(misplaced, least), [], "with the mask in hand");
      await page.screenshot({ path: `${shots}/layout-${device}.png` });
      assert.deepEqual(await violations(page), [], "axe");
      const tune = page.getByRole("button", { name: "Settings" });
      if (await tune.isVisible()) {
        await tune.click();
        await page.screenshot({ path: `${shots}/layout-${device}-settings.png` });
        const small = (await page.evaluate(misplaced, least)).filter((problem) => !problem.includes(" lies over "));
        assert.deepEqual(small, [], "settings unfolded");
        assert.deepEqual(await violations(page), [], "axe, settings unfolded");
        await tune.click();
      }
      const more = page.getByRole("button", { name: "Views and sharing" });
      if (await more.isVisible()) await more.click();
      await page.screenshot({ path: `${shots}/layout-${device}-views.png` });
      await page.getByRole("button", { name: "New canvas" }).click();
      await page.getByRole("dialog", { name: "New canvas" }).waitFor();
      await page.screenshot({ path: `${shots}/layout-${device}-new.png` });
      assert.deepEqual(await violations(page), [], "axe, new canvas");
      await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
      await page.getByRole("button", { name: "Export", exact: true }).click();
      const exporting = page.getByRole("dialog", { name: "Export" });
      await exporting.waitFor();
      await page.screenshot({ path: `${shots}/layout-${device}-export.png` });
      const tight = (await page.evaluate(misplaced, least)).filter((problem) => !problem.includes(" lies over "));
      assert.deepEqual(tight, [], "export");
      assert.deepEqual(await violations(page), [], "axe, export");
      await exporting.getByRole("button", { name: "Close" }).click();
      await page.emulateMedia({ colorScheme: "light" });
      await page.waitForTimeout(300);
      assert.deepEqual(await violations(page), [], "axe, light");
      await page.screenshot({ path: `${shots}/layout-${device}-light.png` });
      assert.deepEqual(troubles, []);
      await context.close();
    },
  ]),
);

export const canvasScenarios = {
  async "a canvas of another size is made and painted on"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    await page.getByRole("button", { name: "another size" }).click();
    const dialog = page.getByRole("dialog", { name: "New canvas" });
    await dialog.getByLabel("Width").fill("700");
    await dialog.getByLabel("Height").fill("5000");
    await dialog.getByText("Each side has 64 to 4096 pixels.").waitFor();
    assert.ok(await dialog.getByRole("button", { name: "Make the canvas" }).isDisabled());
    await dialog.getByLabel("Height").fill("400");
    await dialog.getByText("It becomes 704 × 448: sides are multiples of 64.").waitFor();
    await page.screenshot({ path: `${shots}/new-canvas.png` });
    await dialog.getByRole("button", { name: "Make the canvas" }).click();
    await page.waitForFunction((old) => !location.search.includes(old) && window.impasto !== undefined, room);
    await page.evaluate(() => window.impasto.ready());
    assert.deepEqual(await page.evaluate(() => window.impasto.canvas()), { width: 704, height: 448 });
    await drag(page, [[200, 200], [500, 220]]);
    await settle(page, 150_000);
    assert.ok((await page.evaluate(() => window.impasto.state().seq)) > 0);
    assert.deepEqual(troubles, []);
    await context.close();
  },
};

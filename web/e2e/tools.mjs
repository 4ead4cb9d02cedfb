// Shapes, symmetry, a steady hand, selections of the mask and the turned view, by pointer, key and finger.
import assert from "node:assert/strict";
import { DEVICES, hand, hash, openRoom, settle } from "./browser.mjs";
import { unlabelled } from "./labels.mjs";
import { misplaced, violations } from "./layout.mjs";

export const state = (page) => page.evaluate(() => window.impasto.state());
export const size = (page) => page.evaluate(() => window.impasto.canvas());
export const onPage = (page, points) => page.evaluate((all) => all.map(([x, y]) => window.impasto.toPage({ x, y })), points);

/** Waits until everything that was said has come back, and the picture stands still. */
export async function calm(page) {
  await page.waitForTimeout(150);
  await page.waitForFunction(() => window.impasto.state().pending === 0);
  await settle(page, 120_000);
}

/** Drags from one canvas point to others; `held` keys go down once the drag has begun. */
async function dragShape(page, points, held = []) {
  const [first, ...others] = await onPage(page, points);
  await page.mouse.move(first.x, first.y);
  await page.mouse.down();
  for (const key of held) await page.keyboard.down(key);
  for (const { x, y } of others) await page.mouse.move(x, y, { steps: 6 });
  await page.mouse.up();
  for (const key of held) await page.keyboard.up(key);
}

/** The sketch's pixels at canvas points, as `#rrggbb`. */
function coloursAt(page, points) {
  return page.evaluate(
    (all) =>
      all.map(([x, y]) => {
        const [red, green, blue] = window.impasto.readPixels("sketch", [Math.floor(x), Math.floor(y), 1, 1]);
        return `#${[red, green, blue].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
      }),
    points,
  );
}

/** The room's mask as the server has it, at canvas points: 0 … 255. */
function maskAt(page, points) {
  return page.evaluate(async (all) => {
    const room = new URL(location.href).searchParams.get("room");
    const answer = await fetch(`/v1/rooms/${room}/image?layer=mask`);
    const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return all.map(([x, y]) => context.getImageData(Math.floor(x), Math.floor(y), 1, 1).data[0]);
  }, points);
}

const PAPER = "#ffffff";
const INK = "#1f1b18";

/** Opens the flyout of shapes. */
async function flyout(page) {
  const button = page.getByRole("button", { name: /^Shapes and symmetry/ });
  await button.click();
  await page.getByRole("radiogroup", { name: "Symmetry" }).waitFor();
  return button;
}

export const toolScenarios = {
  async "a smudge drags the paint that is there, at once and as the server does, and one undo takes it back"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    await page.evaluate(() => window.impasto.settings({ live: false }));
    const { width: w, height: h } = await size(page);
    const [x, y] = [Math.round(w / 2), Math.round(h / 2)];
    await page.evaluate(([left, top, bottom]) => window.impasto.paint([[left, top, 1], [left, bottom, 1]], { size: 60, hardness: 1, color: "#1f1b18" }), [x, h * 0.2, h * 0.8]);
    await calm(page);
    const before = await hash(page, "sketch");
    const [beside] = await coloursAt(page, [[x + 50, y]]);
    assert.equal(beside, PAPER);
    await page.keyboard.press("a");
    await page.getByRole("group", { name: "Brush", exact: true }).getByRole("slider", { name: "Strength" }).waitFor();
    await dragShape(page, [[x, y], [x + 90, y]]);
    await calm(page);
    const [dragged, above] = await coloursAt(page, [[x + 50, y], [x + 50, y - 60]]);
    assert.notEqual(dragged, PAPER, "the line's paint went along");
    assert.notEqual(dragged, INK, "and was mixed with the paper");
    assert.equal(above, PAPER, "where the tip was not nothing changed");
    assert.ok((await maskAt(page, [[x + 50, y]]))[0] > 0, "the model may repaint there");
    await page.screenshot({ path: `${shots}/smudge.png` });
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.equal(await hash(page, "sketch"), before);
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "shapes: filled, outlined, regular, from the middle, dropped with Escape"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const blank = await hash(page, "sketch");
    await page.keyboard.press("u");
    await page.keyboard.press("f");
    await dragShape(page, [[w * 0.2, h * 0.2], [w * 0.5, h * 0.4]]);
    await calm(page);
    const seq = (await state(page)).seq;
    const [left, top, right, bottom] = [w * 0.2, h * 0.2, w * 0.5, h * 0.4].map(Math.round);
    assert.deepEqual(
      await coloursAt(page, [[left, top], [right - 1, bottom - 1], [(left + right) / 2, (top + bottom) / 2], [left - 3, top], [right + 2, bottom - 1], [left, top - 3]]),
      [INK, INK, INK, PAPER, PAPER, PAPER],
      "to the corner, and no farther",
    );
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.equal(await hash(page, "sketch"), blank, "one undo takes it back");
    assert.ok((await state(page)).seq > seq);

    await page.keyboard.press("f");
    await page.keyboard.press("o");
    await dragShape(page, [[w * 0.5, h * 0.5], [w * 0.7, h * 0.55]], ["Shift", "Alt"]);
    await calm(page);
    const radius = w * 0.2;
    assert.deepEqual(
      await coloursAt(page, [[w / 2, h / 2], [w / 2 + radius, h / 2], [w / 2 - radius, h / 2], [w / 2, h / 2 - radius], [w / 2, h / 2 + radius]]),
      [PAPER, INK, INK, INK, INK],
      "a circle around its middle, and its inside free",
    );
    await page.keyboard.press("Control+z");
    await calm(page);

    const [from, to] = await onPage(page, [[w * 0.3, h * 0.3], [w * 0.7, h * 0.7]]);
    const before = (await state(page)).seq;
    await page.keyboard.press("u");
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(to.x, to.y, { steps: 5 });
    await page.locator("svg path.edge").first().waitFor();
    await page.screenshot({ path: `${shots}/shape-preview.png` });
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("svg path.edge").count(), 0, "nothing is shown any more");
    await page.mouse.up();
    await calm(page);
    assert.equal((await state(page)).seq, before, "Escape drops it: nothing was sent");
    assert.equal(await hash(page, "sketch"), blank);

    await page.keyboard.press("l");
    await dragShape(page, [[w * 0.3, h * 0.3], [w * 0.6, h * 0.33]], ["Shift"]);
    await calm(page);
    assert.deepEqual(await coloursAt(page, [[w * 0.58, h * 0.3], [w * 0.58, h * 0.3 + 30]]), [INK, PAPER], "a level line");
    await page.keyboard.press("b");
    const [spot] = await onPage(page, [[w * 0.6, h * 0.8]]);
    await page.keyboard.down("Shift");
    await page.mouse.click(spot.x, spot.y);
    await page.keyboard.up("Shift");
    await calm(page);
    assert.deepEqual(await coloursAt(page, [[w * 0.6, h * 0.55]]), [INK], "Shift and a click draw on from the last stroke's end");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "a polygon by clicks, by keys and by taps"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const corners = [[w * 0.2, h * 0.2], [w * 0.8, h * 0.3], [w * 0.5, h * 0.8]];
    const blank = await hash(page, "sketch");
    await page.keyboard.press("g");
    await page.keyboard.press("f");
    for (const { x, y } of await onPage(page, corners)) await page.mouse.click(x, y);
    await page.getByText("3 corners").waitFor();
    await page.keyboard.press("Control+z");
    await page.getByText("2 corners").waitFor();
    const [third, first] = await onPage(page, [corners[2], corners[0]]);
    await page.mouse.click(third.x, third.y);
    await page.mouse.move(first.x + 60, first.y + 30);
    await page.screenshot({ path: `${shots}/polygon.png` });
    assert.deepEqual(await page.evaluate(unlabelled), []);
    await page.mouse.click(first.x + 3, first.y + 2);
    await calm(page);
    assert.deepEqual(await coloursAt(page, [[w * 0.5, h * 0.4], [w * 0.2, h * 0.7]]), [INK, PAPER], "the first corner closes it");
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.equal(await hash(page, "sketch"), blank);
    for (const { x, y } of await onPage(page, corners)) await page.mouse.click(x, y);
    await page.keyboard.press("Escape");
    assert.equal(await page.getByText(/corners$/).count(), 0, "Escape drops it");
    for (const { x, y } of await onPage(page, corners)) await page.mouse.click(x, y);
    await page.keyboard.press("Enter");
    await calm(page);
    assert.deepEqual(await coloursAt(page, [[w * 0.5, h * 0.4]]), [INK], "Enter closes it");
    assert.equal((await state(page)).pending, 0);
    await context.close();

    const phone = await openRoom(browser, url, `${room}-phone`, DEVICES.phone);
    const finger = await hand(phone.page, "touch");
    await flyout(phone.page);
    assert.deepEqual((await phone.page.evaluate(misplaced, 44)).filter((problem) => !problem.includes(" lies over ")), []);
    await phone.page.screenshot({ path: `${shots}/shapes-phone.png` });
    await phone.page.getByRole("radio", { name: "Polygon" }).tap();
    for (const point of await onPage(phone.page, corners)) {
      await finger.tap(point);
      await phone.page.waitForTimeout(60);
    }
    await phone.page.getByText("3 corners").waitFor();
    assert.deepEqual(await phone.page.evaluate(misplaced, 44), []);
    await phone.page.screenshot({ path: `${shots}/polygon-phone.png` });
    await phone.page.getByRole("button", { name: "Done" }).tap();
    await calm(phone.page);
    assert.deepEqual(await coloursAt(phone.page, [[w * 0.5, h * 0.25]]), [INK], "its outline is painted");
    assert.deepEqual([...troubles, ...phone.troubles], []);
    await phone.context.close();
  },

  async "symmetry: one stroke in every part, one undo for all of them, also for who sees it elsewhere"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const blank = await hash(page, "sketch");
    const button = await flyout(page);
    await page.getByRole("radio", { name: "Both" }).click();
    await page.screenshot({ path: `${shots}/shapes-flyout.png` });
    assert.deepEqual(await page.evaluate(unlabelled), []);
    assert.deepEqual(await violations(page), []);
    await button.click();
    await dragShape(page, [[w * 0.2, h * 0.3], [w * 0.35, h * 0.25]]);
    await calm(page);
    await page.mouse.move(5, 5);
    await page.screenshot({ path: `${shots}/symmetry.png` });
    const spots = [[w * 0.2, h * 0.3], [w * 0.8, h * 0.3], [w * 0.2, h * 0.7], [w * 0.8, h * 0.7]];
    const between = [[w * 0.5, h * 0.3], [w * 0.2, h * 0.5], [w * 0.5, h * 0.5]];
    assert.deepEqual(await coloursAt(page, [...spots, ...between]), [INK, INK, INK, INK, PAPER, PAPER, PAPER]);
    const seq = (await state(page)).seq;
    await bea.page.waitForFunction((least) => window.impasto.state().seq >= least, seq);
    await settle(bea.page);
    assert.equal(await hash(bea.page, "sketch"), await hash(page, "sketch"));
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.equal(await hash(page, "sketch"), blank, "one undo");
    await page.keyboard.press("Control+Shift+z");
    await calm(page);
    assert.deepEqual(await coloursAt(page, spots), [INK, INK, INK, INK], "one redo");
    await page.keyboard.press("Control+z");
    await calm(page);

    const handle = page.getByRole("slider", { name: "Symmetry, left to right" });
    await handle.focus();
    await page.keyboard.press("Shift+ArrowLeft");
    assert.equal(await handle.getAttribute("aria-valuenow"), "40");
    const box = await handle.boundingBox();
    const [target] = await onPage(page, [[w * 0.25, h]]);
    await page.mouse.move(box.x + 22, box.y + 22);
    await page.mouse.down();
    await page.mouse.move(target.x, box.y, { steps: 4 });
    await page.mouse.up();
    assert.equal(await handle.getAttribute("aria-valuenow"), "25");
    await page.keyboard.press("s");
    assert.equal(await handle.count(), 0, "S turns it off");
    await page.keyboard.press("s");
    assert.equal(await handle.count(), 1, "and on again");
    await flyout(page);
    await page.getByRole("radio", { name: "Around a point" }).click();
    await page.getByRole("slider", { name: "Copies" }).focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Escape");
    await handle.dblclick();
    await page.keyboard.press("o");
    await dragShape(page, [[w * 0.42, h * 0.1], [w * 0.58, h * 0.3]]);
    await calm(page);
    await page.mouse.move(5, 5);
    await page.screenshot({ path: `${shots}/symmetry-radial.png` });
    const around = Array.from({ length: 8 }, (_, at) => {
      const angle = (Math.PI * at) / 4;
      return [w / 2 + 0.4 * h * Math.sin(angle), h / 2 - 0.4 * h * Math.cos(angle)];
    });
    assert.deepEqual(await coloursAt(page, around), around.map(() => INK), "eight times around the point");
    assert.deepEqual([...troubles, ...bea.troubles], []);
    for (const { context: each } of [bea, { context }]) await each.close();
  },

  ...Object.fromEntries(
    Object.entries(DEVICES).map(([device, options]) => [
      `shapes and symmetry can be set on every screen: ${device}`,
      async ({ browser, url, room, shots }) => {
        const { page, context, troubles } = await openRoom(browser, url, `${room}-${device}`, options);
        const least = options.hasTouch ? 44 : 24;
        await flyout(page);
        await page.getByRole("radio", { name: "Around a point" }).click();
        await page.waitForTimeout(300);
        // Above everything else, from its first word to its last slider.
        const covered = await page.evaluate(() => {
          const panel = document.querySelector(".flyout");
          return [...panel.querySelectorAll("h2, button, label")].filter((element) => {
            const { left, top, width, height } = element.getBoundingClientRect();
            return !panel.contains(document.elementFromPoint(left + width / 2, top + height / 2));
          }).length;
        });
        assert.equal(covered, 0, "nothing lies over it");
        assert.deepEqual((await page.evaluate(misplaced, least)).filter((problem) => !problem.includes(" lies over ")), []);
        assert.deepEqual(await page.evaluate(unlabelled), []);
        assert.deepEqual(await violations(page), []);
        await page.emulateMedia({ colorScheme: "light" });
        await page.waitForTimeout(300);
        assert.deepEqual(await violations(page), [], "light");
        await page.screenshot({ path: `${shots}/shapes-${device}-light.png` });
        await page.keyboard.press("Escape");
        await page.keyboard.press("?");
        await page.getByRole("dialog", { name: "Keys" }).getByText("Mirrored view").waitFor();
        assert.deepEqual(await violations(page), [], "the sheet of keys");
        await page.screenshot({ path: `${shots}/keys-${device}.png` });
        assert.deepEqual(troubles, []);
        await context.close();
      },
    ]),
  ),

  async "a steadied hand draws a calmer line that ends at the pointer"({ browser, url, room }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const shaky = Array.from({ length: 24 }, (_, at) => [w * (0.15 + 0.03 * at), h * 0.5 + (at % 2 ? 14 : -14)]);
    for (let notch = 0; notch < 6; notch += 1) await page.keyboard.press("[");
    const spread = async () => {
      await dragShape(page, shaky);
      await calm(page);
      return page.evaluate(([width, height]) => {
        const bytes = window.impasto.readPixels("sketch", [0, 0, width, height]);
        let [top, bottom, right] = [height, 0, 0];
        for (let at = 0; at < width * height; at += 1) {
          if (bytes[at * 4] > 200) continue;
          const x = at % width;
          right = Math.max(right, x);
          // The beginning and the end are the hand's.
          if (x < width * 0.3 || x > width * 0.7) continue;
          top = Math.min(top, Math.floor(at / width));
          bottom = Math.max(bottom, Math.floor(at / width));
        }
        return { tall: bottom - top, right };
      }, [w, h]);
    };
    const free = await spread();
    await page.keyboard.press("Control+z");
    await calm(page);
    for (let notch = 0; notch < 6; notch += 1) await page.keyboard.press("'");
    const steadied = await spread();
    assert.ok(steadied.tall < free.tall * 0.7, `${JSON.stringify(steadied)} is calmer than ${JSON.stringify(free)}`);
    assert.ok(Math.abs(steadied.right - free.right) <= 2, "it ends where the pointer did");
    assert.deepEqual(troubles, []);
    await context.close();
  },

  ...Object.fromEntries(
    ["desktop", "phone", "landscape", "small"].map((device) => [
      `the mask is selected by shapes, taken out and inverted: ${device}`,
      async ({ browser, url, room, shots }) => {
        const { page, context, troubles } = await openRoom(browser, url, `${room}-${device}`, DEVICES[device]);
        const { width: w, height: h } = await size(page);
        const touches = DEVICES[device].hasTouch === true;
        const finger = await hand(page, touches ? "touch" : "mouse");
        const by = async (points) => {
          await finger.drag(await onPage(page, points));
          await calm(page);
        };
        const bar = page.getByRole("group", { name: "Mask" });
        await page.evaluate(() => window.impasto.paint([[20, 20, 1], [30, 20, 1]], { size: 8 }));
        await calm(page);
        const sketch = await hash(page, "sketch");
        await page.getByRole("button", { name: "Mask", exact: true }).click();
        assert.deepEqual(await page.evaluate(misplaced, touches ? 44 : 24), []);
        await page.screenshot({ path: `${shots}/select-${device}.png` });
        await bar.getByRole("radio", { name: "Rectangle" }).click();
        await by([[w * 0.3, h * 0.3], [w * 0.5, h * 0.5], [w * 0.7, h * 0.7]]);
        assert.deepEqual(await maskAt(page, [[w * 0.31, h * 0.31], [w * 0.69, h * 0.69], [w * 0.25, h * 0.5], [w * 0.75, h * 0.5]]), [255, 255, 0, 0]);
        assert.equal(await hash(page, "sketch"), sketch, "nothing is painted");
        await bar.getByRole("radio", { name: "Take out of the mask" }).click();
        await bar.getByRole("radio", { name: "Ellipse" }).click();
        await by([[w * 0.4, h * 0.4], [w * 0.5, h * 0.5], [w * 0.6, h * 0.6]]);
        assert.deepEqual(await maskAt(page, [[w * 0.5, h * 0.5], [w * 0.41, h * 0.41], [w * 0.35, h * 0.35]]), [0, 255, 255], "a round hole in it");
        await bar.getByRole("radio", { name: "Add to the mask" }).click();
        await bar.getByRole("radio", { name: "Lasso" }).click();
        await by([[w * 0.1, h * 0.06], [w * 0.3, h * 0.08], [w * 0.3, h * 0.22], [w * 0.1, h * 0.22]]);
        const spots = [[w * 0.2, h * 0.15], [w * 0.5, h * 0.5], [w * 0.35, h * 0.35], [w * 0.9, h * 0.1]];
        assert.deepEqual(await maskAt(page, spots), [255, 0, 255, 0], "and what the lasso goes around");
        await bar.getByRole("button", { name: "Invert" }).click();
        await page.getByText("The mask is inverted").waitFor();
        await calm(page);
        assert.deepEqual(await maskAt(page, spots), [0, 255, 0, 255]);
        await page.screenshot({ path: `${shots}/select-inverted-${device}.png` });
        await page.keyboard.press("Control+z");
        await page.waitForTimeout(300);
        await calm(page);
        assert.deepEqual(await maskAt(page, spots), [255, 0, 255, 0], "one undo takes both strokes of it back");
        await page.keyboard.press("Control+Shift+z");
        await page.waitForTimeout(300);
        await calm(page);
        assert.deepEqual(await maskAt(page, spots), [0, 255, 0, 255], "and one redo brings both again");
        assert.equal(await hash(page, "sketch"), sketch);
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(troubles, []);
        await context.close();
      },
    ]),
  ),

  async "the view turns and is mirrored, the picture stays, and the brush meets the pointer"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width: w, height: h } = await size(page);
    const angle = async () => (await state(page)).view.angle;
    const spot = [w * 0.3, h * 0.4];
    const paintAt = async (what) => {
      const [at] = await onPage(page, [spot]);
      await page.mouse.click(at.x, at.y);
      await calm(page);
      const [under, beside] = await coloursAt(page, [spot, [w * 0.7, h * 0.4]]);
      assert.deepEqual([under, beside], [INK, PAPER], what);
      await page.keyboard.press("Control+z");
      await calm(page);
    };
    const blank = await hash(page, "sketch");
    await page.keyboard.press(".");
    await page.keyboard.press(".");
    assert.equal(await angle(), 30);
    await paintAt("turned by 30°");
    await page.keyboard.press("v");
    assert.deepEqual([(await state(page)).view.mirrored, await angle()], [true, 330]);
    await paintAt("turned and mirrored");
    await page.evaluate(([x, y]) => window.impasto.paint([[x, y, 1], [x + 90, y, 1], [x + 90, y + 60, 1]], { size: 30, color: "#cf2f26" }), spot);
    await page.waitForTimeout(100);
    await calm(page);
    await page.mouse.move(5, 5);
    await page.screenshot({ path: `${shots}/turned.png` });
    assert.deepEqual(await page.evaluate(misplaced, 24), []);
    await page.keyboard.press("Control+0");
    assert.deepEqual([(await state(page)).view.mirrored, await angle()], [false, 0], "Fit puts it upright");
    await page.keyboard.press("Control+z");
    await calm(page);
    assert.equal(await hash(page, "sketch"), blank, "nothing of that changed the picture");

    const [middle] = await onPage(page, [[w / 2, h / 2]]);
    await page.keyboard.down("t");
    await page.mouse.move(middle.x + 150, middle.y);
    await page.mouse.down();
    await page.mouse.move(middle.x + 100, middle.y + 100, { steps: 8 });
    await page.mouse.up();
    await page.keyboard.up("t");
    const turned = await angle();
    assert.ok(Math.abs(turned - 45) < 2, `T and a drag turn it: ${turned}`);
    await paintAt("after that");
    await page.getByRole("button", { name: /Upright/ }).click();
    assert.equal(await angle(), 0);
    await context.close();

    const phone = await openRoom(browser, url, `${room}-phone`, DEVICES.phone);
    const cdp = await phone.context.newCDPSession(phone.page);
    const touch = (type, touchPoints) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints });
    const pair = (degrees) => {
      const [x, y] = [80 * Math.cos((degrees * Math.PI) / 180), 80 * Math.sin((degrees * Math.PI) / 180)];
      return [{ x: 195 - x, y: 400 - y, id: 1 }, { x: 195 + x, y: 400 + y, id: 2 }];
    };
    const twist = async (most) => {
      await touch("touchStart", pair(0));
      for (let step = 1; step <= 10; step += 1) {
        await touch("touchMove", pair((most * step) / 10));
        await phone.page.waitForTimeout(30);
      }
      await touch("touchEnd", []);
      return (await state(phone.page)).view.angle;
    };
    assert.equal(await twist(8), 0, "fingers that hardly turn do not turn it");
    const twisted = await twist(50);
    assert.ok(twisted > 25 && twisted < 55, `two fingers turn it: ${twisted}`);
    await phone.page.screenshot({ path: `${shots}/turned-phone.png` });
    await phone.page.getByRole("button", { name: /Upright/ }).tap();
    assert.equal((await state(phone.page)).view.angle, 0);
    assert.deepEqual(await phone.page.evaluate(misplaced, 44), []);
    assert.deepEqual([...troubles, ...phone.troubles], []);
    await phone.context.close();
  },
};

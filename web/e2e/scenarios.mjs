// What must hold in a browser. Each scenario throws when it does not.
import assert from "node:assert/strict";
import { drag, hash, openRoom, settle } from "./browser.mjs";
import { unlabelled } from "./labels.mjs";
import { encodePng } from "./png.mjs";

/** Pixels inside a rectangle that differ from white paper. */
function inkedPixels(page, layer, rect) {
  return page.evaluate(
    ([name, part]) => {
      const bytes = window.impasto.readPixels(name, part);
      let count = 0;
      for (let at = 0; at < bytes.length; at += 4) {
        if (bytes[at] < 250 || bytes[at + 1] < 250 || bytes[at + 2] < 250) count += 1;
      }
      return count;
    },
    [layer, rect],
  );
}

/** A file in the hands of a person, as drag and drop and the clipboard carry it. */
export function carriedFile(page, type, bytes) {
  return page.evaluateHandle(
    ([kind, content]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(content)], "photo", { type: kind }));
      return data;
    },
    [type, [...bytes]],
  );
}

/** A digest of what the stage shows, ink and all, once it stands still. */
async function stageHash(page) {
  for (let last = null; ; ) {
    await page.waitForTimeout(150);
    const now = await page.evaluate(async () => {
      const canvas = document.querySelector("[role=application] canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const digest = await crypto.subtle.digest("SHA-256", data);
      return [...new Uint8Array(digest)].join(" ");
    });
    if (now === last) return now;
    last = now;
  }
}

/** Waits until the stage shows this; a busy machine draws late. */
async function stageShows(page, wanted, what) {
  for (let tries = 0; tries < 40; tries += 1) if ((await stageHash(page)) === wanted) return;
  assert.fail(what);
}

async function quiet(page, patch = { spread: 8 }) {
  await page.evaluate((settings) => window.impasto.settings(settings), patch);
}

function clean(troubles) {
  assert.deepEqual(troubles, [], "the page reported errors");
}

export const scenarios = {
  async "paints with the pointer, and nothing far away changes"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    await quiet(page);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    const far = [0, Math.floor(height * 0.75), width, Math.floor(height * 0.25)];
    const inside = [Math.floor(width * 0.3), Math.floor(height * 0.3) - 6, Math.floor(width * 0.4), 12];
    const before = await hash(page, "result", far);
    assert.equal(await inkedPixels(page, "result", inside), 0);
    await drag(page, [[width * 0.25, height * 0.3], [width * 0.5, height * 0.3], [width * 0.75, height * 0.3]]);
    await settle(page);
    assert.ok((await inkedPixels(page, "sketch", inside)) > inside[2] * 6, "the sketch has the stroke");
    assert.ok((await inkedPixels(page, "result", inside)) > inside[2] * 3, "the result changed under the stroke");
    assert.equal(await hash(page, "result", far), before, "pixels far outside are the same, to the byte");
    const state = await page.evaluate(() => window.impasto.state());
    assert.ok(state.renders.done > 0 && state.strokeToPixel > 0, "a render came back");
    await page.screenshot({ path: `${shots}/painted.png` });
    clean(troubles);
    await context.close();
    return `stroke to pixel ${Math.round(state.strokeToPixel)} ms`;
  },

  async "shows ink in the same frame, before the server answers"({ browser, url, room }) {
    const { page, context } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    const at = await page.evaluate(([x, y]) => window.impasto.toPage({ x, y }), [width / 2, height / 2]);
    await page.mouse.move(at.x, at.y);
    await page.evaluate(({ x, y }) => {
      window.shown = new Promise((resolve) => {
        const look = () => {
          const canvas = document.querySelector("[role=application] canvas");
          const ratio = canvas.width / canvas.clientWidth;
          resolve([...canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data]);
        };
        addEventListener("pointerdown", () => requestAnimationFrame(look), { once: true });
      });
    }, at);
    await page.mouse.down();
    const [red, green, blue] = await page.evaluate(() => window.shown);
    assert.ok(red + green + blue < 200, `ink is visible in the next frame: ${[red, green, blue]}`);
    await page.mouse.up();
    await context.close();
  },

  async "shows a second member the same picture"({ browser, url, room, shots }) {
    const ada = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room, { colorScheme: "light" });
    const { width, height } = await ada.page.evaluate(() => window.impasto.canvas());
    await drag(ada.page, [[width * 0.3, height * 0.35], [width * 0.6, height * 0.6]]);
    await settle(ada.page);
    const seq = await ada.page.evaluate(() => window.impasto.state().seq);
    await bea.page.waitForFunction((wanted) => window.impasto.state().seq >= wanted, seq);
    await settle(bea.page);
    for (const layer of ["sketch", "result"]) {
      assert.equal(await hash(bea.page, layer), await hash(ada.page, layer), `both see the same ${layer}`);
    }
    assert.ok((await inkedPixels(bea.page, "sketch", [0, 0, width, height])) > 100, "the strokes are there");
    const members = await bea.page.evaluate(() => window.impasto.state().members.length);
    assert.equal(members, 2);
    await bea.page.screenshot({ path: `${shots}/second-member.png` });
    const cy = await openRoom(browser, url, room);
    await settle(cy.page);
    assert.equal(await hash(cy.page, "result"), await hash(ada.page, "result"), "who joins later sees it too");
    clean([...ada.troubles, ...bea.troubles, ...cy.troubles]);
    for (const { context } of [ada, bea, cy]) await context.close();
  },

  async "undo puts the bytes back, redo brings them again"({ browser, url, room }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    const blank = [await hash(page, "sketch"), await hash(page, "result")];
    await drag(page, [[width * 0.4, height * 0.4], [width * 0.6, height * 0.5]]);
    await settle(page);
    const sketch = await hash(page, "sketch");
    assert.notEqual(sketch, blank[0]);
    await page.keyboard.press("Control+z");
    await page.waitForFunction(() => window.impasto.state().pending === 0);
    await settle(page);
    assert.deepEqual([await hash(page, "sketch"), await hash(page, "result")], blank);
    await page.keyboard.press("Control+Shift+z");
    await page.waitForFunction(() => window.impasto.state().pending === 0);
    await settle(page);
    assert.equal(await hash(page, "sketch"), sketch);
    clean(troubles);
    await context.close();
  },

  async "shortcuts work on the canvas and not in the prompt"({ browser, url, room }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const tool = () => page.evaluate(() => window.impasto.state().tool);
    for (const [key, name] of [["e", "erase"], ["m", "mask"], ["r", "restore"], ["a", "smudge"], ["h", "hand"], ["i", "eyedropper"], ["b", "brush"]]) {
      await page.keyboard.press(key);
      assert.equal(await tool(), name);
    }
    const size = () => page.evaluate(() => window.impasto.state().brush.size);
    const was = await size();
    await page.keyboard.press("]");
    assert.ok((await size()) > was);
    await page.getByLabel("Prompt", { exact: true }).fill("");
    await page.getByLabel("Prompt", { exact: true }).pressSequentially("bemrich [x] d");
    assert.equal(await tool(), "brush", "typing changes no tool");
    await page.keyboard.press("Control+z");
    const state = await page.evaluate(() => window.impasto.state());
    assert.equal(state.view.mode, "result");
    await page.getByLabel("Prompt", { exact: true }).fill("a red boat");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => window.impasto.state().settings.prompt === "a red boat" && window.impasto.state().pending === 0);
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.getByLabel(/Keys without/).uncheck();
    await page.keyboard.press("Escape");
    await page.keyboard.press("e");
    assert.equal(await tool(), "brush", "single keys are off");
    clean(troubles);
    await context.close();
  },

  async "a prompt reaches the other member, except while they write"({ browser, url, room }) {
    const ada = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room);
    const prompt = (page) => page.getByLabel("Prompt", { exact: true });
    await prompt(ada.page).fill("sea and meadow");
    await bea.page.waitForFunction(() => window.impasto.state().settings.prompt === "sea and meadow");
    assert.equal(await prompt(bea.page).inputValue(), "sea and meadow");
    await prompt(bea.page).focus();
    await prompt(ada.page).fill("stormy sea");
    await ada.page.waitForFunction(() => window.impasto.state().pending === 0);
    await ada.page.waitForTimeout(800);
    assert.equal(await prompt(bea.page).inputValue(), "sea and meadow");
    await prompt(bea.page).blur();
    assert.equal(await prompt(bea.page).inputValue(), "stormy sea");
    clean([...ada.troubles, ...bea.troubles]);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "a starter sketch paints itself"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    await page.getByRole("button", { name: "Red apple" }).waitFor();
    await page.screenshot({ path: `${shots}/empty-dark.png` });
    await page.getByRole("button", { name: "Red apple" }).click();
    await page.waitForTimeout(1800);
    await settle(page, 120_000);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    assert.equal(await page.evaluate(() => window.impasto.state().settings.prompt), "red apple");
    assert.ok((await inkedPixels(page, "sketch", [0, 0, width, height])) > (width * height) / 12);
    assert.equal(await page.getByRole("button", { name: "Red apple" }).count(), 0, "the offer is gone");
    await page.mouse.move(20, 400);
    await page.screenshot({ path: `${shots}/apple-dark.png` });
    await page.emulateMedia({ colorScheme: "light" });
    await page.waitForTimeout(400);
    await page.screenshot({ path: `${shots}/apple-light.png` });
    clean(troubles);
    await context.close();
  },

  async "places photos that are dropped, pasted or chosen, and says why one was not"({ browser, url, room, shots, mock }) {
    const { page, context } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    const photo = (colour) => encodePng(new Uint8Array(48 * 32 * 3).map((_, at) => colour[at % 3]), 48, [0, 0, 48, 32]);
    const centre = () => page.evaluate(([w, h]) => [...window.impasto.readPixels("sketch", [w / 2, h / 2, 1, 1])].slice(0, 3), [width, height]);
    const placed = async (colour, seq) => {
      await page.getByRole("dialog").getByRole("button", { name: "Place it as it is" }).click();
      await page.waitForFunction((least) => window.impasto.state().seq >= least && window.impasto.state().pending === 0, seq);
      await settle(page);
      // The stand-in decodes nothing: what it places has a colour of its own.
      assert.deepEqual(await centre(), mock ? [90, 140, 190] : colour);
    };

    let file = await carriedFile(page, "image/png", photo([200, 60, 40]));
    await page.dispatchEvent("main", "dragover", { dataTransfer: file });
    await page.getByText("Drop the picture to paint on it").waitFor();
    await page.screenshot({ path: `${shots}/drop.png` });
    await page.dispatchEvent("main", "drop", { dataTransfer: file });
    assert.equal(await page.getByText("Drop the picture to paint on it").count(), 0, "the hint is gone");
    await placed([200, 60, 40], 1);
    // The stand-in answers that every picture has the canvas's own shape.
    if (!mock) await page.getByText("its left and right edges were cut off").waitFor();

    file = await carriedFile(page, "image/png", photo([30, 90, 180]));
    await page.evaluate((clipboardData) => {
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, file);
    await placed([30, 90, 180], 2);

    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Place a picture" }).press("Enter");
    await (await chooser).setFiles({ name: "photo.png", mimeType: "image/png", buffer: Buffer.from(photo([20, 120, 60])) });
    await placed([20, 120, 60], 3);

    file = await carriedFile(page, "text/plain", [104, 105]);
    await page.dispatchEvent("main", "drop", { dataTransfer: file });
    await page.getByRole("alert").getByText("That is not a picture: choose a PNG, JPEG or WebP.").waitFor();
    if (!mock) {
      file = await carriedFile(page, "image/png", photo([1, 2, 3]).subarray(0, 60));
      await page.dispatchEvent("main", "drop", { dataTransfer: file });
      await page.getByRole("dialog").getByRole("button", { name: "Place it as it is" }).click();
      await page.getByRole("alert").getByText(/The picture was not placed: the image is damaged .*; export it again\./).waitFor();
    }
    assert.equal(await page.evaluate(() => window.impasto.state().seq), 3, "nothing else was placed");
    await context.close();
  },

  async "compares before and after with a divider"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await drag(page, [[width * 0.2, height * 0.45], [width * 0.8, height * 0.45]]);
    await settle(page);
    await page.mouse.move(5, 5);
    await page.evaluate(() => window.impasto.show("sketch"));
    const sketch = await stageHash(page);
    // Drawn as a whole, as it is when compared: piece by piece, smoothing rounds a level otherwise.
    await page.evaluate(() => window.impasto.show("result"));
    const result = await stageHash(page);
    assert.notEqual(sketch, result, "the model changed something");
    await page.getByRole("radio", { name: "Before and after" }).click();
    const divider = page.getByRole("slider", { name: "Before and after" });
    await page.mouse.move(5, 5);
    const half = await stageHash(page);
    assert.ok(half !== sketch && half !== result, "each side shows its own");
    await page.screenshot({ path: `${shots}/compare.png` });
    await divider.focus();
    await page.keyboard.press("Home");
    assert.equal(await divider.getAttribute("aria-valuenow"), "0");
    await stageShows(page, result, "all of it is after");
    await page.keyboard.press("End");
    await stageShows(page, sketch, "all of it is before");
    const box = await divider.boundingBox();
    const quarter = await page.evaluate((x) => window.impasto.toPage({ x, y: 0 }).x, width / 4);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(quarter, box.y + 10, { steps: 5 });
    await page.mouse.up();
    assert.equal(await divider.getAttribute("aria-valuenow"), "25");
    assert.deepEqual(await page.evaluate(unlabelled), []);
    const seq = await page.evaluate(() => window.impasto.state().seq);
    await drag(page, [[width * 0.6, height * 0.7], [width * 0.7, height * 0.7]]);
    await settle(page);
    assert.ok((await page.evaluate(() => window.impasto.state().seq)) > seq, "it can be painted on meanwhile");
    clean(troubles);
    await context.close();
  },

  async "works by touch on a small screen"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room, {
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
      deviceScaleFactor: 2,
    });
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    const points = await page.evaluate(
      ([w, h]) => [[0.3, 0.2], [0.5, 0.3], [0.7, 0.2]].map(([x, y]) => window.impasto.toPage({ x: x * w, y: y * h })),
      [width, height],
    );
    const cdp = await context.newCDPSession(page);
    const touch = (type, touchPoints) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints });
    await touch("touchStart", [{ ...points[0], id: 1 }]);
    for (const point of points) {
      await touch("touchMove", [{ ...point, id: 1 }]);
      await page.waitForTimeout(60);
    }
    await touch("touchEnd", []);
    await settle(page);
    const painted = await inkedPixels(page, "sketch", [0, 0, width, height]);
    assert.ok(painted > 100, "one finger paints");
    const scale = () => page.evaluate(() => window.impasto.state().view.scale);
    const was = await scale();
    await touch("touchStart", [{ x: 120, y: 400, id: 1 }, { x: 260, y: 400, id: 2 }]);
    for (let step = 1; step <= 6; step += 1) {
      await touch("touchMove", [{ x: 120 - step * 12, y: 400, id: 1 }, { x: 260 + step * 12, y: 400, id: 2 }]);
      await page.waitForTimeout(30);
    }
    await touch("touchEnd", []);
    assert.ok((await scale()) > was * 1.2, "two fingers zoom");
    assert.equal(await inkedPixels(page, "sketch", [0, 0, width, height]), painted, "and leave no paint");
    await touch("touchStart", [{ x: 150, y: 400, id: 1 }, { x: 240, y: 400, id: 2 }]);
    await touch("touchEnd", []);
    await page.waitForFunction(() => window.impasto.state().pending === 0);
    await settle(page);
    assert.equal(await inkedPixels(page, "sketch", [0, 0, width, height]), 0, "a two-finger tap undoes");
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, input, select, textarea")]
        .filter((element) => element.checkVisibility() && !element.closest("label, dialog"))
        .map((element) => ({ name: element.getAttribute("aria-label") ?? element.textContent, box: element.getBoundingClientRect() }))
        .filter(({ box }) => box.width > 0 && (box.width < 38 || box.height < 43))
        .map(({ name, box }) => `${name?.trim()} ${Math.round(box.width)}×${Math.round(box.height)}`),
    );
    assert.deepEqual(small, [], "targets are large enough for fingers");
    await page.screenshot({ path: `${shots}/phone.png` });
    clean(troubles);
    await context.close();
  },

  async "paints with the keyboard alone"({ browser, url, room }) {
    const { page, context } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await page.getByRole("application", { name: "Canvas" }).focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.down(" ");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.up(" ");
    await settle(page);
    assert.ok((await inkedPixels(page, "sketch", [0, 0, width, height])) > 200);
    await context.close();
  },

  async "every control has a name, and keys reach it"({ browser, url, room }) {
    const { page, context } = await openRoom(browser, url, room);
    await page.getByRole("button", { name: /members? in/ }).click();
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("button", { name: "More", exact: true }).click();
    assert.deepEqual(await page.evaluate(unlabelled), []);
    const foreign = await page.evaluate(() =>
      performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => !name.startsWith(location.origin)),
    );
    assert.deepEqual(foreign, [], "the page asks nobody else for anything");
    await context.close();
  },

  async "says quietly when the server has too much to do, and when it has not any more"({ browser, url, room, mock }) {
    // Nobody can make a real server busy at will.
    if (!mock) return;
    const { page, context, troubles } = await openRoom(browser, url, room);
    const status = page.getByRole("group", { name: "Status" });
    for (const [level, text] of [["fewer_steps", "Rougher previews"], ["small_windows", "Rougher previews"], ["busy", "Server busy"]]) {
      mock.strain(level);
      const note = status.getByText(text, { exact: true });
      await note.waitFor();
      assert.match((await note.getAttribute("title")) ?? "", /when your hand rests/);
    }
    mock.strain("calm");
    await status.getByText("Server busy").waitFor({ state: "detached" });
    assert.equal(await page.getByRole("alert").filter({ hasText: /./ }).count(), 0, "nothing else is said");
    clean(troubles);
    await context.close();
  },

  async "what is painted while the line is cut is kept and sent"({ browser, url, room, mock }) {
    const { page, context } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await context.setOffline(true);
    // Offline mode does not close open sockets: the stand-in can cut the line for real.
    if (mock) mock.cut();
    await page.evaluate(([w, h]) => window.impasto.paint([[w / 2, h / 2, 1], [w / 2 + 40, h / 2, 1]]), [width, height]);
    await page.waitForTimeout(500);
    await context.setOffline(false);
    await page.waitForFunction(() => window.impasto.state().connection === "open" && window.impasto.state().pending === 0, undefined, { timeout: 20_000 });
    await settle(page);
    assert.ok((await inkedPixels(page, "sketch", [0, 0, width, height])) > 200);
    await context.close();
  },
};

// The start page: the rooms that one knows, and what can be done with them.
import assert from "node:assert/strict";
import { DEVICES, drag, hash, openRoom, settle } from "./browser.mjs";
import { unlabelled } from "./labels.mjs";
import { misplaced, violations } from "./layout.mjs";

const cards = (page) => page.getByRole("listitem");
const card = (page, title) => cards(page).filter({ has: page.getByRole("heading", { name: title }) });
const more = (page, title) => page.getByRole("button", { name: `More for ${title}`, exact: true });

/** Waits until every picture that is in sight is there. */
async function pictured(page, least = 1) {
  await page.waitForFunction((count) => {
    const images = [...document.querySelectorAll("li img")];
    return images.length >= count && images.every(({ complete, naturalWidth }) => complete && naturalWidth > 0);
  }, least);
}

/** Runs in the page: pictures that stand out of their cards. */
function tooLarge() {
  return [...document.querySelectorAll("li img")]
    .map((image) => [image.getBoundingClientRect(), image.closest(".mat").getBoundingClientRect()])
    .filter(([picture, mat]) => picture.left < mat.left || picture.top < mat.top || picture.right > mat.right || picture.bottom > mat.bottom)
    .map(([picture, mat]) => `${Math.round(picture.width)}×${Math.round(picture.height)} in ${Math.round(mat.width)}×${Math.round(mat.height)}`);
}

/** From a canvas to the start page, by the button in the toolbar. */
async function toStart(page) {
  const folded = page.getByRole("button", { name: "Views and sharing" });
  if (await folded.isVisible()) await folded.click();
  await page.getByRole("link", { name: "Canvases" }).click();
  await page.getByRole("heading", { name: "Canvases", level: 1 }).waitFor();
}

/** Waits for the canvas of a page that went to another room. */
async function atCanvas(page) {
  await page.waitForFunction(() => window.impasto !== undefined);
  await page.evaluate(() => window.impasto.ready());
}

/** Closes a profile, and deletes rooms: a server keeps few that nobody is in. */
async function leave(context, url, ...rooms) {
  await context.close();
  for (const room of rooms) await fetch(`${url}/v1/rooms/${room}`, { method: "DELETE" });
}

/** A painted room in a profile of its own, which then sees the start page. */
async function startWith(browser, url, room, prompt, options = {}) {
  const opened = await openRoom(browser, url, room, options);
  const { page } = opened;
  await page.evaluate((words) => {
    const { width, height } = window.impasto.canvas();
    window.impasto.settings({ prompt: words });
    window.impasto.paint([[width * 0.2, height * 0.6, 1], [width * 0.8, height * 0.5, 1]], { size: 120, color: "#2f6fcf" });
    window.impasto.paint([[width * 0.4, height * 0.3, 1], [width * 0.6, height * 0.3, 1]], { size: 90, color: "#cf7a2f" });
  }, prompt);
  await page.waitForTimeout(150);
  await settle(page, 120_000);
  await toStart(page);
  await pictured(page);
  return opened;
}

export const startScenarios = {
  async "a newcomer is at a canvas at once, and finds it again on the start page"({ browser, url }) {
    const { page, context, troubles } = await openRoom(browser, url, undefined);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await drag(page, [[width * 0.3, height * 0.5], [width * 0.7, height * 0.5]]);
    await settle(page, 120_000);
    const room = await page.evaluate(() => window.impasto.state().room);
    const sketch = await hash(page, "sketch");
    await toStart(page);
    await page.goto(url);
    await page.getByRole("heading", { name: "Canvases", level: 1 }).waitFor();
    await pictured(page);
    assert.deepEqual(await page.evaluate(unlabelled), []);
    // The room's own page is one link away, for this browser and for its second window.
    const second = await context.newPage();
    await second.goto(url);
    for (const window of [page, second]) {
      await window.getByRole("link", { name: "Open Untitled" }).first().click();
      await atCanvas(window);
      assert.equal(await window.evaluate(() => window.impasto.state().room), room);
      assert.equal(await hash(window, "sketch"), sketch);
    }
    assert.deepEqual(troubles, []);
    await leave(context, url, room);
  },

  async "a canvas is renamed in place, by keyboard"({ browser, url, room }) {
    const { page, context, troubles } = await startWith(browser, url, room, "a blue boat");
    await page.getByRole("button", { name: "Rename a blue boat" }).first().focus();
    await page.keyboard.press("Enter");
    const field = page.getByLabel("Title", { exact: true });
    assert.equal(await field.inputValue(), "a blue boat");
    await field.fill("Never mind");
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "a blue boat" }).first().waitFor();
    await page.keyboard.press("Enter");
    await field.fill(`Boat ${room}`);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `Boat ${room}` }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), `Rename Boat ${room}`);
    await page.reload();
    await page.getByRole("heading", { name: `Boat ${room}` }).waitFor();
    assert.deepEqual(troubles, []);
    await leave(context, url, room);
  },

  async "a canvas is duplicated, and the copy goes its own way"({ browser, url, room }) {
    const prompt = `boat ${room}`;
    const { page, context, troubles } = await startWith(browser, url, room, prompt);
    await more(page, prompt).click();
    const duplicate = page.getByRole("menuitem", { name: "Duplicate" });
    // A server that keeps nothing has nothing to copy.
    if ((await duplicate.count()) === 0) {
      await leave(context, url, room);
      return { skipped: "this server keeps no rooms" };
    }
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `Copy of ${prompt}` }).waitFor();
    await pictured(page, 2);
    await page.getByRole("link", { name: `Open Copy of ${prompt}`, exact: true }).click();
    await atCanvas(page);
    const copied = await page.evaluate(() => window.impasto.state().room);
    const copy = await hash(page, "result");
    await page.goto(`${url}/?room=${room}`);
    await atCanvas(page);
    assert.equal(await hash(page, "result"), copy, "the same picture");
    assert.deepEqual(troubles, []);
    await leave(context, url, room, copied);
  },

  async "a canvas is deleted after a question, and who is in it is told"({ browser, url, room }) {
    const prompt = `boat ${room}`;
    const { page, context, troubles } = await startWith(browser, url, room, prompt);
    const other = await openRoom(browser, url, room);
    await more(page, prompt).click();
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    const question = page.getByRole("dialog", { name: `Delete “${prompt}”?` });
    await question.getByText("This can't be undone.").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Keep it");
    await page.keyboard.press("Enter");
    await question.waitFor({ state: "hidden" });
    assert.equal(await page.getByRole("heading", { name: prompt }).count(), 1, "nothing was deleted");
    await more(page, prompt).click();
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    await question.getByRole("button", { name: "Delete it" }).click();
    await page.getByText(`“${prompt}” is deleted.`).waitFor();
    assert.equal(await page.getByRole("heading", { name: prompt }).count(), 0);
    await other.page.getByText(/was deleted/).first().waitFor();
    await other.page.waitForTimeout(1500);
    assert.equal(await other.page.evaluate(() => window.impasto.state().connection), "refused", "and comes back to nothing");
    assert.deepEqual([...troubles, ...other.troubles], []);
    await context.close();
    await other.context.close();
  },

  async "a canvas that the server does not know any more can be taken off the list"({ browser, url, room }) {
    const { page, context } = await startWith(browser, url, room, `boat ${room}`);
    await page.evaluate((name) => {
      const known = JSON.parse(localStorage.getItem("impasto.rooms"));
      localStorage.setItem("impasto.rooms", JSON.stringify([{ room: name, role: "owner", title: "Long ago", opened: 1 }, ...known]));
    }, `${room}-gone`);
    await page.reload();
    const gone = card(page, "Long ago");
    await gone.getByText("This canvas is not on the server any more.").waitFor();
    await gone.getByRole("button", { name: "Take Long ago off this list" }).click();
    await gone.waitFor({ state: "detached" });
    await page.reload();
    await pictured(page);
    assert.equal(await card(page, "Long ago").count(), 0);
    assert.equal(await card(page, `boat ${room}`).count(), 1);
    await leave(context, url, room);
  },

  async "a new canvas of a chosen size is made from the start page"({ browser, url, room }) {
    const other = await openRoom(browser, url, `${room}-other`);
    const { page, context, troubles } = await startWith(browser, url, room, "a blue boat");
    await page.getByRole("button", { name: "New canvas" }).click();
    const dialog = page.getByRole("dialog", { name: "New canvas" });
    await dialog.getByRole("radio", { name: /Portrait/ }).click();
    await dialog.getByRole("button", { name: "Make the canvas" }).click();
    await atCanvas(page);
    assert.deepEqual(await page.evaluate(() => window.impasto.canvas()), { width: 1024, height: 1536 });
    const made = await page.evaluate(() => window.impasto.state().room);
    await toStart(page);
    await card(page, "Untitled").getByText("1024 × 1536").first().waitFor();
    // The new canvas's invite is in the address now; what others paint is listed all the same.
    await page.locator(`a[href*="${room}-other"]`).first().waitFor();
    await pictured(page, 3);
    assert.deepEqual([...troubles, ...other.troubles], []);
    await leave(context, url, room, made);
    await leave(other.context, url, `${room}-other`);
  },

  ...Object.fromEntries(
    Object.entries(DEVICES).map(([device, options]) => [
      `the start page fits: ${device}, ${options.viewport.width}×${options.viewport.height}`,
      async ({ browser, url, room, shots }) => {
        const prompt = `a boat on a quiet sea at dusk, seen from a long way off, ${room}`;
        const { page, context, troubles } = await startWith(browser, url, room, prompt, options);
        const least = options.hasTouch ? 44 : 24;
        for (const scheme of ["dark", "light"]) {
          await page.emulateMedia({ colorScheme: scheme });
          await page.waitForTimeout(300);
          assert.deepEqual(await page.evaluate(misplaced, least), [], scheme);
          assert.deepEqual(await page.evaluate(tooLarge), [], scheme);
          assert.deepEqual(await violations(page), [], `axe, ${scheme}`);
          await page.screenshot({ path: `${shots}/start-${device}-${scheme}.png` });
        }
        const across = await page.evaluate(() => document.querySelector("main").scrollWidth - document.querySelector("main").clientWidth);
        assert.equal(across, 0, "nothing stands out to the side");
        await more(page, prompt).click();
        assert.deepEqual(await page.evaluate(misplaced, least), [], "menu");
        assert.deepEqual(await violations(page), [], "axe, menu");
        const menu = await page.getByRole("menu").boundingBox();
        assert.ok(menu.x >= 0 && menu.x + menu.width <= options.viewport.width, "the menu is in sight");
        await page.getByRole("menuitem", { name: "Delete…" }).click();
        assert.deepEqual(await violations(page), [], "axe, question");
        await page.screenshot({ path: `${shots}/start-${device}-question.png` });
        assert.deepEqual(troubles, []);
        await leave(context, url, room);
      },
    ]),
  ),
};

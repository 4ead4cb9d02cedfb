// Who one is: names, roles, and coming back.
import assert from "node:assert/strict";
import { DEVICES, drag, hash, openRoom, settle } from "./browser.mjs";
import { misplaced, violations } from "./layout.mjs";

/** A room with its invites. */
async function makeRoom(url, room) {
  const answer = await fetch(`${url}/v1/rooms`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: room, width: 512, height: 512 }),
  });
  return (await answer.json()).invites;
}

/** Takes a name, so that the others can be told apart. */
async function call(page, name) {
  await openPeople(page);
  await page.getByLabel("Your name").fill(name);
  await page.keyboard.press("Enter");
  await page.waitForFunction((wanted) => window.impasto.state().members.some((member) => member.name === wanted) && window.impasto.state().connection === "open", name);
  await page.keyboard.press("Escape");
}

async function openPeople(page) {
  const people = page.getByRole("button", { name: /members? in/ });
  if ((await people.getAttribute("aria-expanded")) !== "true") await people.click();
}

async function openChat(page) {
  const more = page.getByRole("button", { name: /^Views and sharing/ });
  if (await more.isVisible() && (await more.getAttribute("aria-expanded")) !== "true") await more.click();
  await page.getByRole("button", { name: /^Chat/ }).click();
  if (await more.isVisible()) await more.click();
}

const until = (page, test, given) => page.waitForFunction(test, given, { timeout: 20_000 });
const state = (page) => page.evaluate(() => window.impasto.state());

export const peopleScenarios = {
  async "a new name reaches the others at once"({ browser, url, room }) {
    const ada = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room);
    await ada.page.getByRole("button", { name: /members in/ }).click();
    await ada.page.getByLabel("Your name").fill("Ada Lovelace");
    await ada.page.keyboard.press("Enter");
    await bea.page.waitForFunction(() => window.impasto.state().members.some(({ name }) => name === "Ada Lovelace"));
    await bea.page.getByText(/ is Ada Lovelace now\.$/).waitFor();
    await bea.page.waitForTimeout(1800);
    assert.equal(await bea.page.getByText(/ left\.$/).count(), 0, "nobody left");
    assert.equal((await state(bea.page)).members.length, 2);
    await ada.page.waitForFunction(() => window.impasto.state().connection === "open");
    const { width, height } = await ada.page.evaluate(() => window.impasto.canvas());
    await ada.page.keyboard.press("Escape");
    await drag(ada.page, [[width * 0.3, height * 0.5], [width * 0.6, height * 0.5]]);
    await settle(ada.page, 120_000);
    assert.ok((await state(ada.page)).seq > 0, "and painting goes on");
    assert.deepEqual([...ada.troubles, ...bea.troubles], []);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "whoever closes the tab and comes back is the same member, and can undo"({ browser, url, room }) {
    const keeper = await openRoom(browser, url, room);
    const { page, context, troubles } = await openRoom(browser, url, room);
    const blank = await hash(page, "sketch");
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await drag(page, [[width * 0.3, height * 0.5], [width * 0.6, height * 0.5]]);
    await settle(page, 120_000);
    const { client } = await state(page);
    // A second tab beside it is somebody else.
    const second = await context.newPage();
    await second.goto(page.url());
    await second.waitForFunction(() => window.impasto !== undefined);
    await second.evaluate(() => window.impasto.ready());
    assert.notEqual((await state(second)).client, client);
    await second.close();
    await page.close();
    const again = await context.newPage();
    await again.goto(keeper.page.url());
    await again.waitForFunction(() => window.impasto !== undefined);
    await again.evaluate(() => window.impasto.ready());
    assert.equal((await state(again)).client, client, "the same member");
    assert.notEqual(await hash(again, "sketch"), blank);
    await again.getByRole("button", { name: "Undo", exact: true }).click();
    await again.waitForFunction(() => window.impasto.state().pending === 0 && window.impasto.state().seq > 0);
    await settle(again, 120_000);
    assert.equal(await hash(again, "sketch"), blank, "the stroke from before is undone");
    assert.deepEqual([...troubles, ...keeper.troubles], []);
    await context.close();
    await keeper.context.close();
  },

  async "a viewer is told so, and has nothing to press that would be refused"({ browser, url, room, shots }) {
    const invites = await makeRoom(url, room);
    const { page, context, troubles } = await openRoom(browser, url, room, { token: invites.viewer });
    await page.getByText("Viewer", { exact: true }).waitFor();
    const open = await page.evaluate(() =>
      [...document.querySelectorAll(".prompt :is(button, input, textarea, select), .rail button, .drags input")]
        .filter((element) => !element.disabled && element.checkVisibility())
        .map((element) => element.getAttribute("aria-label") ?? element.textContent.trim()),
    );
    assert.deepEqual(open.filter((name) => !["More", "Settings", "Hand"].includes(name)), []);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await drag(page, [[width * 0.3, height * 0.5], [width * 0.6, height * 0.5]]);
    await page.getByText("You are watching this room").waitFor();
    assert.equal((await state(page)).seq, 0);
    await page.screenshot({ path: `${shots}/viewer.png` });
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "an owner gives roles, locks the room and removes a member, by keyboard too"({ browser, url, room, shots }) {
    const invites = await makeRoom(url, room);
    const ada = await openRoom(browser, url, room, { token: invites.owner });
    const bea = await openRoom(browser, url, room, { token: invites.editor });
    await call(ada.page, "Ada");
    await call(bea.page, "Bea");
    await until(ada.page, () => window.impasto.state().members.some(({ name }) => name === "Bea"));
    const undo = bea.page.getByRole("button", { name: "Undo", exact: true });

    await openPeople(bea.page);
    assert.equal(await bea.page.getByRole("switch", { name: /Lock the room/ }).count(), 0, "an editor has nothing to decide");
    assert.equal(await bea.page.getByRole("combobox", { name: /^Role of/ }).count(), 0);
    await bea.page.keyboard.press("Escape");

    await openPeople(ada.page);
    await ada.page.getByRole("combobox", { name: "Role of Bea" }).selectOption("viewer");
    await bea.page.getByText("Ada made you a viewer.").waitFor();
    await until(bea.page, () => window.impasto.state().role === "viewer");
    assert.ok(await undo.isDisabled());
    await ada.page.getByRole("combobox", { name: "Role of Bea" }).selectOption("editor");
    await until(bea.page, () => window.impasto.state().role === "editor");
    assert.ok(await undo.isEnabled());
    await ada.page.screenshot({ path: `${shots}/people-owner.png` });
    assert.deepEqual(await violations(ada.page), [], "axe, people unfolded");

    // The lock, by the keys alone, while a stroke is down.
    const { width, height } = await bea.page.evaluate(() => window.impasto.canvas());
    const hand = await bea.page.evaluate(([x, y]) => window.impasto.toPage({ x, y }), [width * 0.3, height * 0.3]);
    await bea.page.mouse.move(hand.x, hand.y);
    await bea.page.mouse.down();
    await bea.page.mouse.move(hand.x + 40, hand.y, { steps: 8 });
    await ada.page.getByRole("switch", { name: /Lock the room/ }).focus();
    await ada.page.keyboard.press("Space");
    await bea.page.getByText("Ada locked the room").waitFor();
    for (let turn = 0; turn < 30; turn += 1) {
      await bea.page.mouse.move(hand.x + 40 + turn, hand.y + (turn % 2));
      await bea.page.waitForTimeout(30);
    }
    await bea.page.mouse.up();
    assert.equal((await state(bea.page)).connection, "open", "a hand that goes on is no abuse");
    await bea.page.getByText("Locked", { exact: true }).waitFor();
    assert.ok(await undo.isDisabled());
    await settle(bea.page, 120_000);
    const before = (await state(bea.page)).seq;
    await drag(bea.page, [[width * 0.3, height * 0.5], [width * 0.6, height * 0.5]]);
    await bea.page.getByText("The room is locked: only its owners").first().waitFor();
    assert.equal((await state(bea.page)).seq, before);
    const late = await openRoom(browser, url, room, { token: invites.editor });
    assert.ok((await state(late.page)).locked, "newcomers look");
    assert.ok(await late.page.getByRole("button", { name: "Undo", exact: true }).isDisabled());
    await late.context.close();
    await ada.page.keyboard.press("Space");
    await until(bea.page, () => !window.impasto.state().locked);
    await drag(bea.page, [[width * 0.3, height * 0.5], [width * 0.6, height * 0.5]]);
    await settle(bea.page, 120_000);
    assert.ok((await state(bea.page)).seq > before, "and painting goes on");

    await ada.page.getByRole("button", { name: "Remove Bea" }).focus();
    await ada.page.keyboard.press("Enter");
    await bea.page.getByText(/removed you/).waitFor();
    await until(bea.page, () => window.impasto.state().connection === "refused");
    await ada.page.getByText("You removed Bea.").waitFor();
    await bea.page.reload();
    await until(bea.page, () => window.impasto?.state().connection === "refused");
    await ada.page.getByRole("button", { name: "Let in Bea" }).click();
    await ada.page.getByRole("button", { name: "Let in Bea" }).waitFor({ state: "detached" });
    await bea.page.reload();
    await until(bea.page, () => window.impasto?.state().connection === "open");
    assert.deepEqual([...ada.troubles, ...bea.troubles, ...late.troubles], []);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "pointers are seen in one colour, glide, rest and go; a view is followed"({ browser, url, room, shots }) {
    const ada = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room, { viewport: { width: 1000, height: 760 } });
    await call(ada.page, "Ada");
    await call(bea.page, "Bea");
    await until(ada.page, () => window.impasto.state().members.some(({ name }) => name === "Bea"));
    const hues = async (page) => (await state(page)).members.map(({ client, hue }) => `${client} ${hue}`).sort();
    assert.deepEqual(await hues(ada.page), await hues(bea.page));

    const place = await bea.page.evaluate(() => window.impasto.toPage({ x: 200, y: 120 }));
    await bea.page.mouse.move(place.x - 30, place.y);
    await bea.page.mouse.move(place.x, place.y, { steps: 6 });
    await until(ada.page, () => {
      const pointer = window.impasto.state().members.find(({ name }) => name === "Bea")?.pointer;
      return pointer && Math.hypot(pointer.x - 200, pointer.y - 120) < 2;
    });
    const label = ada.page.locator(".pointer", { hasText: "Bea" });
    await label.waitFor();
    // It has come to where it was told, on the other's screen.
    await until(ada.page, () => {
      const box = document.querySelector(".pointer")?.getBoundingClientRect();
      const { x, y } = window.impasto.toPage({ x: 200, y: 120 });
      return box && Math.hypot(box.left - x, box.top - y) < 4;
    });
    await ada.page.screenshot({ path: `${shots}/people-pointer.png` });

    await openPeople(ada.page);
    await ada.page.getByRole("button", { name: /^Bea/ }).click();
    await until(ada.page, () => window.impasto.state().following !== undefined);
    await bea.page.mouse.move(place.x, place.y);
    for (let turn = 0; turn < 8; turn += 1) await bea.page.mouse.wheel(0, -120);
    await bea.page.mouse.move(place.x + 40, place.y + 10, { steps: 3 });
    // What Bea sees in her middle is in Ada's middle.
    const middle = await bea.page.evaluate(() => window.impasto.toCanvas({ x: innerWidth / 2, y: innerHeight / 2 }));
    await until(ada.page, (wanted) => {
      const seen = window.impasto.toCanvas({ x: innerWidth / 2, y: innerHeight / 2 });
      return Math.hypot(seen.x - wanted.x, seen.y - wanted.y) < 3;
    }, middle);
    await ada.page.getByRole("group", { name: "Following" }).waitFor();
    await ada.page.screenshot({ path: `${shots}/people-following.png` });
    assert.deepEqual(await violations(ada.page), [], "axe, following");
    await ada.page.keyboard.press("Escape");
    await ada.page.mouse.move(700, 450);
    await ada.page.mouse.wheel(0, 120);
    await until(ada.page, () => window.impasto.state().following === undefined);
    await label.waitFor({ state: "detached", timeout: 20_000 });
    assert.deepEqual([...ada.troubles, ...bea.troubles], []);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "people talk, see what they have not read, and who comes later reads it too"({ browser, url, room, shots }) {
    const ada = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room);
    await call(ada.page, "Ada");
    await until(bea.page, () => window.impasto.state().members.some(({ name }) => name === "Ada"));
    await openChat(ada.page);
    const field = ada.page.getByRole("textbox", { name: "Write to the room" });
    await field.fill("a red <b>boat</b>?");
    await field.press("Enter");
    await until(bea.page, () => window.impasto.state().unread === 1);
    await bea.page.getByRole("button", { name: "Chat, 1 unread" }).waitFor();
    await bea.page.getByRole("button", { name: /^Chat/ }).focus();
    await bea.page.keyboard.press("Enter");
    await bea.page.getByRole("log").getByText("a red <b>boat</b>?").waitFor();
    assert.equal((await state(bea.page)).unread, 0);
    const { seq } = await state(bea.page);
    const answer = bea.page.getByRole("textbox", { name: "Write to the room" });
    await answer.pressSequentially("beside the house");
    await answer.press("Enter");
    await ada.page.getByRole("log").getByText("beside the house").waitFor();
    assert.equal((await state(ada.page)).seq, seq, "it is no op");
    await ada.page.screenshot({ path: `${shots}/people-chat.png` });
    assert.deepEqual(await ada.page.evaluate(misplaced, 24), [], "the chat lies over nothing");
    for (const colorScheme of ["dark", "light"]) {
      await ada.page.emulateMedia({ colorScheme });
      await ada.page.waitForTimeout(200);
      assert.deepEqual(await violations(ada.page), [], `axe, chat, ${colorScheme}`);
    }
    await answer.press("Escape");
    assert.equal(await bea.page.getByRole("log").count(), 0);
    const late = await openRoom(browser, url, room);
    assert.deepEqual((await state(late.page)).chat.map(({ text }) => text), ["a red <b>boat</b>?", "beside the house"]);
    assert.equal((await state(late.page)).unread, 0);
    assert.deepEqual([...ada.troubles, ...bea.troubles, ...late.troubles], []);
    for (const { context } of [ada, bea, late]) await context.close();
  },

  ...Object.fromEntries(
    ["phone", "landscape", "upright", "laptop"].map((device) => [
      `people and chat fit on a screen: ${device}`,
      async ({ browser, url, room, shots }) => {
        const options = DEVICES[device];
        const invites = await makeRoom(url, room);
        const other = await openRoom(browser, url, room, { token: invites.editor });
        const { page, context, troubles } = await openRoom(browser, url, room, { token: invites.owner, ...options });
        await until(page, () => window.impasto.state().members.length === 2);
        const least = options.hasTouch ? 44 : 24;
        const small = async () => (await page.evaluate(misplaced, least)).filter((problem) => !problem.includes(" lies over "));
        await openPeople(page);
        await page.screenshot({ path: `${shots}/people-${device}.png` });
        assert.deepEqual(await small(), [], "people");
        assert.deepEqual(await violations(page), [], "axe, people");
        await page.getByRole("switch", { name: /Lock the room/ }).click();
        await until(page, () => window.impasto.state().locked);
        await page.keyboard.press("Escape");
        assert.deepEqual(await page.evaluate(misplaced, least), [], "locked");
        await openChat(page);
        await page.getByRole("textbox", { name: "Write to the room" }).fill("hello");
        await page.getByRole("button", { name: "Send" }).click();
        await page.getByRole("log").getByText("hello").waitFor();
        await page.screenshot({ path: `${shots}/people-${device}-chat.png` });
        assert.deepEqual(await small(), [], "chat");
        assert.deepEqual(await violations(page), [], "axe, chat");
        assert.deepEqual([...troubles, ...other.troubles], []);
        for (const opened of [context, other.context]) await opened.close();
      },
    ]),
  ),
};

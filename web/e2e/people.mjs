// Who one is: names, roles, and coming back.
import assert from "node:assert/strict";
import { drag, hash, openRoom, settle } from "./browser.mjs";

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
    const made = await (await fetch(`${url}/v1/rooms`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: room, width: 512, height: 512 }),
    })).json();
    const { page, context, troubles } = await openRoom(browser, url, room, { token: made.invites.viewer });
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
};

// Going back to earlier pictures, in a browser.
import assert from "node:assert/strict";
import { drag, hash, openRoom, settle } from "./browser.mjs";

const state = (page) => page.evaluate(() => window.impasto.state());

/** Waits until the picture at rest is kept as the newest thumbnail. */
async function kept(page) {
  await settle(page);
  await page.waitForFunction(() => {
    const { thumbnails, seq } = window.impasto.state();
    return thumbnails[0] === seq;
  });
}

async function sawThrough(page, seq) {
  await page.waitForFunction((least) => window.impasto.state().seq >= least && window.impasto.state().pending === 0, seq);
  await settle(page);
}

export const historyScenarios = {
  async "a thumbnail brings an earlier picture back for everybody, and undo takes that back"({ browser, url, room, shots }) {
    const ada = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room, { colorScheme: "light" });
    const { page } = ada;
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await page.evaluate(() => window.impasto.settings({ prompt: "sea", spread: 8 }));
    await drag(page, [[width * 0.2, height * 0.3], [width * 0.7, height * 0.3]]);
    await kept(page);
    const first = [await hash(page, "sketch"), (await state(page)).seq];
    const below = [0, Math.floor(height * 0.55), width, Math.floor(height * 0.4)];
    const paper = await hash(page, "result", below);

    await page.evaluate(() => window.impasto.settings({ prompt: "desert" }));
    await drag(bea.page, [[width * 0.3, height * 0.75], [width * 0.8, height * 0.75]]);
    await sawThrough(page, first[1] + 2);
    await kept(page);
    const second = [await hash(page, "sketch"), (await state(page)).seq];
    assert.notEqual(second[0], first[0]);
    assert.notEqual(await hash(page, "result", below), paper);

    await page.getByRole("button", { name: "History", exact: true }).click();
    await page.getByRole("button", { name: "The picture as it is now" }).waitFor();
    await page.screenshot({ path: `${shots}/history-dark.png` });
    // Thumbnails that only finer renders or the prompt's change made may lie between.
    const steps = (await state(page)).thumbnails.indexOf(first[1]);
    assert.ok(steps > 0, `the first picture is offered: ${(await state(page)).thumbnails} has ${first[1]}`);
    const thumbnail = page.getByRole("button", { name: `(${steps} back)` });
    await thumbnail.focus();
    await page.keyboard.press("Enter");
    await sawThrough(page, second[1] + 1);
    assert.equal(await hash(page, "sketch"), first[0], "the earlier sketch is back");
    assert.equal(await hash(page, "result", below), paper, "and the paper below it, to the byte");
    assert.equal((await state(page)).settings.prompt, "sea", "with the prompt that it was painted with");
    const seq = (await state(page)).seq;
    await sawThrough(bea.page, seq);
    for (const layer of ["sketch", "result"]) {
      assert.equal(await hash(bea.page, layer), await hash(page, layer), `both see the same ${layer}`);
    }
    await bea.page.getByRole("button", { name: "History", exact: true }).click();
    await bea.page.getByText("Went back").first().waitFor();
    await bea.page.screenshot({ path: `${shots}/history-light.png` });

    await page.evaluate(() => window.impasto.undo());
    await sawThrough(page, seq + 1);
    assert.equal(await hash(page, "sketch"), second[0], "undo goes forward again");
    assert.deepEqual([...ada.troubles, ...bea.troubles], []);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "undo gives the picture back to the byte, and takes settings back like strokes"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    const canvas = page.getByRole("application", { name: "Canvas" });
    const done = async (change) => {
      const { seq } = await state(page);
      await change();
      await sawThrough(page, seq + 1);
      return hash(page, "result");
    };
    const takeBack = () => done(() => page.keyboard.press("Control+z"));
    const redo = () => done(() => page.keyboard.press("Control+Shift+z"));
    await page.evaluate(() => window.impasto.settings({ prompt: "red apple" }));
    const one = await done(() => drag(page, [[width * 0.3, height * 0.3], [width * 0.6, height * 0.4]]));
    const two = await done(() => drag(page, [[width * 0.4, height * 0.5], [width * 0.7, height * 0.6]]));
    assert.notEqual(two, one);

    const field = page.getByLabel("Prompt", { exact: true });
    const house = await done(async () => {
      await field.fill("a house");
      await field.press("Enter");
      await page.waitForFunction(() => window.impasto.state().settings.prompt === "a house");
    });
    await canvas.focus();
    assert.equal(await takeBack(), two, "the prompt is taken back, and the picture with it");
    assert.equal((await state(page)).settings.prompt, "red apple");
    assert.equal(await field.inputValue(), "red apple", "and the field says so");
    await page.screenshot({ path: `${shots}/undo-settings.png` });
    assert.equal(await takeBack(), one, "the second stroke, to the byte");
    assert.equal(await redo(), two);
    assert.equal(await redo(), house);
    assert.equal(await field.inputValue(), "a house");

    // A slider that is dragged is one step.
    const spread = page.getByRole("slider", { name: "Spread" });
    if (await spread.isVisible()) {
      const { spread: before } = (await state(page)).settings;
      await spread.focus();
      for (let press = 0; press < 4; press += 1) await page.keyboard.press("ArrowRight");
      await page.waitForFunction((old) => window.impasto.state().settings.spread > old, before);
      await page.waitForFunction(() => window.impasto.state().pending === 0);
      await settle(page);
      await canvas.focus();
      assert.equal(await takeBack(), house);
      assert.equal((await state(page)).settings.spread, before);
    }
    assert.deepEqual(troubles, []);
    await context.close();
  },
};

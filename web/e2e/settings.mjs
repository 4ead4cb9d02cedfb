// The settings of the room, as a hand sets them.
import assert from "node:assert/strict";
import { hash, openRoom, settle } from "./browser.mjs";
import { unlabelled } from "./labels.mjs";
import { violations } from "./layout.mjs";
import { encodePng } from "./png.mjs";

const local = (page) => page.evaluate(() => window.impasto.state().settings);

export const settingsScenarios = {
  async "variation, seed and finish are set, and an unused seed says so"({ browser, url, room, shots }) {
    const ada = await openRoom(browser, url, room);
    const bea = await openRoom(browser, url, room, { colorScheme: "light" });
    const { page } = ada;
    const variation = page.getByRole("slider", { name: "Variation" });
    if ((await variation.count()) === 0) {
      for (const { context } of [ada, bea]) await context.close();
      return { skipped: "this server knows neither variation nor finishes" };
    }
    const { width, height } = await page.evaluate(() => window.impasto.canvas());
    await page.evaluate(([w, h]) => window.impasto.paint([[w * 0.3, h * 0.5, 1], [w * 0.7, h * 0.5, 1]], { size: 80, color: "#cf2f26" }), [width, height]);
    await settle(page, 120_000);
    const die = page.getByRole("button", { name: "Roll another seed" });
    await variation.focus();
    await page.keyboard.press("ArrowRight");
    await variation.evaluate((input) => {
      input.value = "0";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await page.getByText("Seed, unused").waitFor();
    assert.ok(await die.isDisabled(), "there is nothing to roll");
    await page.screenshot({ path: `${shots}/variation-0.png` });
    await bea.page.waitForFunction(() => window.impasto.state().settings.variation === 0);
    await page.evaluate(() => window.impasto.settings({ variation: 1 }));
    await bea.page.waitForFunction(() => window.impasto.state().settings.variation === 1);
    assert.ok(await die.isEnabled());
    await settle(page, 120_000);
    const before = await hash(page, "result");
    const { seed } = await local(page);
    await die.click();
    await page.waitForFunction((old) => window.impasto.state().settings.seed !== old && window.impasto.state().pending === 0, seed);
    await settle(page, 120_000);
    assert.notEqual(await hash(page, "result"), before, "another seed makes another picture");

    await page.getByRole("combobox", { name: "Finish", exact: true }).selectOption("none");
    const strength = page.getByRole("slider", { name: "Finish strength" });
    assert.ok(await strength.isDisabled(), "no finish has no strength");
    await page.waitForFunction(() => window.impasto.state().pending === 0);
    await settle(page, 120_000);
    await page.getByRole("combobox", { name: "Finish", exact: true }).selectOption("ink");
    assert.ok(await strength.isEnabled());
    await bea.page.waitForFunction(() => window.impasto.state().settings.finish === "ink");
    await settle(page, 120_000);
    await page.screenshot({ path: `${shots}/finish-ink.png` });
    await bea.page.screenshot({ path: `${shots}/finish-ink-light.png` });
    assert.deepEqual([...ada.troubles, ...bea.troubles], []);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "a control is chosen and dialled under More, where the server has any"({ browser, url, room, shots }) {
    const ada = await openRoom(browser, url, room);
    const { page } = ada;
    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("combobox", { name: "Sampler" }).waitFor();
    const control = page.getByRole("combobox", { name: "Control", exact: true });
    if ((await control.count()) === 0) {
      await ada.context.close();
      return { skipped: "this server has no control" };
    }
    const bea = await openRoom(browser, url, room, { colorScheme: "light" });
    assert.notEqual(await control.inputValue(), "", "a room begins with the first of them");
    await page.getByRole("combobox", { name: "Control lines" }).selectOption("canny");
    const until = page.getByRole("slider", { name: "Control until" });
    await until.evaluate((input) => {
      input.value = "0.5";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await bea.page.waitForFunction(() => {
      const { control_preprocess, control_end } = window.impasto.state().settings;
      return control_preprocess === "canny" && control_end === 0.5;
    });
    await page.screenshot({ path: `${shots}/control.png` });
    await bea.page.getByRole("button", { name: "More", exact: true }).click();
    await bea.page.screenshot({ path: `${shots}/control-light.png` });
    await control.selectOption("");
    assert.ok(await until.isDisabled(), "nothing steers");
    await bea.page.waitForFunction(() => window.impasto.state().settings.control === "");
    assert.deepEqual([...ada.troubles, ...bea.troubles], []);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "a schedule is chosen beside a sampler that can have it, and undone"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    await page.evaluate(() => window.impasto.settings({ live: false, sampler: "ddim" }));
    await page.waitForFunction(() => window.impasto.state().settings.sampler === "ddim" && window.impasto.state().pending === 0);
    await page.getByRole("button", { name: "More", exact: true }).click();
    const spacing = page.getByRole("combobox", { name: "Timestep spacing" });
    if ((await spacing.count()) === 0) {
      await context.close();
      return { skipped: "this server's samplers have schedules of their own" };
    }
    await spacing.selectOption("Trailing");
    await page.waitForFunction(() => window.impasto.state().settings.timestep_spacing === "trailing" && window.impasto.state().pending === 0);
    await page.screenshot({ path: `${shots}/schedule.png` });
    assert.deepEqual(await page.evaluate(unlabelled), []);
    await page.keyboard.press("Control+z");
    await page.waitForFunction(() => window.impasto.state().settings.timestep_spacing === "default");
    assert.equal(await spacing.inputValue(), "default");
    await page.getByRole("combobox", { name: "Sampler" }).selectOption("lcm");
    await spacing.waitFor({ state: "detached" });
    assert.deepEqual(troubles, []);
    await context.close();
  },

  async "the model sees a reference, more or less of it, and lets go of it, where the server has an adapter"({ browser, url, room, shots }) {
    const ada = await openRoom(browser, url, room);
    const { page } = ada;
    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("combobox", { name: "Sampler" }).waitFor();
    const seen = page.getByRole("group", { name: "Reference that the model sees" });
    if ((await seen.count()) === 0) {
      await ada.context.close();
      return { skipped: "this server has no IP-Adapter" };
    }
    const bea = await openRoom(browser, url, room, { colorScheme: "light" });
    const strength = page.getByRole("slider", { name: "Reference strength" });
    assert.ok(await strength.isDisabled(), "there is nothing to see yet");
    const teal = encodePng(new Uint8Array(64 * 64 * 3).fill(120), 64, [0, 0, 64, 64]);
    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Choose what the model sees" }).click();
    await (await chooser).setFiles({ name: "look.png", mimeType: "image/png", buffer: Buffer.from(teal) });
    await seen.getByRole("img").waitFor();
    await bea.page.waitForFunction(() => window.impasto.state().settings.reference !== "");
    await strength.evaluate((input) => {
      input.value = "0.3";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await bea.page.waitForFunction(() => window.impasto.state().settings.reference_scale === 0.3);
    await bea.page.getByRole("button", { name: "More", exact: true }).click();
    await bea.page.getByRole("group", { name: "Reference that the model sees" }).getByRole("img").waitFor();
    await page.screenshot({ path: `${shots}/reference-seen.png` });
    await bea.page.screenshot({ path: `${shots}/reference-seen-light.png` });
    for (const { page } of [ada, bea]) {
      assert.deepEqual(await page.evaluate(unlabelled), []);
      assert.deepEqual(await violations(page), [], "axe, a reference");
    }
    await page.getByRole("button", { name: "Let go of what the model sees" }).click();
    await bea.page.waitForFunction(() => window.impasto.state().settings.reference === "");
    assert.ok(await strength.isDisabled());
    assert.deepEqual([...ada.troubles, ...bea.troubles], []);
    for (const { context } of [ada, bea]) await context.close();
  },

  async "a style is chosen, kept under a name, and leaves the words as they were"({ browser, url, room, shots }) {
    const { page, context, troubles } = await openRoom(browser, url, room);
    await page.evaluate(() => window.impasto.settings({ prompt: "a boat", live: false }));
    await page.getByRole("button", { name: "More", exact: true }).click();
    const picker = page.getByRole("combobox", { name: "Style", exact: true });
    await picker.selectOption("Watercolour");
    await page.waitForFunction(() => window.impasto.state().settings.prompt === "a boat, watercolour on rough paper");
    assert.equal((await local(page)).finish, "watercolour");
    assert.deepEqual(await page.evaluate(unlabelled), []);
    assert.deepEqual(await violations(page), [], "axe, styles");
    await page.screenshot({ path: `${shots}/styles.png` });
    await picker.selectOption("Ink drawing");
    await page.waitForFunction(() => window.impasto.state().settings.prompt === "a boat, ink drawing, black lines");
    await page.getByRole("textbox", { name: "Name of a style" }).fill("Mine");
    await page.getByRole("button", { name: "Keep", exact: true }).click();
    assert.equal(await picker.inputValue(), "Mine");
    await picker.selectOption("");
    await page.waitForFunction(() => window.impasto.state().settings.prompt === "a boat");
    await page.reload();
    await page.waitForFunction(() => window.impasto !== undefined);
    await page.evaluate(() => window.impasto.ready());
    await page.getByRole("button", { name: "More", exact: true }).click();
    await picker.selectOption("Mine");
    await page.waitForFunction(() => window.impasto.state().settings.prompt === "a boat, ink drawing, black lines");
    assert.deepEqual(troubles, []);
    await context.close();
  },
};

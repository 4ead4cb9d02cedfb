import { beforeEach, expect, test } from "vitest";
import type { Settings, SettingsPatch } from "../client/src";
import { CONTINUES_MS, DRAG_GAP_MS, DRAG_PATIENCE_MS, RoomSettings, SETTLE_MS } from "../src/studio/settings.svelte";
import { FakeClock } from "./fakes";

const ROOM: Settings = {
  prompt: "sea", negative_prompt: "", guidance_scale: 1, steps: 2, strength: 0.8, seed: 7, variation: 1, sampler: "lcm", timestep_spacing: "default", sigmas: "default", spread: 16, live: true, method: "ddim", finish: "none", finish_strength: 1, control: "", control_preprocess: "xdog", control_scale: 1, control_start: 0, control_end: 1, ip_adapter: "", reference: "", reference_scale: 0.6, reference_start: 0, reference_end: 1,
};
let clock: FakeClock;
let sent: SettingsPatch[];
let settings: RoomSettings;

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
  settings = new RoomSettings((patch) => sent.push(patch), clock);
  settings.replace(ROOM);
});

test("edits go out together once the hand rests", () => {
  settings.edit({ prompt: "r" });
  clock.pass(SETTLE_MS - 10);
  settings.edit({ prompt: "red apple" });
  settings.edit({ steps: 4 });
  clock.pass(SETTLE_MS - 10);
  expect(sent).toEqual([]);
  clock.pass(10);
  expect(sent).toEqual([{ prompt: "red apple", steps: 4 }]);
  clock.pass(1000);
  expect(sent).toHaveLength(1);
});

test("what others change comes in, except into the field in use", () => {
  settings.focus("prompt");
  settings.accepted({ prompt: "meadow", steps: 3 }, false);
  expect(settings.local.prompt).toBe("sea");
  expect(settings.local.steps).toBe(3);
  settings.blur("prompt");
  expect(settings.local.prompt).toBe("meadow");
});

test("an edit of ours is not undone by an older change that comes in meanwhile", () => {
  settings.edit({ strength: 0.5 });
  settings.accepted({ strength: 0.9 }, false);
  expect(settings.local.strength).toBe(0.5);
  settings.flush();
  settings.accepted({ strength: 0.95 }, false);
  expect(settings.local.strength).toBe(0.5);
  settings.accepted({ strength: 0.5 }, true);
  expect(settings.local.strength).toBe(0.5);
  settings.accepted({ strength: 0.3 }, false);
  expect(settings.local.strength).toBe(0.3);
});

test("a refused change shows what the room has", () => {
  settings.edit({ steps: 400 });
  settings.flush();
  settings.refused({ steps: 400 });
  expect(settings.local.steps).toBe(2);
});

test("leaving a field sends its edit at once", () => {
  settings.focus("prompt");
  settings.edit({ prompt: "a boat" });
  settings.blur("prompt");
  expect(sent).toEqual([{ prompt: "a boat" }]);
  expect(settings.local.prompt).toBe("a boat");
});

test("a dragged value goes out at once, and the next one when the last one was seen", () => {
  settings.drag({ strength: 0.7 });
  settings.drag({ strength: 0.6 });
  settings.drag({ strength: 0.5 });
  expect(sent).toEqual([{ strength: 0.7 }]);
  settings.rendered();
  clock.pass(DRAG_GAP_MS);
  expect(sent, "a render from before our change was accepted does not show it").toHaveLength(1);
  settings.accepted({ strength: 0.7 }, true);
  settings.rendered();
  expect(sent).toEqual([{ strength: 0.7 }, { strength: 0.5, continues: true }]);
  expect(settings.local.strength).toBe(0.5);
});

test("renders that come quickly do not make a flood of changes", () => {
  settings.drag({ strength: 0.7 });
  settings.accepted({ strength: 0.7 }, true);
  settings.drag({ strength: 0.6 });
  for (let count = 0; count < 5; count += 1) settings.rendered();
  clock.pass(DRAG_GAP_MS - 1);
  expect(sent).toHaveLength(1);
  clock.pass(1);
  expect(sent).toEqual([{ strength: 0.7 }, { strength: 0.6, continues: true }]);
});

test("where nothing is rendered a drag goes on after a while, and letting go sends the rest at once", () => {
  settings.drag({ strength: 0.7 });
  settings.drag({ strength: 0.6 });
  clock.pass(DRAG_PATIENCE_MS);
  expect(sent).toEqual([{ strength: 0.7 }, { strength: 0.6, continues: true }]);
  settings.drag({ strength: 0.2 });
  settings.flush();
  expect(sent.at(-1)).toMatchObject({ strength: 0.2 });
  clock.pass(10 * DRAG_PATIENCE_MS);
  expect(sent).toHaveLength(3);
});

test("what was lent is given back, but for what was changed meanwhile", () => {
  const photo = { guidance_scale: 3, strength: 0.7, finish: "none" as const };
  settings.lend(photo);
  settings.accepted(photo, true);
  expect(sent, "one undo takes both back").toEqual([{ ...photo, continues: true }]);
  settings.accepted({ strength: 0.5 }, false);
  settings.giveBack();
  expect(sent.slice(1)).toEqual([{ guidance_scale: 1, finish: "none", continues: true }]);
  expect(settings.local.strength).toBe(0.5);
  settings.accepted({ guidance_scale: 1, finish: "none" }, true);
  settings.giveBack();
  expect(sent, "once").toHaveLength(2);
});

test("of a second photo the first one's values are not taken for the room's own", () => {
  settings.lend({ guidance_scale: 3, strength: 0.7, finish: "none" as const });
  settings.lend({ guidance_scale: 4, strength: 0.6, finish: "none" as const });
  settings.giveBack();
  expect(sent.at(-1)).toEqual({ guidance_scale: 1, strength: 0.8, finish: "none", continues: true });
});

test("an edit goes on with the one before, unless it is of another field, late, or something else was done", () => {
  const edited = (patch: SettingsPatch): boolean => {
    settings.edit(patch);
    clock.pass(SETTLE_MS);
    return sent.at(-1)?.continues === true;
  };
  expect(edited({ prompt: "a" })).toBe(false);
  expect(edited({ prompt: "a bo" })).toBe(true);
  expect(edited({ prompt: "a boat" })).toBe(true);
  expect(edited({ strength: 0.4 })).toBe(false);
  clock.pass(CONTINUES_MS);
  expect(edited({ strength: 0.5 })).toBe(false);
  settings.ends();
  expect(edited({ strength: 0.6 })).toBe(false);
  settings.set({ seed: 1 });
  settings.set({ seed: 2 });
  expect(sent.slice(-2), "each roll is a step of its own").toEqual([{ seed: 1 }, { seed: 2 }]);
});

test("after an undo the fields show what the room has again", () => {
  settings.set({ prompt: "desert" });
  settings.accepted({ prompt: "desert" }, true);
  settings.replace(ROOM);
  expect(settings.local.prompt).toBe("sea");
});

test("settings that a room need not have come in, and go again with an undo", () => {
  settings.accepted({ guidance_rescale: 0.5, image_guidance_scale: 2 }, false);
  expect([settings.local.guidance_rescale, settings.local.image_guidance_scale]).toEqual([0.5, 2]);
  settings.set({ image_guidance_scale: 3 });
  settings.accepted({ image_guidance_scale: 3 }, true);
  settings.replace(ROOM);
  expect([settings.local.guidance_rescale, settings.local.image_guidance_scale]).toEqual([undefined, undefined]);
});

import { beforeEach, expect, test } from "vitest";
import type { Settings, SettingsPatch } from "../src/protocol";
import { RoomSettings, SETTLE_MS } from "../src/studio/settings.svelte";
import { FakeClock } from "./fakes";

const ROOM: Settings = {
  prompt: "sea", negative_prompt: "", guidance_scale: 1, steps: 2, strength: 0.8, seed: 7, sampler: "lcm", spread: 16, live: true,
};
let clock: FakeClock;
let sent: SettingsPatch[];
let settings: RoomSettings;

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
  settings = new RoomSettings((patch) => sent.push(patch), clock);
  settings.welcome(ROOM);
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

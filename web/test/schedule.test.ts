import { expect, test } from "vitest";
import type { ModelInfo } from "../client/src";
import { namesOf, scheduleChoices, schedulePossible, SIGMAS_NAMES } from "../src/studio/schedule";

const MODEL: Pick<ModelInfo, "schedules"> = {
  schedules: {
    euler: { timestep_spacing: ["leading", "trailing"], sigmas: ["karras", "beta"], largest_timestep: 999 },
    lcm: { timestep_spacing: [], sigmas: [], largest_timestep: 999 },
  },
};

test("a sampler has the choices that the model lists for it", () => {
  expect(scheduleChoices(MODEL, "euler").sigmas).toEqual(["karras", "beta"]);
  for (const sampler of ["lcm", "turbo"]) {
    expect(scheduleChoices(MODEL, sampler)).toMatchObject({ timestep_spacing: [], sigmas: [] });
  }
  expect(scheduleChoices({}, "euler").sigmas).toEqual([]);
  expect(scheduleChoices(undefined, "euler").sigmas).toEqual([]);
});

test("what the sampler cannot have rests", () => {
  const asked = { timestep_spacing: "trailing", sigmas: "karras" } as const;
  expect(schedulePossible(MODEL, { sampler: "euler", ...asked })).toEqual(asked);
  expect(schedulePossible(MODEL, { sampler: "euler", ...asked, sigmas: "exponential" })).toEqual({ timestep_spacing: "trailing", sigmas: "default" });
  expect(schedulePossible(MODEL, { sampler: "lcm", ...asked })).toEqual({ timestep_spacing: "default", sigmas: "default" });
});

test("the scheduler's own is always a choice", () => {
  expect(namesOf(SIGMAS_NAMES, ["karras"])).toEqual([
    { value: "default", name: "Default" },
    { value: "karras", name: "Karras" },
  ]);
});

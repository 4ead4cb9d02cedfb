import { expect, test } from "vitest";
import { parseParameters, settingsFrom } from "../src/studio/parameters";

const takes = { samplers: ["lcm", "ddim", "euler-ancestral", "dpm-solver++"], max_steps: 50 };
const LAST = "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 42, Size: 512x384, Model: sea";

test("the text of other programs is read", () => {
  const found = parseParameters(`a harbour,\nby night\nNegative prompt: people,\nboats\n${LAST}`);
  expect(found).toEqual({
    prompt: "a harbour,\nby night",
    negativePrompt: "people,\nboats",
    steps: 20,
    sampler: "Euler a",
    guidanceScale: 7.5,
    seed: 42,
  });
  expect(found && settingsFrom(found, takes)).toEqual({
    patch: {
      prompt: "a harbour,\nby night",
      negative_prompt: "people,\nboats",
      steps: 20,
      guidance_scale: 7.5,
      seed: 42,
      sampler: "euler-ancestral",
    },
    left: [],
  });
});

test("what is missing stays, and values may be JSON", () => {
  const text = `sea\r\nSteps: 4, Seed: 1, Model: "a: b, \\"c\\"", Sampler: DPM++ 2M Karras, Lora hashes: "x: 1, y: 2"`;
  expect(parseParameters(text)).toEqual({ prompt: "sea", negativePrompt: "", steps: 4, seed: 1, sampler: "DPM++ 2M Karras" });
  const found = parseParameters(`Steps: 4, Seed: 1, Size: 8x8, Sampler: DPM++ 2M Karras\nTemplate: sea`);
  expect(found).toMatchObject({ prompt: "", negativePrompt: "", steps: 4 });
  expect(found && settingsFrom(found, takes).patch).toEqual({ prompt: "", negative_prompt: "", steps: 4, seed: 1, sampler: "dpm-solver++" });
});

test("other texts are none", () => {
  for (const text of ["", "a red apple", "Steps: 4", "Steps: to the sea, with care: much, and Sand: more\n", '{"prompt": {"1": "Steps"}}']) {
    const found = parseParameters(text);
    expect(found?.steps, text).toBeUndefined();
  }
  expect(parseParameters("Size: 8x8, Seed: 1, Model: x")).toBeUndefined();
});

test("a text that was made to be slow is not", () => {
  for (const text of ["a ".repeat(100_000), " ".repeat(100_000) + "x", "a".repeat(16_000), `${'a:"'.repeat(5000)}`, "\\".repeat(16_000)]) {
    expect(parseParameters(text)).toBeUndefined();
  }
});

test("what the room cannot have is said and left", () => {
  const found = parseParameters(`${"🐚".repeat(1001)}\nSteps: 150, Sampler: Heun, CFG scale: 40, Seed: -1`);
  const { patch, left } = settingsFrom(found ?? { prompt: "", negativePrompt: "" }, takes);
  expect(patch).toEqual({ prompt: "🐚".repeat(1000), negative_prompt: "", steps: 50, guidance_scale: 30 });
  expect(left).toEqual([
    "the end of the prompt, which is too long",
    "150 steps (50 here)",
    "guidance 40 (30 here)",
    "the seed -1",
    "the sampler Heun, which is not here",
  ]);
  expect(settingsFrom({ prompt: "", negativePrompt: "", sampler: "TCD" }, takes).left).toEqual(["the sampler TCD, which is not here"]);
  expect(settingsFrom({ prompt: "", negativePrompt: "", sampler: "ddim" }, takes).patch.sampler).toBe("ddim");
});

test("sigmas are taken where the sampler can have them", () => {
  const schedules = { "dpm-solver++": { timestep_spacing: [], sigmas: ["karras" as const] } };
  for (const sampler of ["Sampler: DPM++ 2M Karras", "Sampler: DPM++ 2M, Schedule type: Karras"]) {
    const found = parseParameters(`sea\nSteps: 4, Seed: 1, ${sampler}, CFG scale: 1`);
    const { patch, left } = settingsFrom(found ?? { prompt: "", negativePrompt: "" }, { ...takes, schedules });
    expect(patch).toMatchObject({ sampler: "dpm-solver++", sigmas: "karras" });
    expect(left).toEqual([]);
  }
  const beta = parseParameters("sea\nSteps: 4, Seed: 1, Sampler: DPM++ 2M, Schedule type: Beta");
  const { patch, left } = settingsFrom(beta ?? { prompt: "", negativePrompt: "" }, { ...takes, schedules });
  expect(patch.sigmas).toBeUndefined();
  expect(left).toEqual(["beta sigmas, which dpm-solver++ does not have here"]);
  expect(settingsFrom({ prompt: "", negativePrompt: "", sampler: "lcm", scheduleType: "SGM Uniform" }, { ...takes, schedules }).left).toEqual([]);
});

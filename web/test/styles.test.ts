import { expect, test } from "vitest";
import { bare, dressed, type Style, stylesIn, taken } from "../src/studio/styles";

const OIL: Style = { name: "Oil", before: "oil painting of ", after: ", thick paint", sampler: "lcm", steps: 6, finish: "oil" };
const INK: Style = { name: "Ink", before: "", after: ", ink" };
const MODEL = { samplers: ["lcm", "ddim"], max_steps: 4 };

test("a style takes the place of the one before, and leaves the words alone", () => {
  const first = taken(OIL, undefined, "a boat", MODEL, []);
  expect(first).toEqual({ patch: { prompt: "oil painting of a boat, thick paint", sampler: "lcm", steps: 4, finish: "oil" }, missing: [] });
  const second = taken(INK, OIL, first.patch.prompt ?? "", MODEL, []);
  expect(second.patch).toEqual({ prompt: "a boat, ink" });
  expect(bare("somebody wrote anew", INK)).toBe("somebody wrote anew");
  expect(dressed("", INK)).toBe("ink");
});

test("what another server has and this one has not is said in a sentence, and left out", () => {
  const foreign: Style = { ...OIL, sampler: "heun", loras: [{ name: "ink", weight: 0.8 }, { name: "lcm", weight: 1 }, { name: "gold", weight: 1 }] };
  const { patch, missing } = taken(foreign, undefined, "a boat", MODEL, [{ name: "ink", weight: 0 }, { name: "lcm", weight: 1 }]);
  expect(patch.sampler).toBeUndefined();
  expect(missing).toEqual([
    "This server has no sampler heun: the one that is set stays.",
    "The LoRA ink weighs 0 here and not 0.8: whoever runs the server sets it.",
    "This server has no LoRA gold: the style is taken without it.",
  ]);
});

test("a style's schedule comes with its sampler, as far as this server's sampler can have it", () => {
  const schedules = { ddim: { timestep_spacing: ["trailing" as const], sigmas: [] }, lcm: { timestep_spacing: [], sigmas: [] } };
  const here = { ...MODEL, schedules };
  const spaced: Style = { ...INK, sampler: "ddim", timestep_spacing: "trailing", sigmas: "default" };
  const patchOf = (style: Style, model: Parameters<typeof taken>[3] = here): unknown => taken(style, undefined, "", model, []);
  const settings = { prompt: "ink", sampler: "ddim", timestep_spacing: "trailing", sigmas: "default" };
  expect(patchOf(spaced)).toEqual({ patch: settings, missing: [] });
  // What the sampler cannot have is said, and is not left as another style set it.
  expect(patchOf({ ...spaced, sigmas: "karras" })).toEqual({
    patch: settings,
    missing: ["With the sampler ddim this server has no sigmas karras: they are as the model's scheduler says."],
  });
  expect(patchOf({ ...spaced, sampler: "lcm" })).toEqual({
    patch: { ...settings, sampler: "lcm", timestep_spacing: "default" },
    missing: ["With the sampler lcm this server has no timestep spacing trailing: it is as the model's scheduler says."],
  });
  // It is the sampler's: without it, or without one, nothing of it is sent.
  expect(patchOf({ ...spaced, sampler: "heun" })).toEqual({
    patch: { prompt: "ink" },
    missing: ["This server has no sampler heun: the one that is set stays."],
  });
  expect(patchOf({ ...INK, sigmas: "karras" })).toEqual({ patch: { prompt: "ink" }, missing: [] });
  // A server of an older day knows no schedule; a style of an older day says none.
  expect(patchOf(spaced, MODEL)).toEqual({
    patch: { prompt: "ink", sampler: "ddim" },
    missing: ["With the sampler ddim this server has no timestep spacing trailing: it is as the model's scheduler says."],
  });
  expect(patchOf({ ...INK, sampler: "ddim" })).toEqual({ patch: { prompt: "ink", sampler: "ddim" }, missing: [] });
});

test("a schedule is read from a file, and what is none is left out", () => {
  const spaced: Style = { ...INK, sampler: "ddim", timestep_spacing: "trailing", sigmas: "karras" };
  expect(stylesIn([spaced])).toEqual([spaced]);
  expect(stylesIn([{ ...spaced, timestep_spacing: "even", sigmas: [14.6, 0] }])).toEqual([{ ...INK, sampler: "ddim" }]);
});

test("a file of styles is read as far as it holds any", () => {
  const read = stylesIn({ styles: [OIL, { name: "" }, 7, { name: "Odd", steps: "many", finish: "gold", guidance_scale: 99, after: 3 }] });
  expect(read).toEqual([OIL, { name: "Odd", before: "", after: "" }]);
  expect(stylesIn([INK])).toEqual([INK]);
  for (const wrong of [null, 3, {}, { styles: "x" }]) expect(() => stylesIn(wrong)).toThrow(/holds no styles/);
});

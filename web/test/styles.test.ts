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

test("a file of styles is read as far as it holds any", () => {
  const read = stylesIn({ styles: [OIL, { name: "" }, 7, { name: "Odd", steps: "many", finish: "gold", guidance_scale: 99, after: 3 }] });
  expect(read).toEqual([OIL, { name: "Odd", before: "", after: "" }]);
  expect(stylesIn([INK])).toEqual([INK]);
  for (const wrong of [null, 3, {}, { styles: "x" }]) expect(() => stylesIn(wrong)).toThrow(/holds no styles/);
});

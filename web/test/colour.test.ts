import { describe, expect, test } from "vitest";
import { colourOf, hsvOf, typedColour } from "../src/paint/hsv";
import { paletteOf } from "../src/paint/palette";
import { Toolbox } from "../src/studio/toolbox.svelte";
import { seeded } from "./fakes";

describe("hue, saturation and brightness", () => {
  test.each([
    ["#ff0000", 0, 1, 1], ["#00ff00", 120, 1, 1], ["#0000ff", 240, 1, 1], ["#ffff00", 60, 1, 1],
    ["#800080", 300, 1, 128 / 255], ["#ff8080", 0, 127 / 255, 1],
  ])("of %s", (color, hue, saturation, brightness) => {
    const hsv = hsvOf(color);
    expect(hsv.hue).toBeCloseTo(hue, 6);
    expect(hsv.saturation).toBeCloseTo(saturation, 6);
    expect(hsv.brightness).toBeCloseTo(brightness, 6);
  });

  test("lead back to the same colour", () => {
    const random = seeded(2);
    for (let round = 0; round < 400; round += 1) {
      const color = `#${Math.floor(random() * 2 ** 24).toString(16).padStart(6, "0")}`;
      expect(colourOf(hsvOf(color))).toBe(color);
    }
  });

  test("of greys keep the hue that was there", () => {
    expect(hsvOf("#808080", 210).hue).toBe(210);
    expect(colourOf({ hue: 210, saturation: 0, brightness: 0 })).toBe("#000000");
  });
});

test.each([
  ["#A1b2C3", "#a1b2c3"], ["a1b2c3", "#a1b2c3"], [" #0f8 ", "#00ff88"], ["#12345", undefined], ["red", undefined], ["", undefined],
])("%o is typed for %o", (text, color) => expect(typedColour(text)).toBe(color));

/** Pixels of these colours, as many as each has. */
function pixels(...parts: [[number, number, number], number][]): Uint8ClampedArray {
  return new Uint8ClampedArray(parts.flatMap(([rgb, many]) => Array.from({ length: many }, () => [...rgb, 255]).flat()));
}

describe("a picture's palette", () => {
  test("has its colours, the most frequent first", () => {
    const picture = pixels([[200, 30, 40], 50], [[255, 255, 255], 400], [[20, 60, 180], 120], [[250, 210, 60], 7]);
    expect(paletteOf(picture, 8)).toEqual(["#ffffff", "#143cb4", "#c81e28", "#fad23c"]);
  });

  test("stands for all of many colours, better than as many of its pixels would", () => {
    const random = seeded(6);
    const groups = [[30, 90, 40], [220, 200, 160], [120, 30, 120], [40, 140, 220], [240, 120, 20]] as const;
    const picture = new Uint8ClampedArray(
      Array.from({ length: 2000 }, (_, at) => [...(groups[at % 5] ?? groups[0]).map((value) => value + (random() - 0.5) * 30), 255]).flat(),
    );
    const found = paletteOf(picture, 5);
    expect(found).toHaveLength(5);
    for (const [red, green, blue] of groups) {
      const near = found.map((color) => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16)))
        .map(([r, g, b]) => Math.hypot((r ?? 0) - red, (g ?? 0) - green, (b ?? 0) - blue));
      expect(Math.min(...near)).toBeLessThan(6);
    }
    expect(paletteOf(picture, 5)).toEqual(found);
  });

  test("of nearly one colour has one, and of nothing none", () => {
    expect(paletteOf(pixels([[100, 100, 100], 30], [[103, 100, 101], 30]), 8)).toHaveLength(1);
    expect(paletteOf(new Uint8ClampedArray(0), 8)).toEqual([]);
  });
});

test("colours that were painted with are kept, the last one first, each once", () => {
  const toolbox = new Toolbox();
  for (const color of ["#111111", "#222222", "#111111", "#333333"]) toolbox.painted(color);
  expect(toolbox.recent).toEqual(["#333333", "#111111", "#222222"]);
  for (let at = 0; at < 20; at += 1) toolbox.painted(`#0000${at + 10}`);
  expect(toolbox.recent).toHaveLength(8);
});

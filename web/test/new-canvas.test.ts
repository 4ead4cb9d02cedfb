import { expect, test } from "vitest";
import { sideOf, SIZES } from "../src/studio/new-canvas";

test.each([
  ["512", 512],
  ["700", 704],
  ["64", 64],
  ["65", 128],
  ["4096", 4096],
  ["4097", undefined],
  ["63", undefined],
  ["", undefined],
  ["wide", undefined],
])("a side of %o becomes %o", (typed, side) => {
  expect(sideOf(typed)).toBe(side);
});

test("what is offered is what the server makes", () => {
  for (const { width, height } of SIZES) expect([sideOf(String(width)), sideOf(String(height))]).toEqual([width, height]);
});

import { expect, test } from "vitest";
import { insetsOf, layoutOf } from "../src/stage/layout";

test.each([
  [1440, 900, "wide"],
  [1024, 640, "low"],
  [721, 501, "low"],
  [820, 1180, "wide"],
  [390, 844, "narrow"],
  [720, 501, "narrow"],
  [559, 400, "narrow"],
  [844, 390, "short"],
  [640, 400, "short"],
] as const)("a stage of %i × %i is %s", (x, y, layout) => {
  expect(layoutOf({ x, y })).toBe(layout);
});

test("fingers need two columns earlier", () => {
  expect(layoutOf({ x: 1024, y: 768 }, true)).toBe("low");
  expect(layoutOf({ x: 1024, y: 768 })).toBe("wide");
});

test("the picture keeps most of the smallest stages", () => {
  for (const [x, y] of [[640, 400], [844, 390], [360, 640], [721, 501]] as const) {
    const { top, right, bottom, left } = insetsOf(layoutOf({ x, y }));
    expect(x - left - right).toBeGreaterThan(x / 2);
    expect(y - top - bottom).toBeGreaterThan(y / 2);
  }
});

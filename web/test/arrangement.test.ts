import { expect, test } from "vitest";
import { drawArranged, isUnmoved, moved, UNMOVED } from "../src/stage/arrangement";

/** The corners of a picture as they are drawn, in canvas pixels, clockwise from its upper left. */
function corners(size: { width: number; height: number }, canvas: { width: number; height: number }, arrangement: typeof UNMOVED) {
  let matrix = [1, 0, 0, 1, 0, 0] as [number, number, number, number, number, number];
  const times = (a: number, b: number, c: number, d: number, e: number, f: number): void => {
    const [A, B, C, D, E, F] = matrix;
    matrix = [A * a + C * b, B * a + D * b, A * c + C * d, B * c + D * d, A * e + C * f + E, B * e + D * f + F];
  };
  let drawn: [number, number] = [0, 0];
  const context = {
    save: () => {},
    restore: () => {},
    translate: (x: number, y: number) => times(1, 0, 0, 1, x, y),
    rotate: (angle: number) => times(Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle), 0, 0),
    scale: (x: number, y: number) => times(x, 0, 0, y, 0, 0),
    drawImage: (_picture: unknown, x: number, y: number) => (drawn = [x, y]),
  };
  drawArranged(context as unknown as CanvasRenderingContext2D, {} as CanvasImageSource, size, canvas, arrangement);
  const [a, b, c, d, e, f] = matrix;
  const [left, top] = drawn;
  const all = [[left, top], [left + size.width, top], [left + size.width, top + size.height], [left, top + size.height]] as const;
  return all.map(([x, y]) => [Math.round(a * x + c * y + e), Math.round(b * x + d * y + f)]);
}

const wide = { width: 200, height: 100 };
const canvas = { width: 400, height: 400 };

test("what was not moved is seen whole in the middle, as the server lays it", () => {
  expect(corners(wide, canvas, UNMOVED)).toEqual([[0, 100], [400, 100], [400, 300], [0, 300]]);
  expect(isUnmoved(UNMOVED)).toBe(true);
});

test("a picture is moved, made smaller and turned, and keeps its shape", () => {
  const arrangement = { x: 0.25, y: 0.5, scale: 0.5, turn: 90 };
  expect(isUnmoved(arrangement)).toBe(false);
  // 200 × 100 pixels around 100, 200, turned: its upper left corner is at the upper right.
  expect(corners(wide, canvas, arrangement)).toEqual([[150, 100], [150, 300], [50, 300], [50, 100]]);
});

test("a drag moves it as far as the pointer went, and its middle stays on the canvas", () => {
  expect(moved(UNMOVED, [30, -60], { width: 300, height: 300 })).toEqual({ ...UNMOVED, x: 0.6, y: 0.3 });
  expect(moved(UNMOVED, [900, -900], { width: 300, height: 300 })).toEqual({ ...UNMOVED, x: 1, y: 0 });
});

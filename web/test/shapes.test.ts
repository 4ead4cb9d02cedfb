import { describe, expect, test } from "vitest";
import { type Brush, CHUNK_POINTS, type StrokePoint } from "../client/src";
import { Coverage } from "../src/paint/coverage";
import { filling, fillingBrush, fillingOf } from "../src/paint/fill";
import { joinedByLifts } from "../src/paint/lifts";
import { boxBetween, lineBetween, outline, shapeBetween, snappedEnd, thinned, type Spot } from "../src/paint/shapes";

const FREELY = { regular: false, centred: false };
const BRUSH: Brush = { tool: "brush", size: 20, hardness: 0.2, opacity: 0.5, color: "#102030", prompt: "a boat" };

/** What a stroke covers, its points rounded as messages have them. */
function covered(points: readonly StrokePoint[], brush: Pick<Brush, "size" | "hardness">, width: number, height: number): Coverage {
  const coverage = new Coverage(width, height);
  const sent = points.map(([x, y, p]): StrokePoint => [Math.round(x * 100) / 100, Math.round(y * 100) / 100, Math.round(p * 1000) / 1000]);
  sent.forEach((point, at) => coverage.sweep(sent[at - 1] ?? point, point, brush));
  return coverage;
}

const filled = (rings: Spot[][], width: number, height: number): Coverage => covered(filling(rings, { width, height }), fillingBrush(BRUSH), width, height);

describe("what a drag becomes", () => {
  test("lines go in steps of 45° where that is wanted, and lie beside the hand", () => {
    const [x, y] = snappedEnd([10, 10], [110, 16]);
    expect([x, y]).toEqual([expect.closeTo(110, 6), expect.closeTo(10, 6)]);
    const [dx, dy] = snappedEnd([0, 0], [70, -62]);
    expect(dx).toBeCloseTo(-dy, 6);
    expect(lineBetween([10, 10], [20, 30], { regular: false, centred: true })).toEqual([[0, -10], [20, 30]]);
  });

  test("boxes are squares where that is wanted, to whatever side they are dragged, and lie around their middle", () => {
    expect(boxBetween([50, 50], [20, 60], FREELY)).toEqual([20, 50, 50, 60]);
    expect(boxBetween([50, 50], [20, 60], { regular: true, centred: false })).toEqual([20, 50, 50, 80]);
    expect(boxBetween([50, 50], [60, 40], { regular: true, centred: true })).toEqual([40, 40, 60, 60]);
  });

  test("an ellipse stays within its box, and touches it", () => {
    const spots = shapeBetween("ellipse", [10, 20], [210, 120], FREELY, false);
    expect(Math.max(...spots.map(([x]) => x))).toBeCloseTo(210, 1);
    expect(Math.min(...spots.map(([, y]) => y))).toBeCloseTo(20, 1);
    for (const [x, y] of spots) expect(((x - 110) / 100) ** 2 + ((y - 70) / 50) ** 2).toBeCloseTo(1, 9);
  });

  test("an outline ends where it began, a line does not", () => {
    expect(outline([[1, 2], [3, 4], [5, 2]], true)).toEqual([[1, 2, 1], [3, 4, 1], [5, 2, 1], [1, 2, 1]]);
    expect(outline([[1, 2], [3, 4]], false)).toHaveLength(2);
    expect(thinned([[0, 0], [0.1, 0], [0.2, 0.1], [4, 0]])).toEqual([[0, 0], [4, 0]]);
  });
});

describe("one stroke of several parts", () => {
  test("covers nothing on the way from one to the next", () => {
    const points = joinedByLifts([[[10, 20, 1], [50, 20, 1]], [], [[10, 120, 0.5], [50, 120, 0.5]]]);
    const coverage = covered(points, { size: 12, hardness: 1 }, 64, 160);
    expect([coverage.at(30, 20), coverage.at(30, 120)]).toEqual([255, 255]);
    for (let y = 30; y < 114; y += 1) for (let x = 0; x < 64; x += 1) expect(coverage.at(x, y)).toBe(0);
  });
});

describe("a filled shape", () => {
  test.each([[[3, 5], [7, 9]], [[20, 30], [180, 141]], [[0, 0], [256, 192]], [[5.3, 6.7], [100.4, 90.2]]] as [Spot, Spot][])(
    "a rectangle from %o to %o covers its pixels and no others",
    (from, to) => {
      const ring = shapeBetween("rectangle", from, to, FREELY, true);
      const coverage = filled([ring], 256, 192);
      const [left, top, right, bottom] = [...from, ...to].map(Math.round) as [number, number, number, number];
      const wrong: unknown[] = [];
      for (let y = 0; y < 192; y += 1) {
        for (let x = 0; x < 256; x += 1) {
          const wanted = x >= left && x < right && y >= top && y < bottom ? 255 : 0;
          if (coverage.at(x, y) !== wanted) wrong.push([x, y, coverage.at(x, y)]);
        }
      }
      expect(wrong.slice(0, 5)).toEqual([]);
    },
  );

  test("an ellipse covers what lies inside, and its edge as much as it covers of each pixel", () => {
    const coverage = filled([shapeBetween("ellipse", [20, 12], [220, 172], FREELY, true)], 256, 192);
    let edge = 0;
    for (let y = 0; y < 192; y += 1) {
      for (let x = 0; x < 256; x += 1) {
        const [dx, dy] = [x + 0.5 - 120, y + 0.5 - 92];
        // The distance to the ellipse, but for terms that are nothing this near to it.
        const value = (dx / 100) ** 2 + (dy / 80) ** 2 - 1;
        const distance = value / Math.hypot((2 * dx) / 1e4, (2 * dy) / 6400);
        const level = coverage.at(x, y) / 255;
        if (distance < -0.7) expect(level, `${x}, ${y}`).toBe(1);
        else if (distance > 0.7) expect(level, `${x}, ${y}`).toBe(0);
        else {
          edge += 1;
          expect(Math.abs(level - Math.min(1, Math.max(0, 0.5 - distance))), `${x}, ${y}`).toBeLessThan(0.1);
        }
      }
    }
    expect(edge).toBeGreaterThan(300);
  });

  test.each([
    ["an arrow with a notch", [[20, 20], [230, 96], [20, 172], [90, 96]]],
    ["a star that crosses itself", [[128, 5], [200, 185], [12, 70], [244, 70], [56, 185]]],
    ["a comb", [[10, 10], [240, 10], [240, 180], [200, 180], [200, 60], [160, 60], [160, 180], [110, 180], [110, 60], [60, 60], [60, 180], [10, 180]]],
    ["one that stands out of the canvas", [[-300, 40], [400, -90], [380, 300], [100, 150]]],
  ] as [string, Spot[]][])("%s covers every pixel inside, and none beyond its edge", (_name, ring) => {
    const coverage = filled([ring], 256, 192);
    const wrong: unknown[] = [];
    for (let y = 0; y < 192; y += 1) {
      for (let x = 0; x < 256; x += 1) {
        const level = coverage.at(x, y);
        const distance = distanceTo(ring, [x + 0.5, y + 0.5]);
        if (isInside(ring, [x + 0.5, y + 0.5])) {
          if (level !== 255) wrong.push(["inside", x, y, level]);
        } else if (distance > 1.05 && level !== 0) wrong.push(["outside", x, y, level, distance]);
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  test("keeps colour, words and opacity of the brush, and takes few points", () => {
    expect(fillingBrush(BRUSH)).toMatchObject({ color: "#102030", opacity: 0.5, prompt: "a boat", hardness: 1 });
    const whole = filling([shapeBetween("rectangle", [0, 0], [4096, 4096], FREELY, true)], { width: 4096, height: 4096 });
    expect(whole.length).toBeLessThan(30_000);
    // No message of it may cost more than the server takes: what each sweep looks at, in whole tiles.
    for (let at = 0; at < whole.length; at += CHUNK_POINTS) expect(cost(whole.slice(at, at + CHUNK_POINTS), fillingBrush(BRUSH).size)).toBeLessThan(2 ** 28);
  });

  test("covers just the pixels that are named", () => {
    const inside = (x: number, y: number): boolean => (x * 7 + y * 13) % 11 < 6 || y > 100;
    const coverage = covered(fillingOf(inside, { width: 128, height: 192 }), fillingBrush(BRUSH), 128, 192);
    const wrong: unknown[] = [];
    for (let y = 0; y < 192; y += 1) {
      for (let x = 0; x < 128; x += 1) if (coverage.at(x, y) !== (inside(x, y) ? 255 : 0)) wrong.push([x, y, coverage.at(x, y)]);
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});

/** An upper bound of what the server counts for these points. */
function cost(points: readonly StrokePoint[], size: number): number {
  let sum = 0;
  points.forEach((to, at) => {
    const from = points[at - 1] ?? to;
    const reach = (size * Math.max(from[2], to[2])) / 2 + 1;
    const side = (a: number, b: number): number => Math.ceil((Math.max(a, b) + reach) / 64) * 64 - Math.floor((Math.min(a, b) - reach) / 64) * 64;
    if (size * Math.max(from[2], to[2]) >= 0.25) sum += 1.1 * side(from[0], to[0]) * side(from[1], to[1]);
  });
  return sum;
}

function isInside(ring: readonly Spot[], [x, y]: Spot): boolean {
  let winding = 0;
  ring.forEach(([ax, ay], at) => {
    const [bx, by] = ring[(at + 1) % ring.length] ?? [ax, ay];
    const side = (bx - ax) * (y - ay) - (x - ax) * (by - ay);
    if (ay <= y && by > y && side > 0) winding += 1;
    if (ay > y && by <= y && side < 0) winding -= 1;
  });
  return winding !== 0;
}

function distanceTo(ring: readonly Spot[], [x, y]: Spot): number {
  return Math.min(
    ...ring.map(([ax, ay], at) => {
      const [bx, by] = ring[(at + 1) % ring.length] ?? [ax, ay];
      const along = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)));
      return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
    }),
  );
}

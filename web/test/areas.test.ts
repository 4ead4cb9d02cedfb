import { expect, test } from "vitest";
import type { Brush } from "../client/src";
import { Coverage } from "../src/paint/coverage";
import { coverageBrush, strokeOf, strokeOfFlood } from "../src/paint/coverage-stroke";
import { fillingBrush } from "../src/paint/fill";
import { type Colours, EDGE, flooded, INSIDE, OUTSIDE } from "../src/paint/flood";
import { everywhere, gradientBrush } from "../src/paint/gradient";
import { seeded } from "./fakes";

const BRUSH: Brush = { tool: "brush", size: 12, hardness: 0.2, opacity: 1, color: "#ff0000", kind: "chalk", flow: 0.3 };

/** Rows of letters: each letter is a colour. */
function picture(rows: readonly string[]): Colours {
  const width = rows[0]?.length ?? 0;
  const data = new Uint8ClampedArray(width * rows.length * 4);
  rows.join("").split("").forEach((letter, at) => data.set([letter.charCodeAt(0), 0, 0, 255], at * 4));
  return { data, width, height: rows.length };
}

const RING = picture(["aaaaaaa", "azzzzza", "azaaaza", "azaaaza", "azzzzza", "aaaaaba"]);

test("a bucket fills what hangs together and is alike", () => {
  const inner = flooded(RING, 3.4, 2.9, { tolerance: 0, contiguous: true });
  expect(inner?.filter((value) => value === INSIDE)).toHaveLength(6);
  expect(inner?.[0]).toBe(OUTSIDE);
  expect(inner?.[1 * 7 + 3], "a line beside it is half of it").toBe(EDGE);
  const all = flooded(RING, 3, 2, { tolerance: 0, contiguous: false });
  expect(all?.filter((value) => value === INSIDE)).toHaveLength(27);
  const near = flooded(RING, 0, 0, { tolerance: 1, contiguous: true });
  expect(near?.filter((value) => value === INSIDE), "b is as good as a").toHaveLength(22);
  expect(flooded(RING, 7, 0, { tolerance: 0, contiguous: true })).toBeUndefined();
});

test("a flood is what a slow one finds", () => {
  const random = seeded(5);
  for (let round = 0; round < 20; round += 1) {
    const rows = Array.from({ length: 12 }, () => Array.from({ length: 15 }, () => (random() < 0.6 ? "a" : "z")).join(""));
    const colours = picture(rows);
    const found = flooded(colours, 7, 6, { tolerance: 0, contiguous: true });
    const wanted = rows[6]?.[7];
    const slow = new Set([6 * 15 + 7]);
    for (let size = 0; size !== slow.size; ) {
      size = slow.size;
      for (const at of [...slow]) {
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]] as const) {
          const [x, y] = [(at % 15) + dx, Math.floor(at / 15) + dy];
          if (rows[y]?.[x] === wanted) slow.add(y * 15 + x);
        }
      }
    }
    expect([...(found ?? [])].flatMap((value, at) => (value === INSIDE ? [at] : []))).toEqual([...slow].sort((a, b) => a - b));
  }
});

function covered(points: ReturnType<typeof strokeOf>, brush: Brush, width: number, height: number): Coverage {
  const coverage = new Coverage(width, height);
  points.forEach((point, at) => coverage.sweep(points[at - 1] ?? point, point, brush));
  return coverage;
}

test("a fill covers its inside fully and half of its edge, with a plain brush", () => {
  const size = { width: 80, height: 70 };
  const filled = new Uint8Array(size.width * size.height);
  for (let y = 4; y < 60; y += 1) for (let x = 5 + (y % 7); x < 70; x += 1) filled[y * size.width + x] = x === 69 ? EDGE : INSIDE;
  const brush = fillingBrush(BRUSH);
  expect(brush).toMatchObject({ hardness: 1, color: "#ff0000" });
  expect(brush.kind ?? brush.flow).toBeUndefined();
  const coverage = covered(strokeOfFlood(filled, size), brush, size.width, size.height);
  for (let y = 0; y < size.height; y += 1) {
    for (let x = 0; x < size.width; x += 1) {
      const value = coverage.at(x, y);
      const kind = filled[y * size.width + x];
      if (kind === EDGE) expect(value).toBeCloseTo(133, -1);
      else expect(value, `${x}, ${y}`).toBe(kind === INSIDE ? 255 : 0);
    }
  }
});

test("letters are covered as softly as they were drawn", () => {
  const random = seeded(3);
  const size = { width: 40, height: 30 };
  const wanted = Uint8Array.from({ length: 40 * 30 }, () => [0, 0, 90, 128, 200, 255, 255][Math.floor(random() * 7)] ?? 0);
  // As messages carry it: pressures in thousandths.
  const points = strokeOf(wanted, size, 7, 9).map(([x, y, pressure]): [number, number, number] => [x, y, Math.round(pressure * 1000) / 1000]);
  const coverage = covered(points, coverageBrush(BRUSH), 64, 64);
  for (let y = 0; y < 30; y += 1) {
    for (let x = 0; x < 40; x += 1) {
      expect(Math.abs(coverage.at(x + 7, y + 9) - (wanted[y * 40 + x] ?? 0)), `${x}, ${y}`).toBeLessThanOrEqual(2);
    }
  }
  expect(coverage.at(6, 12) + coverage.at(47, 12) + coverage.at(20, 8) + coverage.at(20, 39)).toBe(0);
});

test("a gradient covers every corner of the canvas", () => {
  const brush = gradientBrush(BRUSH, { kind: "linear", from: [0.123456, 0], to: [5, 5] });
  expect(brush.gradient).toEqual({ kind: "linear", from: [0.12, 0], to: [5, 5] });
  for (const size of [{ width: 64, height: 64 }, { width: 2048, height: 1088 }, { width: 4096, height: 4096 }]) {
    const points = everywhere(size);
    const reaches = (x: number, y: number): boolean =>
      points.some(([px, py], at) => {
        const [fx, fy] = points[at - 1] ?? [px, py];
        const [dx, dy] = [px - fx, py - fy];
        const along = Math.min(1, Math.max(0, ((x - fx) * dx + (y - fy) * dy) / (dx * dx + dy * dy || 1)));
        return Math.hypot(x - fx - along * dx, y - fy - along * dy) < brush.size / 2 - 1;
      });
    for (let y = 0; y <= size.height; y += size.height / 16) {
      for (let x = 0; x <= size.width; x += size.width / 16) expect(reaches(x, y), `${x}, ${y}`).toBe(true);
    }
  }
});

import { expect, test } from "vitest";
import type { StrokePoint } from "../client/src";
import { Coverage, dabCoverage, sweepBounds } from "../src/paint/coverage";
import { seeded } from "./fakes";

const HARD = { size: 40, hardness: 1 };

test("a hard dab covers its disc and nothing else", () => {
  const coverage = new Coverage(200, 200);
  coverage.sweep([100, 100, 1], [100, 100, 1], HARD);
  expect(coverage.at(100, 100)).toBe(255);
  expect(coverage.at(118, 100)).toBe(255);
  expect(coverage.at(121, 100)).toBe(0);
  expect(coverage.at(115, 115)).toBe(0);
});

test("a soft dab fades from its centre to its edge", () => {
  const values = [0, 5, 10, 15, 19.9].map((distance) => dabCoverage(distance, 20, 0));
  expect(values).toEqual([...values].sort((a, b) => b - a));
  expect(values[0]).toBe(1);
  expect(dabCoverage(20, 20, 0)).toBe(0);
});

test("pressure scales the diameter along the way", () => {
  const coverage = new Coverage(300, 100);
  coverage.sweep([50, 50, 1], [250, 50, 0.25], HARD);
  expect(coverage.at(50, 68)).toBe(255);
  expect(coverage.at(250, 68)).toBe(0);
  expect(coverage.at(250, 53)).toBe(255);
});

test("passing twice covers no more than passing once", () => {
  const once = new Coverage(128, 128);
  const twice = new Coverage(128, 128);
  const brush = { size: 30, hardness: 0.3 };
  for (const coverage of [once, twice, twice]) coverage.sweep([20, 20, 1], [100, 90, 1], brush);
  expect([...twice.tiles]).toEqual([...once.tiles]);
});

test("nothing is covered outside the bounds of a sweep, and clips are kept", () => {
  const random = seeded(3);
  const point = (): StrokePoint => [random() * 240 - 20, random() * 240 - 20, random()];
  for (let round = 0; round < 25; round += 1) {
    const from = point();
    const to = point();
    const coverage = new Coverage(200, 200);
    coverage.sweep(from, to, { size: 60, hardness: random() }, [30, 40, 70, 80]);
    const [x, y, width, height] = sweepBounds(from, to, 60);
    let outside = 0;
    for (let row = 0; row < 200; row += 1) {
      for (let column = 0; column < 200; column += 1) {
        const inBounds = column >= x && row >= y && column < x + width && row < y + height;
        const inClip = column >= 30 && row >= 40 && column < 100 && row < 120;
        if (coverage.at(column, row) > 0 && !(inBounds && inClip)) outside += 1;
      }
    }
    expect(outside).toBe(0);
  }
});

test("a tile that is cleared to nothing is dropped, and a grazed one never made", () => {
  const coverage = new Coverage(256, 256);
  coverage.sweep([32, 32, 1], [32, 32, 1], HARD);
  expect([...coverage.tiles.keys()]).toEqual([0]);
  coverage.clear([12, 12, 20, 41]);
  expect(coverage.tiles.size).toBe(1);
  coverage.clear([32, 0, 40, 60]);
  expect(coverage.tiles.size).toBe(0);
  coverage.sweep([84.6, 84.6, 1], [84.6, 84.6, 1], HARD);
  expect(coverage.tiles.has(0)).toBe(false);
});

test("pressing harder in one place draws, and no pressure leaves nothing", () => {
  const coverage = new Coverage(128, 128);
  coverage.sweep([64, 64, 0], [64, 64, 0], HARD);
  expect(coverage.tiles.size).toBe(0);
  coverage.sweep([64, 64, 0.1], [64, 64, 1], HARD);
  expect(coverage.at(80, 64)).toBe(255);
});

test("a sweep covers what dabs along its way do", () => {
  const random = seeded(11);
  for (let round = 0; round < 20; round += 1) {
    const from: StrokePoint = [random() * 120, random() * 120, random()];
    const to: StrokePoint = [random() * 120, random() * 120, random()];
    const brush = { size: 4 + random() * 60, hardness: random() };
    const swept = new Coverage(128, 128);
    swept.sweep(from, to, brush);
    const dabs = new Coverage(128, 128);
    for (let step = 0; step <= 400; step += 1) {
      const between = (axis: 0 | 1 | 2) => from[axis] + ((to[axis] - from[axis]) * step) / 400;
      const dab: StrokePoint = [between(0), between(1), between(2)];
      dabs.sweep(dab, dab, brush);
    }
    // An outline may lie up to a pixel elsewhere: a sweep's antialiasing goes across it, that of dabs across each disc.
    let worst = 0;
    for (let row = 1; row < 127; row += 1) {
      for (let column = 1; column < 127; column += 1) {
        const near = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((across) => dabs.at(column + across, row + down)));
        const value = swept.at(column, row);
        worst = Math.max(worst, Math.min(...near) - value, value - Math.max(...near));
      }
    }
    expect(worst).toBeLessThan(8);
  }
});

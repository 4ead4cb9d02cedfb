import { expect, test } from "vitest";
import { contains, intersect, isEmpty, subtract, tilesIn, union } from "../src/paint/geometry";
import type { Rect } from "../client/src";
import { seeded } from "./fakes";

function randomRect(random: () => number): Rect {
  const number = (most: number): number => Math.floor(random() * most);
  return [number(24), number(24), number(16), number(16)];
}

function pixels(rects: Rect[]): Set<string> {
  const all = new Set<string>();
  for (const [x, y, width, height] of rects) {
    for (let row = y; row < y + height; row += 1) {
      for (let column = x; column < x + width; column += 1) all.add(`${column},${row}`);
    }
  }
  return all;
}

test("subtracting leaves exactly the pixels outside the hole, each once", () => {
  const random = seeded(7);
  for (let round = 0; round < 300; round += 1) {
    const rect = randomRect(random);
    const hole = randomRect(random);
    const parts = subtract(rect, hole);
    const wanted = pixels([rect]);
    for (const pixel of pixels([hole])) wanted.delete(pixel);
    expect(pixels(parts)).toEqual(wanted);
    expect(parts.reduce((sum, part) => sum + part[2] * part[3], 0)).toBe(wanted.size);
  }
});

test("intersection and union agree with the pixels", () => {
  const random = seeded(8);
  for (let round = 0; round < 300; round += 1) {
    const a = randomRect(random);
    const b = randomRect(random);
    const both = [...pixels([a])].filter((pixel) => pixels([b]).has(pixel));
    expect(pixels([intersect(a, b)]).size).toBe(both.length);
    expect(contains(union(a, b), a) && contains(union(a, b), b)).toBe(true);
  }
});

test("the tiles of a rectangle cover it and stay on the canvas", () => {
  const rect: Rect = [60, 10, 100, 300];
  const tiles = [...tilesIn(rect, 150, 200)];
  expect(tiles.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  const covered = tiles.map((tile) => tile.rect).reduce(union);
  expect(contains(covered, intersect(rect, [0, 0, 150, 200]))).toBe(true);
  expect(tiles.every((tile) => contains([0, 0, 150, 200], tile.rect))).toBe(true);
  expect([...tilesIn([500, 500, 9, 9], 150, 200)]).toEqual([]);
  expect(isEmpty([3, 3, 0, 9])).toBe(true);
});

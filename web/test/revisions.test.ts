import { expect, test } from "vitest";
import { Revisions } from "../src/paint/revisions";
import type { Rect } from "../client/src";
import { seeded } from "./fakes";

test("a frame that is not older is drawn whole", () => {
  const revisions = new Revisions(256, 256);
  expect(revisions.accept([0, 0, 256, 256], 3)).toEqual([[0, 0, 256, 256]]);
  expect(revisions.accept([64, 64, 64, 64], 4)).toEqual([[64, 64, 64, 64]]);
  expect(revisions.accept([64, 64, 64, 64], 4)).toEqual([[64, 64, 64, 64]]);
});

test("an older frame is drawn only where nothing newer is shown", () => {
  const revisions = new Revisions(256, 128);
  revisions.accept([0, 0, 128, 128], 9);
  expect(revisions.accept([64, 0, 128, 64], 5)).toEqual([[128, 0, 64, 64]]);
  expect(revisions.accept([0, 0, 64, 64], 8)).toEqual([]);
});

test("every pixel shows the newest revision that was offered for it, whatever the order", () => {
  const random = seeded(21);
  const number = (most: number): number => Math.floor(random() * most);
  for (let round = 0; round < 15; round += 1) {
    const revisions = new Revisions(160, 130);
    const shown = new Map<string, number>();
    let wrong = 0;
    for (let frame = 0; frame < 14; frame += 1) {
      const rect: Rect = [number(140), number(110), 1 + number(120), 1 + number(120)];
      const rev = number(12);
      const drawn = new Set<string>();
      for (const [x, y, width, height] of revisions.accept(rect, rev)) {
        for (let row = y; row < y + height; row += 1) {
          for (let column = x; column < x + width; column += 1) drawn.add(`${column},${row}`);
        }
      }
      for (let row = rect[1]; row < Math.min(130, rect[1] + rect[3]); row += 1) {
        for (let column = rect[0]; column < Math.min(160, rect[0] + rect[2]); column += 1) {
          const key = `${column},${row}`;
          const newest = shown.get(key) ?? -1;
          if (drawn.has(key) !== rev >= newest) wrong += 1;
          shown.set(key, Math.max(newest, rev));
        }
      }
    }
    expect(wrong).toBe(0);
    expect(revisions.at(80, 70)).toBe(Math.max(0, shown.get("80,70") ?? 0));
  }
});

test("the picture is complete once every pixel came with some frame", () => {
  const revisions = new Revisions(128, 128);
  revisions.accept([0, 0, 128, 100], 0);
  expect(revisions.complete).toBe(false);
  revisions.accept([0, 100, 64, 28], 0);
  expect(revisions.complete).toBe(false);
  revisions.accept([64, 100, 64, 28], 2);
  expect(revisions.complete).toBe(true);
});

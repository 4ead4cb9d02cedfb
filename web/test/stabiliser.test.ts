import { expect, test } from "vitest";
import type { StrokePoint } from "../client/src";
import { Stabiliser } from "../src/paint/stabiliser";
import { seeded } from "./fakes";

/** How much a way turns, all in all. */
function wiggle(points: readonly StrokePoint[]): number {
  let sum = 0;
  for (let at = 2; at < points.length; at += 1) {
    const [a, b, c] = [points[at - 2], points[at - 1], points[at]] as [StrokePoint, StrokePoint, StrokePoint];
    const turn = Math.atan2(c[1] - b[1], c[0] - b[0]) - Math.atan2(b[1] - a[1], b[0] - a[0]);
    sum += Math.abs(Math.atan2(Math.sin(turn), Math.cos(turn)));
  }
  return sum;
}

function shaky(): StrokePoint[] {
  const random = seeded(4);
  return Array.from({ length: 200 }, (_, at): StrokePoint => [at * 3 + random() * 8, 100 + random() * 8, 1]);
}

test("without a string every point goes through at once, as it is", () => {
  const stabiliser = new Stabiliser(0);
  const points = shaky();
  expect(stabiliser.follow(points)).toBe(points);
  expect(stabiliser.end()).toEqual([]);
  expect(stabiliser.tip).toBeUndefined();
});

test("a string makes a shaky line calm, the longer the calmer", () => {
  const calm = [5, 20, 60].map((length) => wiggle(new Stabiliser(length).follow(shaky())));
  expect(calm[0]).toBeLessThan(wiggle(shaky()));
  expect(calm[1]).toBeLessThan(calm[0] ?? 0);
  expect(calm[2]).toBeLessThan(calm[1] ?? 0);
});

test("the brush is never farther behind than the string is long, and comes to the pointer at the end", () => {
  const stabiliser = new Stabiliser(20);
  for (const point of shaky()) {
    stabiliser.follow([point]);
    const tip = stabiliser.tip;
    expect(tip && Math.hypot(point[0] - tip[0], point[1] - tip[1])).toBeLessThanOrEqual(20 + 1e-9);
  }
  expect(stabiliser.end()).toEqual([shaky().at(-1)]);
  expect(stabiliser.end()).toEqual([]);
});

test("events that come together draw the same line as one by one", () => {
  const together = new Stabiliser(15).follow(shaky());
  const alone = new Stabiliser(15);
  expect(shaky().flatMap((point) => alone.follow([point]))).toEqual(together);
});

test("a dab is a dab", () => {
  const stabiliser = new Stabiliser(30);
  expect(stabiliser.follow([[5, 6, 0.4]])).toEqual([[5, 6, 0.4]]);
  expect(stabiliser.end()).toEqual([]);
});

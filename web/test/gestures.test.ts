import { beforeEach, expect, test } from "vitest";
import { Gestures, type Hand, type PointerInput } from "../src/stage/gestures";

let told: string[];
let hand: Hand;
let gestures: Gestures;

function input(id: number, kind: PointerInput["kind"], x: number, y: number, time: number, button = 0): PointerInput {
  return { id, kind, x, y, pressure: 1, button, time, samples: [{ x, y, pressure: 1 }] };
}

beforeEach(() => {
  told = [];
  hand = "paint";
  const tell = (what: string) => () => void told.push(what);
  gestures = new Gestures(
    {
      strokeBegin: (_sample, held) => void told.push(held ? "begin held" : "begin"),
      strokeMove: tell("move"),
      strokeCommit: tell("commit"),
      strokeEnd: tell("end"),
      strokeCancel: tell("cancel"),
      panBegin: tell("pan begin"),
      pan: (dx, dy) => void told.push(`pan ${dx},${dy}`),
      panEnd: tell("pan end"),
      pinch: tell("pinch"),
      tap: (fingers) => void told.push(`tap ${fingers}`),
    },
    () => hand,
  );
});

test("the mouse paints with its main button and pans with its middle one", () => {
  gestures.down(input(1, "mouse", 10, 10, 0));
  gestures.move(input(1, "mouse", 20, 10, 10));
  gestures.up(input(1, "mouse", 20, 10, 20));
  gestures.down(input(1, "mouse", 10, 10, 30, 1));
  gestures.move(input(1, "mouse", 14, 13, 40));
  gestures.up(input(1, "mouse", 14, 13, 50));
  expect(told).toEqual(["begin", "move", "end", "pan begin", "pan 4,3", "pan end"]);
});

test("with the hand tool the main button pans", () => {
  hand = "pan";
  gestures.down(input(1, "mouse", 10, 10, 0));
  gestures.up(input(1, "mouse", 10, 10, 9));
  expect(told).toEqual(["pan begin", "pan end"]);
});

test("one finger paints: held back at first, then for sure", () => {
  gestures.down(input(1, "touch", 10, 10, 0));
  gestures.move(input(1, "touch", 13, 10, 10));
  gestures.move(input(1, "touch", 40, 10, 30));
  gestures.up(input(1, "touch", 40, 10, 60));
  expect(told).toEqual(["begin held", "move", "move", "commit", "end"]);
});

test("a second finger turns a young stroke into a pinch and leaves no ink", () => {
  gestures.down(input(1, "touch", 100, 100, 0));
  gestures.down(input(2, "touch", 200, 100, 40));
  gestures.move(input(2, "touch", 260, 100, 80));
  gestures.up(input(1, "touch", 100, 100, 400));
  gestures.up(input(2, "touch", 260, 100, 410));
  expect(told).toEqual(["begin held", "cancel", "pan begin", "pinch", "pan end"]);
});

test("a second finger does not disturb a stroke that is under way", () => {
  gestures.down(input(1, "touch", 100, 100, 0));
  for (let step = 1; step <= 10; step += 1) gestures.move(input(1, "touch", 100 + step * 20, 100, step * 60));
  gestures.down(input(2, "touch", 20, 300, 700));
  gestures.move(input(1, "touch", 320, 100, 720));
  expect(told.filter((what) => what === "cancel" || what === "pan begin")).toEqual([]);
  expect(told.at(-1)).toBe("move");
});

test.each([2, 3])("%i fingers tap", (count) => {
  for (let finger = 1; finger <= count; finger += 1) gestures.down(input(finger, "touch", finger * 60, 50, finger * 10));
  for (let finger = 1; finger <= count; finger += 1) gestures.up(input(finger, "touch", finger * 60, 50, 100 + finger));
  expect(told.filter((what) => what.startsWith("tap"))).toEqual([`tap ${count}`]);
  expect(told).toContain("cancel");
  expect(told).not.toContain("end");
});

test("a slow or wandering touch is no tap", () => {
  gestures.down(input(1, "touch", 60, 50, 0));
  gestures.down(input(2, "touch", 120, 50, 10));
  gestures.up(input(1, "touch", 60, 50, 900));
  gestures.up(input(2, "touch", 120, 50, 910));
  gestures.down(input(3, "touch", 60, 50, 1000));
  gestures.down(input(4, "touch", 120, 50, 1010));
  gestures.move(input(4, "touch", 180, 50, 1050));
  gestures.up(input(3, "touch", 60, 50, 1100));
  gestures.up(input(4, "touch", 180, 50, 1110));
  expect(told.filter((what) => what.startsWith("tap"))).toEqual([]);
});

test("fingers are palms while a pen is down and just after it", () => {
  gestures.down(input(9, "pen", 50, 50, 0));
  gestures.down(input(1, "touch", 300, 300, 20));
  gestures.move(input(1, "touch", 340, 300, 40));
  gestures.up(input(9, "pen", 60, 50, 60));
  gestures.down(input(2, "touch", 300, 300, 200));
  gestures.up(input(2, "touch", 300, 300, 240));
  expect(told).toEqual(["begin", "end"]);
  gestures.down(input(3, "touch", 300, 300, 900));
  expect(told.at(-1)).toBe("begin held");
});

test("a palm that came first goes when the pen lands", () => {
  gestures.down(input(1, "touch", 300, 300, 0));
  gestures.down(input(9, "pen", 50, 50, 30));
  gestures.move(input(9, "pen", 55, 50, 40));
  expect(told).toEqual(["begin held", "cancel", "begin", "move"]);
});

test("a pointer that the system takes away leaves nothing", () => {
  gestures.down(input(1, "touch", 10, 10, 0));
  gestures.cancel(input(1, "touch", 10, 10, 20));
  gestures.down(input(2, "mouse", 10, 10, 40));
  gestures.up(input(2, "mouse", 10, 10, 50));
  expect(told).toEqual(["begin held", "cancel", "begin", "end"]);
});

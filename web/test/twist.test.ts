import { expect, test } from "vitest";
import { Twist } from "../src/stage/twist";
import { toCanvas, UPRIGHT, type Point, type View } from "../src/stage/view";

const MIDDLE = { x: 300, y: 200 };

function fingers(degrees: number, apart = 100): [Point, Point] {
  const [x, y] = [Math.cos((degrees * Math.PI) / 180) * apart, Math.sin((degrees * Math.PI) / 180) * apart];
  return [{ x: MIDDLE.x - x, y: MIDDLE.y - y }, { x: MIDDLE.x + x, y: MIDDLE.y + y }];
}

/** The view after two fingers turned by so much, in steps of 2°. */
function twisted(view: View, degrees: number, twist = new Twist()): View {
  twist.begin();
  for (let at = 0; at < Math.abs(degrees); at += 2) {
    view = twist.follow(view, fingers(Math.sign(degrees) * at), fingers(Math.sign(degrees) * (at + 2)));
  }
  return view;
}

test("fingers that hardly turn do not turn the picture, and it is forgotten when they go", () => {
  const twist = new Twist();
  const once = twisted(UPRIGHT, 8, twist);
  expect(once.angle).toBe(0);
  expect(twisted(once, 8, twist).angle).toBe(0);
});

test("a twist turns it around the middle between the fingers, either way", () => {
  for (const degrees of [50, -50]) {
    const view = twisted(UPRIGHT, degrees);
    // The first degrees said that it was meant.
    expect((view.angle + 180) % 360 - 180).toBeCloseTo(Math.sign(degrees) * 38, 6);
    const under = toCanvas(view, MIDDLE);
    expect(under.x).toBeCloseTo(MIDDLE.x, 6);
    expect(under.y).toBeCloseTo(MIDDLE.y, 6);
  }
});

test("it comes to rest upright when it is turned back nearly so far", () => {
  expect(twisted({ ...UPRIGHT, angle: 38 }, -50).angle).toBe(0);
});

test("fingers that part zoom, whether they turn or not", () => {
  const twist = new Twist();
  twist.begin();
  expect(twist.follow(UPRIGHT, fingers(0, 50), fingers(0, 100)).scale).toBeCloseTo(2, 9);
  twist.follow(UPRIGHT, fingers(0), fingers(30));
  expect(twist.follow(UPRIGHT, fingers(0, 50), fingers(4, 100)).scale).toBeCloseTo(2, 9);
});

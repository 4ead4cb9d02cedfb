import { expect, test } from "vitest";
import { panesOf, paneAt, stageOfOne } from "../src/stage/renderer";
import {
  angleBetween, centred, fitted, keptInSight, matrixOf, mirroredAt, pinched, rectToCanvas, rectToScreen, restingAngle, SCALE_LIMITS,
  toCanvas, toScreen, turnedAt, UPRIGHT, zoomedAt, type View,
} from "../src/stage/view";
import { seeded } from "./fakes";

const NONE = { top: 0, right: 0, bottom: 0, left: 0 };
const INSETS = { top: 120, right: 80, bottom: 60, left: 150 };

test("a point goes to the screen and back", () => {
  const random = seeded(5);
  for (let round = 0; round < 50; round += 1) {
    const view: View = {
      scale: 0.05 + random() * 8,
      x: random() * 900 - 400,
      y: random() * 900 - 400,
      angle: Math.floor(random() * 360),
      mirrored: random() < 0.5,
    };
    const point = { x: random() * 2048, y: random() * 2048 };
    const back = toCanvas(view, toScreen(view, point));
    expect(back.x).toBeCloseTo(point.x, 6);
    expect(back.y).toBeCloseTo(point.y, 6);
  }
});

test("zooming keeps what is under the pointer there, within the limits", () => {
  const view = { scale: 1.5, x: 30, y: -20, angle: 33, mirrored: true };
  const at = { x: 400, y: 300 };
  const under = toCanvas(view, at);
  for (const factor of [0.2, 0.9, 1.1, 7]) {
    const now = toCanvas(zoomedAt(view, at, factor), at);
    expect(now.x).toBeCloseTo(under.x, 6);
    expect(now.y).toBeCloseTo(under.y, 6);
  }
  expect(zoomedAt(view, at, 1e9).scale).toBe(SCALE_LIMITS.most);
  expect(zoomedAt(view, at, 1e-9).scale).toBe(SCALE_LIMITS.least);
});

test("what is under two fingers stays under them", () => {
  const view = { ...UPRIGHT, scale: 0.8, x: 100, y: 50 };
  const before: [{ x: number; y: number }, { x: number; y: number }] = [{ x: 100, y: 200 }, { x: 300, y: 200 }];
  const after: typeof before = [{ x: 150, y: 260 }, { x: 450, y: 260 }];
  const moved = pinched(view, before, after);
  for (const finger of [0, 1] as const) {
    const was = toCanvas(view, before[finger]);
    const is = toCanvas(moved, after[finger]);
    expect(is.x).toBeCloseTo(was.x, 6);
    expect(is.y).toBeCloseTo(was.y, 6);
  }
});

test("fit shows the whole canvas between the panels", () => {
  const view = fitted({ width: 2048, height: 1024 }, { x: 1440, y: 900 }, INSETS);
  const topLeft = toScreen(view, { x: 0, y: 0 });
  const bottomRight = toScreen(view, { x: 2048, y: 1024 });
  expect(topLeft.x).toBeGreaterThanOrEqual(INSETS.left - 1);
  expect(topLeft.y).toBeGreaterThanOrEqual(INSETS.top - 1);
  expect(bottomRight.x).toBeLessThanOrEqual(1440 - INSETS.right + 1);
  expect(bottomRight.y).toBeLessThanOrEqual(900 - INSETS.bottom + 1);
  expect(centred({ width: 100, height: 100 }, { x: 300, y: 300 }, NONE, UPRIGHT)).toEqual({ ...UPRIGHT, x: 100, y: 100 });
});

test("a thrown canvas keeps a corner in sight", () => {
  const canvas = { width: 512, height: 512 };
  const pane = { x: 1000, y: 800 };
  for (const thrown of [{ scale: 1, x: -9e4, y: 9e4 }, { scale: 3, x: 9e4, y: -9e4 }]) {
    const view = keptInSight({ ...UPRIGHT, ...thrown }, canvas, pane);
    expect(view.x).toBeLessThan(pane.x);
    expect(view.y).toBeLessThan(pane.y);
    expect(view.x + 512 * view.scale).toBeGreaterThan(0);
    expect(view.y + 512 * view.scale).toBeGreaterThan(0);
  }
});

test("a turned canvas keeps a part in sight too, and is centred as a whole", () => {
  const canvas = { width: 600, height: 200 };
  const pane = { x: 1000, y: 800 };
  for (const angle of [0, 45, 90, 200, 359]) {
    for (const mirrored of [false, true]) {
      const view = keptInSight({ scale: 1, x: 9e4, y: -9e4, angle, mirrored }, canvas, pane);
      const [left, top, width, height] = rectToScreen(view, [0, 0, 600, 200]);
      expect(left).toBeCloseTo(pane.x - 48, 6);
      expect(top + height).toBeCloseTo(48, 6);
      expect(width).toBeGreaterThan(0);
      const middle = toScreen(centred(canvas, pane, NONE, view), { x: 300, y: 100 });
      expect(Math.hypot(middle.x - 500, middle.y - 400)).toBeLessThanOrEqual(1);
    }
  }
});

test("turning keeps what is under the middle there, and is to the right", () => {
  const view = { scale: 2, x: 40, y: 10, angle: 350, mirrored: false };
  const at = { x: 300, y: 200 };
  const turned = turnedAt(view, at, 370);
  expect(turned.angle).toBe(10);
  const was = toCanvas(view, at);
  expect(toScreen(turned, was).x).toBeCloseTo(300, 6);
  expect(toScreen(turned, was).y).toBeCloseTo(200, 6);
  const right = toScreen(turnedAt(UPRIGHT, { x: 0, y: 0 }, 90), { x: 10, y: 0 });
  expect(right).toEqual({ x: 0, y: 10 });
});

test("a mirrored view shows the same points on the other side of the middle, at the same height", () => {
  const random = seeded(8);
  for (let round = 0; round < 30; round += 1) {
    const view: View = { scale: 0.3 + random(), x: random() * 100, y: random() * 100, angle: Math.floor(random() * 360), mirrored: random() < 0.5 };
    const at = { x: 400, y: 300 };
    const mirrored = mirroredAt(view, at);
    const point = { x: random() * 512, y: random() * 512 };
    const [was, is] = [toScreen(view, point), toScreen(mirrored, point)];
    expect(is.x).toBeCloseTo(800 - was.x, 6);
    expect(is.y).toBeCloseTo(was.y, 6);
    const again = toScreen(mirroredAt(mirrored, at), point);
    expect(again.x).toBeCloseTo(was.x, 6);
  }
});

test("straight views have whole numbers, so that edges stay sharp", () => {
  expect([0, 90, 180, 270].map((angle) => matrixOf({ ...UPRIGHT, angle }).map((value) => value + 0))).toEqual([
    [1, 0, 0, 1, 0, 0], [0, 1, -1, 0, 0, 0], [-1, 0, 0, -1, 0, 0], [0, -1, 1, 0, 0, 0],
  ]);
});

test("a box on the screen holds what is in the canvas's, and the other way round", () => {
  const view = { scale: 1.7, x: 13, y: -9, angle: 27, mirrored: true };
  const [x, y, width, height] = rectToScreen(view, [10, 20, 30, 40]);
  for (const corner of [{ x: 10, y: 20 }, { x: 40, y: 60 }, { x: 25, y: 40 }]) {
    const at = toScreen(view, corner);
    expect(at.x).toBeGreaterThanOrEqual(x - 1e-9);
    expect(at.x).toBeLessThanOrEqual(x + width + 1e-9);
    expect(at.y).toBeGreaterThanOrEqual(y - 1e-9);
    expect(at.y).toBeLessThanOrEqual(y + height + 1e-9);
  }
  const back = rectToCanvas(view, [x, y, width, height]);
  expect(back[0]).toBeLessThanOrEqual(10);
  expect(back[0] + back[2]).toBeGreaterThanOrEqual(40);
});

test("a turn comes to rest upright, or in steps", () => {
  expect([2, 358, -1, 361, 8].map((angle) => restingAngle(angle, false))).toEqual([0, 0, 0, 0, 8]);
  expect([7, 8, 352, 359, -20].map((angle) => restingAngle(angle, true))).toEqual([0, 15, 345, 0, 345]);
  const middle = { x: 0, y: 0 };
  expect(angleBetween(middle, { x: 5, y: 0 }, { x: 0, y: 3 })).toBeCloseTo(90, 9);
  expect(angleBetween(middle, { x: -5, y: -0.1 }, { x: -5, y: 0.1 })).toBeCloseTo(-2.29, 1);
});

test.each([
  ["wide", { x: 1440, y: 900 }],
  ["tall", { x: 390, y: 844 }],
])("side by side on a %s stage: both pictures lie in their own panes, between the panels", (_name, stage) => {
  const insets = stage.x > 720 ? INSETS : { top: 132, right: 8, bottom: 128, left: 8 };
  const panes = panesOf("both", false, stage, insets, 0);
  expect(panes.map(({ layer }) => layer)).toEqual(["sketch", "result"]);
  const view = fitted({ width: 768, height: 512 }, stageOfOne("both", stage, insets), insets);
  for (const pane of panes) {
    for (const corner of [{ x: 0, y: 0 }, { x: 768, y: 512 }]) {
      const at = toScreen(view, corner);
      const onStage = { x: at.x + pane.origin.x, y: at.y + pane.origin.y };
      expect(paneAt(panes, onStage)).toBe(pane);
      expect(onStage.x).toBeGreaterThanOrEqual(insets.left - 1);
      expect(onStage.x).toBeLessThanOrEqual(stage.x - insets.right + 1);
      expect(onStage.y).toBeGreaterThanOrEqual(insets.top - 1);
      expect(onStage.y).toBeLessThanOrEqual(stage.y - insets.bottom + 1);
    }
  }
});

test("before shows the sketch in place of the result", () => {
  const stage = { x: 800, y: 600 };
  expect(panesOf("result", true, stage, NONE, 0).map(({ layer }) => layer)).toEqual(["sketch"]);
  expect(panesOf("both", true, stage, NONE, 0).map(({ layer }) => layer)).toEqual(["sketch", "sketch"]);
});

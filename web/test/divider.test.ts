import { expect, test } from "vitest";
import { dividerEdge, partAfterKey, partLeftOf } from "../src/stage/divider";
import { paneAt, panesOf, stageOfOne } from "../src/stage/renderer";
import type { View } from "../src/stage/view";

const NONE = { top: 0, right: 0, bottom: 0, left: 0 };
const STAGE = { x: 1000, y: 600 };
const VIEW: View = { scale: 1.5, x: 120, y: 40 };

test("the divider stands where it was dragged to", () => {
  for (const x of [120, 300, 503, 888]) {
    expect(dividerEdge(partLeftOf(x, VIEW, 512), VIEW, 512, STAGE.x)).toBe(x);
  }
  expect(partLeftOf(0, VIEW, 512)).toBe(0);
  expect(partLeftOf(5000, VIEW, 512)).toBe(1);
});

test("the divider can be taken however far the picture was moved or zoomed", () => {
  for (const view of [{ scale: 20, x: -9000, y: 0 }, { scale: 20, x: 900, y: 0 }, { scale: 0.1, x: -40, y: 0 }]) {
    for (const part of [0, 0.5, 1]) {
      const edge = dividerEdge(part, view, 512, STAGE.x);
      expect(edge).toBeGreaterThan(0);
      expect(edge).toBeLessThan(STAGE.x);
    }
  }
});

test("arrows move the divider a little, with Shift farther, Home and End all the way", () => {
  expect(partAfterKey("ArrowLeft", false, 0.5)).toBeCloseTo(0.48);
  expect(partAfterKey("ArrowRight", true, 0.5)).toBeCloseTo(0.6);
  expect(partAfterKey("ArrowRight", false, 0.999)).toBe(1);
  expect(partAfterKey("ArrowLeft", true, 0.05)).toBe(0);
  expect(partAfterKey("Home", false, 0.5)).toBe(0);
  expect(partAfterKey("End", false, 0.5)).toBe(1);
  expect(partAfterKey("b", false, 0.5)).toBeUndefined();
});

test("compared, sketch and result lie in the same place and meet at the divider", () => {
  const panes = panesOf("compare", false, STAGE, NONE, 420);
  expect(panes.map(({ layer }) => layer)).toEqual(["sketch", "result"]);
  for (const { origin } of panes) expect(origin).toEqual({ x: 0, y: 0 });
  expect(paneAt(panes, { x: 419, y: 5 })?.layer).toBe("sketch");
  expect(paneAt(panes, { x: 420, y: 5 })?.layer).toBe("result");
  expect(panes.reduce((sum, { rect }) => sum + rect[2], 0)).toBe(STAGE.x);
  expect(stageOfOne("compare", STAGE, NONE)).toEqual(STAGE);
  expect(panesOf("compare", true, STAGE, NONE, 420).map(({ layer }) => layer)).toEqual(["sketch", "sketch"]);
});

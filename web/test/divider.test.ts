import { expect, test } from "vitest";
import { dividerEdge, partAfterKey, partLeftOf } from "../src/stage/divider";
import { paneAt, panesOf, stageOfOne } from "../src/stage/renderer";
import type { Rect } from "../client/src";

const NONE = { top: 0, right: 0, bottom: 0, left: 0 };
const STAGE = { x: 1000, y: 600 };
/** Where a canvas of 512 pixels lies at 150 %. */
const BOX: Rect = [120, 40, 768, 768];

test("the divider stands where it was dragged to", () => {
  for (const x of [120, 300, 503, 888]) {
    expect(dividerEdge(partLeftOf(x, BOX), BOX, STAGE.x)).toBe(x);
  }
  expect(partLeftOf(0, BOX)).toBe(0);
  expect(partLeftOf(5000, BOX)).toBe(1);
});

test("the divider can be taken however far the picture was moved or zoomed", () => {
  for (const box of [[-9000, 0, 10240, 10240], [900, 0, 10240, 10240], [-40, 0, 51, 51]] satisfies Rect[]) {
    for (const part of [0, 0.5, 1]) {
      const edge = dividerEdge(part, box, STAGE.x);
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

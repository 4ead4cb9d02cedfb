import { beforeEach, expect, test } from "vitest";
import type { Brush, Rect } from "../client/src";
import { Ink } from "../src/paint/ink";
import { tilesIn } from "../src/paint/geometry";

const RED: Brush = { tool: "brush", size: 20, hardness: 1, opacity: 1, color: "#ff0000" };
const ALL: Rect = [0, 0, 256, 256];
let ink: Ink;

beforeEach(() => {
  ink = new Ink(256, 256);
});

function paintedAt(x: number, y: number): number[] {
  const [tile] = tilesIn([x, y, 1, 1], 256, 256);
  const bytes = new Uint8ClampedArray(64 * 64 * 4);
  if (!tile || !ink.paintTile(tile, bytes)) return [0, 0, 0, 0];
  const at = ((y - tile.rect[1]) * 64 + x - tile.rect[0]) * 4;
  return [...bytes.slice(at, at + 4)];
}

function revealedAt(x: number, y: number): number {
  const [tile] = tilesIn([x, y, 1, 1], 256, 256);
  const bytes = new Uint8ClampedArray(64 * 64 * 4);
  if (!tile || !ink.revealTile(tile, bytes)) return 0;
  return bytes[((y - tile.rect[1]) * 64 + x - tile.rect[0]) * 4 + 3] ?? 0;
}

/** A stroke of two chunks: left at x = 40, right at x = 200. */
function twoChunks(brush: Brush = RED): void {
  ink.begin("me/a", brush);
  ink.extend("me/a", [[30, 40, 1], [40, 40, 1]]);
  ink.cut("me/a");
  ink.extend("me/a", [[200, 40, 1]]);
  ink.cut("me/a");
  ink.finish("me/a");
}

test("ink is there at once and stays until a result with its seq covers it", () => {
  twoChunks();
  expect(paintedAt(40, 40)).toEqual([255, 0, 0, 255]);
  ink.resultShown(ALL, 99);
  expect(paintedAt(40, 40)).toEqual([255, 0, 0, 255]);
  ink.acknowledge("me/a", 5);
  ink.resultShown(ALL, 4);
  expect(paintedAt(30, 40)).toEqual([255, 0, 0, 255]);
  ink.resultShown(ALL, 5);
  expect(paintedAt(25, 40)[3]).toBe(0);
  expect(paintedAt(200, 40)).toEqual([255, 0, 0, 255]);
  ink.acknowledge("me/a", 7);
  ink.resultShown(ALL, 8);
  expect(ink.isEmpty).toBe(true);
});

test("a result takes away only the ink under it", () => {
  twoChunks();
  ink.acknowledge("me/a", 1);
  ink.acknowledge("me/a", 2);
  expect(ink.resultShown([0, 0, 64, 64], 2)).toEqual([19, 29, 45, 22]);
  expect(paintedAt(40, 40)[3]).toBe(0);
  expect(paintedAt(100, 40)[3]).toBe(255);
  ink.resultShown([64, 0, 192, 64], 2);
  expect(ink.waiting).toBe(0);
});

test("an undone stroke goes, and comes back when it is done again", () => {
  twoChunks();
  ink.acknowledge("me/a", 3);
  ink.acknowledge("me/a", 4);
  ink.undo(4);
  expect(ink.waiting).toBe(1);
  ink.undo(3);
  expect(paintedAt(40, 40)[3]).toBe(0);
  ink.redo(3, 6);
  expect(paintedAt(40, 40)[3]).toBe(255);
  ink.resultShown(ALL, 5);
  expect(paintedAt(40, 40)[3]).toBe(255);
  ink.resultShown(ALL, 6);
  expect(ink.isEmpty).toBe(true);
});

test("with live off the sketch stands in for the ink until a result comes", () => {
  twoChunks();
  ink.acknowledge("me/a", 1);
  ink.sketchShown(ALL, 1);
  expect(revealedAt(40, 40)).toBe(0);
  ink.acknowledge("me/a", 2);
  ink.sketchShown(ALL, 2);
  expect(paintedAt(40, 40)[3]).toBe(0);
  expect(revealedAt(40, 40)).toBe(255);
  expect(revealedAt(40, 80)).toBe(0);
  expect(ink.isEmpty).toBe(false);
  ink.resultShown(ALL, 1);
  expect(revealedAt(40, 40)).toBe(255);
  ink.resultShown(ALL, 2);
  expect(ink.isEmpty).toBe(true);
});

test("opacity is the most that a stroke covers, however often it crosses itself", () => {
  ink.begin("me/b", { ...RED, opacity: 0.5 });
  ink.extend("me/b", [[30, 30, 1], [90, 30, 1], [30, 30, 1], [90, 30, 1]]);
  expect(paintedAt(60, 30)[3]).toBeGreaterThanOrEqual(127);
  expect(paintedAt(60, 30)[3]).toBeLessThanOrEqual(128);
});

test("a later stroke lies above an earlier one", () => {
  ink.begin("me/a", RED);
  ink.extend("me/a", [[50, 50, 1]]);
  ink.begin("you/b", { ...RED, color: "#0000ff", opacity: 0.5 });
  ink.extend("you/b", [[50, 50, 1]]);
  const [red, green, blue, alpha] = paintedAt(50, 50);
  expect(alpha).toBe(255);
  expect(Math.abs((red ?? 0) - 127.5)).toBeLessThan(2);
  expect(green).toBe(0);
  expect(Math.abs((blue ?? 0) - 127.5)).toBeLessThan(2);
});

test("mask ink is a translucent tint, restore shows the sketch, erase lightens", () => {
  for (const tool of ["mask", "erase", "restore"] as const) {
    ink = new Ink(256, 256);
    ink.begin(tool, { ...RED, tool });
    ink.extend(tool, [[40, 40, 1]]);
    const alpha = paintedAt(40, 40)[3] ?? 0;
    if (tool === "restore") {
      expect(alpha).toBe(0);
      expect(revealedAt(40, 40)).toBe(255);
    } else {
      expect(alpha).toBeGreaterThan(40);
      expect(alpha).toBeLessThan(255);
    }
  }
});

test("a layer that is shown beside the result takes the ink of its strokes, as far as it has them", () => {
  twoChunks({ ...RED, layer: 3 });
  ink.acknowledge("me/a", 5);
  ink.begin("me/b", RED);
  ink.extend("me/b", [[40, 100, 1]]);
  ink.cut("me/b");
  ink.acknowledge("me/b", 6);
  ink.acknowledge("me/a", 7);
  ink.layerShown(2, 9);
  expect(paintedAt(25, 40)).toEqual([255, 0, 0, 255]);
  ink.layerShown(3, 6);
  expect(paintedAt(25, 40)[3]).toBe(0);
  expect(paintedAt(200, 40)).toEqual([255, 0, 0, 255]);
  ink.layerShown(3, 7);
  expect(ink.has("me/a")).toBe(false);
  expect(paintedAt(40, 100)).toEqual([255, 0, 0, 255]);
});

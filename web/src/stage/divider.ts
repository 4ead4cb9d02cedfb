import type { Rect } from "../../client/src";

/** How far the divider stays away from the stage's edges, in CSS pixels: it can always be taken. */
const MARGIN = 28;
const STEP = 0.02;
const FAR = 0.1;

/** Where on the stage the divider stands that leaves `part` (0 … 1) of the canvas, as it lies there, to its left. */
export function dividerEdge(part: number, [left, , width]: Rect, stageWidth: number): number {
  const at = left + part * width;
  return Math.round(Math.min(Math.max(MARGIN, stageWidth - MARGIN), Math.max(MARGIN, at)));
}

/** The part of the canvas, as it lies on the stage, to the left of a place there, 0 … 1. */
export function partLeftOf(x: number, [left, , width]: Rect): number {
  return Math.min(1, Math.max(0, (x - left) / width));
}

/** Where a key moves the divider; undefined for keys that do not. */
export function partAfterKey(key: string, shift: boolean, part: number): number | undefined {
  const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[key];
  if (direction !== undefined) return Math.min(1, Math.max(0, part + direction * (shift ? FAR : STEP)));
  if (key === "Home") return 0;
  if (key === "End") return 1;
  return undefined;
}

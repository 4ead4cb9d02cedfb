import type { Brush, CanvasSize, StrokePoint } from "../../client/src";
import { fillingBrush, fillingOf } from "./fill";
import { EDGE, INSIDE } from "./flood";
import { joinedByLifts } from "./lifts";

/** A brush of this hardness leaves nothing where it is thinner than a quarter of a pixel. */
const LEAST = 0.25;
/** The pressure that covers half of a pixel with the filling brush, which is 40 pixels wide. */
const HALF = 0.013;

/** What covers a picture of coverage exactly: the brush is one pixel wide at full pressure. */
export function coverageBrush(brush: Brush): Brush {
  return { ...fillingBrush(brush), size: 1 };
}

/**
 * The points that cover each pixel as `coverage` (0 … 255, row after row) says.
 * A hard brush that stands on the middle of a pixel and is thinner than it
 * covers as much of it as it is wide, and nothing of its neighbours; so a row
 * is one pass whose pressure changes from pixel to pixel. What is thinner than
 * a quarter is a quarter or nothing.
 */
export function strokeOf(coverage: Uint8Array, { width, height }: CanvasSize, left: number, top: number): StrokePoint[] {
  const pressureAt = (at: number): number => {
    const part = (coverage[at] ?? 0) / 255;
    return part < LEAST / 2 ? 0 : Math.max(LEAST, part);
  };
  return joinedByLifts(rowsOf(pressureAt, width, height, left, top));
}

/** The points that fill what a bucket found, and half of its edge, with the filling brush. */
export function strokeOfFlood(filled: Uint8Array, size: CanvasSize): StrokePoint[] {
  const { width, height } = size;
  const inside = fillingOf((x, y) => filled[y * width + x] === INSIDE, size);
  const edges = rowsOf((at) => (filled[at] === EDGE ? HALF : 0), width, height, 0, 0);
  return joinedByLifts([inside, ...edges]);
}

/** Passes through the pixels of each row that `pressureAt` has a pressure for. */
function rowsOf(pressureAt: (at: number) => number, width: number, height: number, left: number, top: number): StrokePoint[][] {
  const passes: StrokePoint[][] = [];
  for (let y = 0; y < height; y += 1) {
    let pass: StrokePoint[] = [];
    for (let x = 0; x < width; x += 1) {
      const pressure = pressureAt(y * width + x);
      if (pressure === 0) {
        if (pass.length > 0) passes.push(pass);
        pass = [];
        continue;
      }
      const last = pass.at(-1);
      const next = x + 1 < width ? pressureAt(y * width + x + 1) : 0;
      // In the middle of a run of equal pixels nothing has to be said.
      if (last?.[2] === pressure && next === pressure) continue;
      pass.push([left + x + 0.5, top + y + 0.5, pressure]);
    }
    if (pass.length > 0) passes.push(pass);
  }
  return passes;
}

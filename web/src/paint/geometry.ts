import type { Rect } from "../../client/src";

/** The side of a tile, in canvas pixels: the grain of revisions and of ink. */
export const TILE = 64;

/** The smallest rectangle with whole-pixel edges around two corners. */
export function rectAround(left: number, top: number, right: number, bottom: number): Rect {
  const x = Math.floor(left);
  const y = Math.floor(top);
  return [x, y, Math.max(0, Math.ceil(right) - x), Math.max(0, Math.ceil(bottom) - y)];
}

/** The pixels in both rectangles; `[0, 0, 0, 0]` when there are none. */
export function intersect(a: Rect, b: Rect): Rect {
  const x = Math.max(a[0], b[0]);
  const y = Math.max(a[1], b[1]);
  const right = Math.min(a[0] + a[2], b[0] + b[2]);
  const bottom = Math.min(a[1] + a[3], b[1] + b[3]);
  return right <= x || bottom <= y ? [0, 0, 0, 0] : [x, y, right - x, bottom - y];
}

/** True when no pixel is inside. */
export function isEmpty(rect: Rect): boolean {
  return rect[2] <= 0 || rect[3] <= 0;
}

/** The smallest rectangle around both; an empty one adds nothing. */
export function union(a: Rect, b: Rect): Rect {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const x = Math.min(a[0], b[0]);
  const y = Math.min(a[1], b[1]);
  return [
    x,
    y,
    Math.max(a[0] + a[2], b[0] + b[2]) - x,
    Math.max(a[1] + a[3], b[1] + b[3]) - y,
  ];
}

/** True when every pixel of `inner` is inside `outer`. */
export function contains(outer: Rect, inner: Rect): boolean {
  return (
    isEmpty(inner) ||
    (outer[0] <= inner[0] &&
      outer[1] <= inner[1] &&
      outer[0] + outer[2] >= inner[0] + inner[2] &&
      outer[1] + outer[3] >= inner[1] + inner[3])
  );
}

/** What is left of `rect` once `hole` is cut out: at most four rectangles that do not overlap. */
export function subtract(rect: Rect, hole: Rect): Rect[] {
  const cut = intersect(rect, hole);
  if (isEmpty(cut)) return isEmpty(rect) ? [] : [rect];
  const [x, y, width, height] = rect;
  const parts: Rect[] = [
    [x, y, width, cut[1] - y],
    [x, cut[1] + cut[3], width, y + height - cut[1] - cut[3]],
    [x, cut[1], cut[0] - x, cut[3]],
    [cut[0] + cut[2], cut[1], x + width - cut[0] - cut[2], cut[3]],
  ];
  return parts.filter((part) => !isEmpty(part));
}

/** The tiles that a rectangle touches, row by row, on a canvas of the given size. */
export function* tilesIn(rect: Rect, width: number, height: number): Generator<Tile> {
  const inside = intersect(rect, [0, 0, width, height]);
  if (isEmpty(inside)) return;
  const columns = Math.ceil(width / TILE);
  const lastColumn = Math.floor((inside[0] + inside[2] - 1) / TILE);
  const lastRow = Math.floor((inside[1] + inside[3] - 1) / TILE);
  for (let row = Math.floor(inside[1] / TILE); row <= lastRow; row += 1) {
    for (let column = Math.floor(inside[0] / TILE); column <= lastColumn; column += 1) {
      const x = column * TILE;
      const y = row * TILE;
      yield {
        index: row * columns + column,
        rect: [x, y, Math.min(TILE, width - x), Math.min(TILE, height - y)],
      };
    }
  }
}

/** One tile of a canvas. */
export interface Tile {
  /** Row-major number. */
  index: number;
  /** Its pixels. */
  rect: Rect;
}

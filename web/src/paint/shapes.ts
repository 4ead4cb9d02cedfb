import type { StrokePoint } from "../../client/src";

/** What a drag becomes: a stroke as the hand draws it, a shape, or what covers an area. */
export type Form = "free" | "line" | "rectangle" | "ellipse" | "polygon" | "lasso" | "bucket" | "gradient" | "text";

/** A place on the canvas, in canvas pixels. */
export type Spot = readonly [number, number];

/** How a drag is held to something regular. */
export interface Guides {
  /** Lines in steps of 45°, squares and circles. */
  regular: boolean;
  /** The drag begins in the middle of the shape, and not at its corner. */
  centred: boolean;
}

/** Half a pixel inside an edge a brush one pixel wide covers exactly what lies inside. */
const INSET = 0.5;
/** A corner of an ellipse stands out of the true line by less than this, in canvas pixels. */
const ELLIPSE_ERROR = 0.05;
/** Spots of a lasso that are closer than this add nothing, in canvas pixels. */
const LASSO_STEP = 0.75;

/** True for forms that have an inside. */
export function isClosed(form: Form): boolean {
  return form === "rectangle" || form === "ellipse" || form === "polygon" || form === "lasso";
}

/** The end of a line in steps of 45°, as far away as `to`. */
export function snappedEnd(from: Spot, to: Spot): Spot {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const step = Math.PI / 4;
  const angle = Math.round(Math.atan2(dy, dx) / step) * step;
  // Projected, so that the end stays beside the hand.
  const length = dx * Math.cos(angle) + dy * Math.sin(angle);
  return [from[0] + length * Math.cos(angle), from[1] + length * Math.sin(angle)];
}

/** The two ends of a dragged line. */
export function lineBetween(from: Spot, to: Spot, { regular, centred }: Guides): [Spot, Spot] {
  const end = regular ? snappedEnd(from, to) : to;
  return [centred ? [2 * from[0] - end[0], 2 * from[1] - end[1]] : from, end];
}

/** The box of a dragged rectangle or ellipse: left, top, right, bottom. */
export function boxBetween(from: Spot, to: Spot, { regular, centred }: Guides): [number, number, number, number] {
  let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  if (regular) {
    const side = Math.max(Math.abs(dx), Math.abs(dy));
    [dx, dy] = [dx < 0 ? -side : side, dy < 0 ? -side : side];
  }
  const start: Spot = centred ? [from[0] - dx, from[1] - dy] : from;
  const end: Spot = [from[0] + dx, from[1] + dy];
  return [Math.min(start[0], end[0]), Math.min(start[1], end[1]), Math.max(start[0], end[0]), Math.max(start[1], end[1])];
}

/**
 * The corners of a dragged line, rectangle or ellipse. One that is to be
 * `filled` is drawn in by half a pixel, for the brush that fills it; a
 * rectangle then ends where pixels do.
 */
export function shapeBetween(form: "line" | "rectangle" | "ellipse", from: Spot, to: Spot, guides: Guides, filled: boolean): Spot[] {
  if (form === "line") return lineBetween(from, to, guides);
  let [left, top, right, bottom] = boxBetween(from, to, guides);
  if (filled && form === "rectangle") [left, top, right, bottom] = [left, top, right, bottom].map(Math.round) as [number, number, number, number];
  if (filled) {
    const [inX, inY] = [Math.min(INSET, (right - left) / 2), Math.min(INSET, (bottom - top) / 2)];
    [left, top, right, bottom] = [left + inX, top + inY, right - inX, bottom - inY];
  }
  return form === "rectangle"
    ? [[left, top], [right, top], [right, bottom], [left, bottom]]
    : ellipse((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2);
}

/** A lasso's spots without those that are too close to the one before. */
export function thinned(spots: readonly Spot[]): Spot[] {
  const kept: Spot[] = [];
  for (const spot of spots) {
    const last = kept.at(-1);
    if (!last || Math.hypot(spot[0] - last[0], spot[1] - last[1]) >= LASSO_STEP) kept.push(spot);
  }
  return kept;
}

/** The way of the brush around a shape, at full pressure; a closed one ends where it began. */
export function outline(spots: readonly Spot[], closed: boolean, pressure = 1): StrokePoint[] {
  const first = spots[0];
  const around = closed && first && spots.length > 1 ? [...spots, first] : spots;
  return around.map(([x, y]) => [x, y, pressure]);
}

function ellipse(x: number, y: number, rx: number, ry: number): Spot[] {
  const largest = Math.max(rx, ry, 1);
  const corners = Math.max(8, Math.ceil(Math.PI / Math.acos(1 - Math.min(0.5, ELLIPSE_ERROR / largest))));
  return Array.from({ length: corners }, (_, at): Spot => {
    const angle = (2 * Math.PI * at) / corners;
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)];
  });
}

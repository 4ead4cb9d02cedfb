import type { Rect } from "../../client/src";

/** Where the canvas lies on the screen: `screen = canvas · scale + (x, y)`, in CSS pixels. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

/** A point in some plane. */
export interface Point {
  x: number;
  y: number;
}

/** Room that floating panels take at the window's edges, in CSS pixels. */
export interface Insets {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

/** The smallest and largest scale. */
export const SCALE_LIMITS = { least: 0.05, most: 32 } as const;

/** A screen point on the canvas. */
export function toCanvas(view: View, point: Point): Point {
  return { x: (point.x - view.x) / view.scale, y: (point.y - view.y) / view.scale };
}

/** A canvas point on the screen. */
export function toScreen(view: View, point: Point): Point {
  return { x: point.x * view.scale + view.x, y: point.y * view.scale + view.y };
}

/** A canvas rectangle on the screen. */
export function rectToScreen(view: View, rect: Rect): Rect {
  const { x, y } = toScreen(view, { x: rect[0], y: rect[1] });
  return [x, y, rect[2] * view.scale, rect[3] * view.scale];
}

/** Scales by a factor and keeps the canvas point under `at` where it is. */
export function zoomedAt(view: View, at: Point, factor: number): View {
  const scale = clampScale(view.scale * factor);
  const fixed = toCanvas(view, at);
  return { scale, x: at.x - fixed.x * scale, y: at.y - fixed.y * scale };
}

/** Moves by screen pixels. */
export function panned(view: View, dx: number, dy: number): View {
  return { scale: view.scale, x: view.x + dx, y: view.y + dy };
}

/** Two fingers moved: what was under them stays under them. */
export function pinched(view: View, before: [Point, Point], after: [Point, Point]): View {
  const from = middle(before);
  const to = middle(after);
  const was = Math.hypot(before[1].x - before[0].x, before[1].y - before[0].y);
  const is = Math.hypot(after[1].x - after[0].x, after[1].y - after[0].y);
  const moved = panned(view, to.x - from.x, to.y - from.y);
  return was > 1 ? zoomedAt(moved, to, is / was) : moved;
}

/** The whole canvas, centred in what the panels leave free, at most at 100 %. */
export function fitted(canvas: { width: number; height: number }, pane: Point, insets: Insets): View {
  const free = {
    x: Math.max(32, pane.x - insets.left - insets.right),
    y: Math.max(32, pane.y - insets.top - insets.bottom),
  };
  const scale = clampScale(Math.min(free.x / canvas.width, free.y / canvas.height));
  return centred(canvas, pane, insets, scale);
}

/** The canvas at a scale, centred in what the panels leave free. */
export function centred(
  canvas: { width: number; height: number },
  pane: Point,
  insets: Insets,
  scale: number,
): View {
  return {
    scale,
    x: Math.round((insets.left + pane.x - insets.right - canvas.width * scale) / 2),
    y: Math.round((insets.top + pane.y - insets.bottom - canvas.height * scale) / 2),
  };
}

/** Keeps a corner of the canvas in sight, however far it was thrown. */
export function keptInSight(view: View, canvas: { width: number; height: number }, pane: Point): View {
  const margin = 48;
  const width = canvas.width * view.scale;
  const height = canvas.height * view.scale;
  return {
    scale: view.scale,
    x: Math.min(pane.x - margin, Math.max(margin - width, view.x)),
    y: Math.min(pane.y - margin, Math.max(margin - height, view.y)),
  };
}

function clampScale(scale: number): number {
  return Math.min(SCALE_LIMITS.most, Math.max(SCALE_LIMITS.least, scale));
}

function middle([a, b]: [Point, Point]): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

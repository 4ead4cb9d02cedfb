import type { Rect } from "../../client/src";

/**
 * Where the canvas lies on the screen: it is scaled, mirrored left to right where that is wanted, turned, and then
 * moved by `(x, y)`, in CSS pixels. Turning and mirroring change what is seen, and never the picture.
 */
export interface View {
  scale: number;
  /** Where the canvas's origin is. */
  x: number;
  y: number;
  /** Degrees to the right, 0 … 360. */
  angle: number;
  mirrored: boolean;
}

/** As the canvas lies when it was not touched. */
export const UPRIGHT: View = { scale: 1, x: 0, y: 0, angle: 0, mirrored: false };

/** A turn by hand comes to rest at multiples of this with Shift, in degrees. */
export const TURN_STEP = 15;
/** A view so near to upright is upright, in degrees. */
const UPRIGHT_WITHIN = 3;

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

/** `screen = (a x + c y + e, b x + d y + f)`, as CSS and 2D canvases have it. */
export type Matrix = [a: number, b: number, c: number, d: number, e: number, f: number];

/** The view as a matrix. */
export function matrixOf({ scale, x, y, angle, mirrored }: View): Matrix {
  const [sin, cos] = turnOf(angle);
  const flip = mirrored ? -1 : 1;
  return [flip * cos * scale, flip * sin * scale, -sin * scale, cos * scale, x, y];
}

/** A screen point on the canvas. */
export function toCanvas(view: View, point: Point): Point {
  const [a, b, c, d, e, f] = matrixOf(view);
  const [dx, dy] = [point.x - e, point.y - f];
  const determinant = a * d - b * c;
  return { x: (d * dx - c * dy) / determinant, y: (a * dy - b * dx) / determinant };
}

/** A canvas point on the screen. */
export function toScreen(view: View, point: Point): Point {
  const [a, b, c, d, e, f] = matrixOf(view);
  return { x: a * point.x + c * point.y + e, y: b * point.x + d * point.y + f };
}

/** The screen's upright box around a canvas rectangle. */
export function rectToScreen(view: View, [x, y, width, height]: Rect): Rect {
  return boxAround(cornersOf(x, y, width, height).map((corner) => toScreen(view, corner)));
}

/** The canvas's upright box around a rectangle of the screen. */
export function rectToCanvas(view: View, [x, y, width, height]: Rect): Rect {
  return boxAround(cornersOf(x, y, width, height).map((corner) => toCanvas(view, corner)));
}

/** Scales by a factor and keeps the canvas point under `at` where it is. */
export function zoomedAt(view: View, at: Point, factor: number): View {
  return pinned({ ...view, scale: clampScale(view.scale * factor) }, toCanvas(view, at), at);
}

/** Turns to an angle, in degrees, and keeps the canvas point under `at` where it is. */
export function turnedAt(view: View, at: Point, angle: number): View {
  return pinned({ ...view, angle: (((angle % 360) + 360) % 360) }, toCanvas(view, at), at);
}

/** Mirrors what is seen left to right, about the upright line through `at`. */
export function mirroredAt(view: View, at: Point): View {
  const turned = { ...view, angle: (360 - view.angle) % 360, mirrored: !view.mirrored };
  return pinned(turned, toCanvas(view, at), at);
}

/** The angle that a turn comes to: in steps where that is wanted, and upright where it is nearly so. */
export function restingAngle(angle: number, inSteps: boolean): number {
  const turn = ((angle % 360) + 360) % 360;
  if (inSteps) return (Math.round(turn / TURN_STEP) * TURN_STEP) % 360;
  return turn < UPRIGHT_WITHIN || turn > 360 - UPRIGHT_WITHIN ? 0 : turn;
}

/** How far it is from one point around another to a third, in degrees, -180 … 180. */
export function angleBetween(around: Point, from: Point, to: Point): number {
  const turn = Math.atan2(to.y - around.y, to.x - around.x) - Math.atan2(from.y - around.y, from.x - around.x);
  return ((((turn * 180) / Math.PI + 540) % 360) + 360) % 360 - 180;
}

/** Moves by screen pixels. */
export function panned(view: View, dx: number, dy: number): View {
  return { ...view, x: view.x + dx, y: view.y + dy };
}

/** Two fingers moved: what is between them stays there, and is as much larger as they are farther apart. */
export function pinched(view: View, before: [Point, Point], after: [Point, Point]): View {
  const from = middle(before);
  const to = middle(after);
  const was = Math.hypot(before[1].x - before[0].x, before[1].y - before[0].y);
  const is = Math.hypot(after[1].x - after[0].x, after[1].y - after[0].y);
  const moved = panned(view, to.x - from.x, to.y - from.y);
  return was > 1 ? zoomedAt(moved, to, is / was) : moved;
}

/** The whole canvas, upright, centred in what the panels leave free. */
export function fitted(canvas: { width: number; height: number }, pane: Point, insets: Insets): View {
  const free = {
    x: Math.max(32, pane.x - insets.left - insets.right),
    y: Math.max(32, pane.y - insets.top - insets.bottom),
  };
  const scale = clampScale(Math.min(free.x / canvas.width, free.y / canvas.height));
  return centred(canvas, pane, insets, { ...UPRIGHT, scale });
}

/** The canvas, scaled and turned as `view` has it, centred in what the panels leave free. */
export function centred(canvas: { width: number; height: number }, pane: Point, insets: Insets, view: View): View {
  const [left, top, width, height] = rectToScreen({ ...view, x: 0, y: 0 }, [0, 0, canvas.width, canvas.height]);
  return {
    ...view,
    x: Math.round((insets.left + pane.x - insets.right - width) / 2 - left),
    y: Math.round((insets.top + pane.y - insets.bottom - height) / 2 - top),
  };
}

/** A part of the plane in the middle of a pane, upright, as large as all of it fits. */
export function framed([x, y, width, height]: Rect, pane: Point): View {
  const scale = clampScale(Math.min(pane.x / width, pane.y / height));
  return { ...UPRIGHT, scale, x: pane.x / 2 - (x + width / 2) * scale, y: pane.y / 2 - (y + height / 2) * scale };
}

/** The part of the plane that a pane shows, in whole canvas pixels; the upright box around it where it is turned. */
export function seenIn(view: View, pane: Point): Rect {
  const [x, y, width, height] = rectToCanvas(view, [0, 0, pane.x, pane.y]).map(Math.round) as Rect;
  return [x, y, Math.max(1, width), Math.max(1, height)];
}

/** Keeps a corner of the canvas in sight, however far it was thrown. */
export function keptInSight(view: View, canvas: { width: number; height: number }, pane: Point): View {
  const margin = 48;
  const [left, top, width, height] = rectToScreen(view, [0, 0, canvas.width, canvas.height]);
  return panned(
    view,
    Math.min(pane.x - margin, Math.max(margin - width, left)) - left,
    Math.min(pane.y - margin, Math.max(margin - height, top)) - top,
  );
}

/** The same view, moved so that a canvas point is at a screen point. */
function pinned(view: View, point: Point, at: Point): View {
  const { x, y } = toScreen({ ...view, x: 0, y: 0 }, point);
  return { ...view, x: at.x - x, y: at.y - y };
}

/** Sine and cosine; exact where the canvas lies straight, so that its edges stay sharp. */
function turnOf(angle: number): [sin: number, cos: number] {
  const straight = { 0: [0, 1], 90: [1, 0], 180: [0, -1], 270: [-1, 0] }[angle];
  if (straight) return straight as [number, number];
  const radians = (angle * Math.PI) / 180;
  return [Math.sin(radians), Math.cos(radians)];
}

function cornersOf(x: number, y: number, width: number, height: number): Point[] {
  return [{ x, y }, { x: x + width, y }, { x, y: y + height }, { x: x + width, y: y + height }];
}

function boxAround(points: readonly Point[]): Rect {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return [left, top, Math.max(...xs) - left, Math.max(...ys) - top];
}

function clampScale(scale: number): number {
  return Math.min(SCALE_LIMITS.most, Math.max(SCALE_LIMITS.least, scale));
}

function middle([a, b]: [Point, Point]): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

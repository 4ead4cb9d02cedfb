import { type Brush, type CanvasSize, rgbOf, type StrokePoint } from "../../client/src";
import { fillingBrush } from "./fill";

/** What a stroke's colour runs along. */
export type Gradient = NonNullable<Brush["gradient"]>;

// What the server draws follows from the same formulas, in `src/canvas/gradient.rs`.

/** How far the gradient has come in the middle of a pixel: 0 at its beginning, 255 at its end. */
export function levelAt({ kind, from, to }: Gradient, x: number, y: number): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const [px, py] = [x + 0.5 - from[0], y + 0.5 - from[1]];
  const squared = dx * dx + dy * dy;
  const part = kind === "linear" ? (px * dx + py * dy) / squared : Math.sqrt((px * px + py * py) / squared);
  return Math.round(255 * Math.min(1, Math.max(0, part)));
}

/** The colour at each level as three bytes, and what is left of paint and mask there, 0 … 255. */
export function levelsOf(gradient: Gradient, color: readonly number[]): { rgb: [number, number, number]; left: number }[] {
  const end = gradient.color === undefined ? color : rgbOf(gradient.color);
  return Array.from({ length: 256 }, (_, level) => {
    const mixed = (channel: number): number => ((color[channel] ?? 0) * (255 - level) + (end[channel] ?? 0) * level) / 255;
    return { rgb: [mixed(0), mixed(1), mixed(2)], left: gradient.color === undefined ? 255 - level : 255 };
  });
}

/** The widest brush that messages carry, in canvas pixels. */
const WIDEST = 1024;

/** The brush of a gradient over everything. */
export function gradientBrush(brush: Brush, { kind, from, to, color }: GradientPlan): Brush {
  const rounded = ([x, y]: readonly [number, number]): [number, number] => [Math.round(x * 100) / 100, Math.round(y * 100) / 100];
  const gradient = { kind, from: rounded(from), to: rounded(to), ...(color === undefined ? {} : { color }) };
  return { ...fillingBrush(brush), size: WIDEST, gradient };
}

/** A gradient as the hand drew it. */
export interface GradientPlan {
  kind: Gradient["kind"];
  from: readonly [number, number];
  to: readonly [number, number];
  color?: string;
}

/** Passes of the widest brush that cover a canvas to its corners. */
export function everywhere({ width, height }: CanvasSize): StrokePoint[] {
  const points: StrokePoint[] = [];
  const step = WIDEST / 2;
  for (let y = step / 2, forth = true; y < height + step / 2; y += step, forth = !forth) {
    const ends = forth ? [0, width] : [width, 0];
    for (const x of ends) points.push([x, y, 1]);
  }
  return points;
}

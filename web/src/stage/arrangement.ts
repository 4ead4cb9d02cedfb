import type { CanvasSize } from "../../client/src";

/** Where a picture lies on the canvas. */
export interface Arrangement {
  /** Where its middle is: 0 … 1 of the canvas's width. */
  x: number;
  /** 0 … 1 of the canvas's height. */
  y: number;
  /** Its size; at 1 it is as large as it can be without an edge being cut off. */
  scale: number;
  /** Degrees clockwise. */
  turn: number;
}

/** In the middle, whole and upright. */
export const UNMOVED: Arrangement = { x: 0.5, y: 0.5, scale: 1, turn: 0 };

/** The least and the most of `scale`. */
export const SCALES = { least: 0.05, most: 4 } as const;

/** True where nothing was moved: then the server lays the picture as well. */
export function isUnmoved({ x, y, scale, turn }: Arrangement): boolean {
  return x === UNMOVED.x && y === UNMOVED.y && scale === UNMOVED.scale && turn === UNMOVED.turn;
}

/** The arrangement moved by a drag over a canvas of that size; the middle stays on it. */
export function moved(arrangement: Arrangement, [dx, dy]: readonly [number, number], canvas: CanvasSize): Arrangement {
  const inside = (value: number): number => Math.min(1, Math.max(0, value));
  return { ...arrangement, x: inside(arrangement.x + dx / canvas.width), y: inside(arrangement.y + dy / canvas.height) };
}

/** Draws a picture of that size as it lies on a canvas. */
export function drawArranged(
  context: CanvasRenderingContext2D,
  picture: CanvasImageSource,
  size: CanvasSize,
  canvas: CanvasSize,
  { x, y, scale, turn }: Arrangement,
): void {
  const factor = Math.min(canvas.width / size.width, canvas.height / size.height) * scale;
  context.save();
  context.imageSmoothingQuality = "high";
  context.translate(x * canvas.width, y * canvas.height);
  context.rotate((turn * Math.PI) / 180);
  context.scale(factor, factor);
  context.drawImage(picture, -size.width / 2, -size.height / 2);
  context.restore();
}

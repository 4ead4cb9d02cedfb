import type { StrokeChunk, Tool } from "./protocol/index.js";

/** `[x, y, pressure]`: canvas pixels and 0 … 1. */
export type StrokePoint = StrokeChunk["points"][number];

/** How a stroke is drawn; it stands in the first message of a stroke. */
export interface Brush {
  tool: Tool;
  /** Diameter in canvas pixels at pressure 1. */
  size: number;
  /** 0 (soft to the centre) … 1 (hard edge). */
  hardness: number;
  /** 0 … 1, the most that the whole stroke covers. */
  opacity: number;
  /** `#rrggbb`. */
  color: string;
  /** What strokes should become, instead of the room's prompt. */
  prompt?: string;
  /** The id of the layer that it is painted on; the lowest when left out. */
  layer?: number;
}

/** The brush of a stroke's first message; undefined in later ones. */
export function brushOf(chunk: StrokeChunk): Brush | undefined {
  const { tool, size, hardness, opacity, color, layer } = chunk;
  return tool === undefined ||
    size === undefined ||
    hardness === undefined ||
    opacity === undefined ||
    color === undefined
    ? undefined
    : { tool, size, hardness, opacity, color, ...(layer === undefined ? {} : { layer }) };
}

/** `#rrggbb` as three bytes; black where it is not one. */
export function rgbOf(color: string): [number, number, number] {
  const number = /^#[0-9a-f]{6}$/i.test(color) ? Number.parseInt(color.slice(1), 16) : 0;
  return [number >> 16, (number >> 8) & 255, number & 255];
}

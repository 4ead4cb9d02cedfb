import type { BrushKind, Gradient, StrokeChunk, Tool } from "./protocol/index.js";

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
  /** What the tip is made of; `round` when left out. */
  kind?: BrushKind;
  /** Of a flat tip: how far its long side is turned from lying level, in degrees clockwise. */
  angle?: number;
  /** Above 0 … 1: how much one pass covers; below 1 more where the stroke goes over itself. */
  flow?: number;
  /** The colour runs to another one, or fades out. */
  gradient?: Gradient;
  /** Of `smudge`: 0 … 1, how much of the paint on the tip is carried on from dab to dab; 0.7 when left out. */
  strength?: number;
  /** The id of the layer that it is painted on; the lowest when left out. */
  layer?: number;
}

/** What a smudge carries on when its message does not say. */
export const DEFAULT_SMUDGE_STRENGTH = 0.7;

/** The brush of a stroke's first message; undefined in later ones. */
export function brushOf(chunk: StrokeChunk): Brush | undefined {
  const { tool, size, hardness, opacity, color, kind, angle, flow, gradient, strength, layer } = chunk;
  return tool === undefined ||
    size === undefined ||
    hardness === undefined ||
    opacity === undefined ||
    color === undefined
    ? undefined
    : {
        tool,
        size,
        hardness,
        opacity,
        color,
        ...(kind === undefined ? {} : { kind }),
        ...(angle === undefined ? {} : { angle }),
        ...(flow === undefined ? {} : { flow }),
        ...(gradient === undefined ? {} : { gradient }),
        ...(strength === undefined ? {} : { strength }),
        ...(layer === undefined ? {} : { layer }),
      };
}

/** `#rrggbb` as three bytes; black where it is not one. */
export function rgbOf(color: string): [number, number, number] {
  const number = /^#[0-9a-f]{6}$/i.test(color) ? Number.parseInt(color.slice(1), 16) : 0;
  return [number >> 16, (number >> 8) & 255, number & 255];
}

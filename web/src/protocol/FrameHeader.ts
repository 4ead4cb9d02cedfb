import type { FrameFormat } from "./FrameFormat";
import type { Layer } from "./Layer";
import type { Rect } from "./Rect";

/**
 * The header of a binary frame; `type` is always `frame`.
 */
export type FrameHeader = { "type": "frame", 
/**
 * `seq` of the last op that the image includes.
 */
rev: number, 
/**
 * Where the image goes.
 */
rect: Rect, 
/**
 * The step that made it, 1 … `steps`; 0 where no step did.
 */
step: number, 
/**
 * Steps of the render.
 */
steps: number, 
/**
 * False for a preview that a later frame replaces.
 */
final: boolean, 
/**
 * How the image is encoded.
 */
format: FrameFormat, 
/**
 * Which picture.
 */
layer: Layer, };

import type { Rect } from "./Rect";
import type { RenderState } from "./RenderState";

/**
 * News of a render.
 */
export type RenderNews = { 
/**
 * Where it stands.
 */
state: RenderState, 
/**
 * `seq` of the last op that it includes.
 */
rev: number, 
/**
 * The region that it may change.
 */
rect: Rect, 
/**
 * Sampling steps.
 */
steps: number, 
/**
 * How long each stage took, when done.
 */
timings_ms?: Record<string, number>, 
/**
 * What went wrong, when failed.
 */
message?: string, };

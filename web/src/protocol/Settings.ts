
/**
 * The room's settings in full.
 */
export type Settings = { 
/**
 * What the picture should show.
 */
prompt: string, 
/**
 * What it should not show.
 */
negative_prompt: string, 
/**
 * Classifier-free guidance scale.
 */
guidance_scale: number, 
/**
 * Sampling steps.
 */
steps: number, 
/**
 * 0 … 1: how far from the sketch the model may go.
 */
strength: number, 
/**
 * Seed of the room's noise; below 2^53, so that every client can hold it.
 */
seed: number, 
/**
 * Sampler name.
 */
sampler: string, 
/**
 * Canvas pixels beyond the strokes that the model may repaint.
 */
spread: number, 
/**
 * Whether strokes are rendered while they are painted.
 */
live: boolean, };

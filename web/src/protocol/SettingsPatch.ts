
/**
 * Settings that a client wants changed; what is left out stays.
 */
export type SettingsPatch = { 
/**
 * What the picture should show.
 */
prompt?: string, 
/**
 * What it should not show.
 */
negative_prompt?: string, 
/**
 * Classifier-free guidance scale, 0 … 30; 1 or less runs without guidance.
 */
guidance_scale?: number, 
/**
 * Sampling steps, 1 … the model's `max_steps`.
 */
steps?: number, 
/**
 * 0 … 1: how far from the sketch the model may go.
 */
strength?: number, 
/**
 * Seed of the room's noise.
 */
seed?: number, 
/**
 * One of the names in the model's `samplers`.
 */
sampler?: string, 
/**
 * Canvas pixels beyond the strokes that the model may repaint, 0 … 256.
 */
spread?: number, 
/**
 * Whether strokes are rendered while they are painted.
 */
live?: boolean, };


/**
 * The model that a server paints with; also the body of `GET /v1/model`.
 */
export type ModelInfo = { 
/**
 * The folder's name.
 */
id: string, 
/**
 * `sketch` (sees the sketch), `sd`, `lcm`, `turbo`, `sdxl`…
 */
family: string, 
/**
 * The side of a window that the model was trained for, in pixels.
 */
native_size: number, 
/**
 * `cpu`, `cuda:0`, `metal`.
 */
device: string, 
/**
 * `f32`, `f16`, `bf16`.
 */
dtype: string, 
/**
 * The most steps that a client may ask for.
 */
max_steps: number, 
/**
 * Sampler names, the default first.
 */
samplers: Array<string>, };

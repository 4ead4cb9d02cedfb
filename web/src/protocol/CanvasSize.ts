
/**
 * Width and height of the canvas, in pixels.
 */
export type CanvasSize = { 
/**
 * Pixels.
 */
width: number, 
/**
 * Pixels.
 */
height: number, };


/**
 * A rectangle in canvas pixels, origin top left. On the wire `[x, y, width, height]`.
 */
export type Rect = [number, number, number, number];


/**
 * Which picture a frame belongs to.
 */
export type Layer = "result" | "sketch";

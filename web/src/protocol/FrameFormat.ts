
/**
 * How a frame's image is encoded.
 */
export type FrameFormat = "png" | "jpeg" | "webp";

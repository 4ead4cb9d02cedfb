
/**
 * How a placed image becomes the base.
 */
export type PlaceMode = "plain" | "invert";


/**
 * What a stroke does to the sketch and to the mask.
 */
export type Tool = "brush" | "mask" | "erase" | "restore";


/**
 * Where a render stands.
 */
export type RenderState = "started" | "done" | "superseded" | "failed";

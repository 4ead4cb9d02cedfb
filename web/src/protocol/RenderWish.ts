import type { Rect } from "./Rect";

/**
 * What a member asks to be rendered.
 */
export type RenderWish = { 
/**
 * Where; left out: everything that the mask covers, or the whole canvas where there is no mask.
 */
rect?: Rect, 
/**
 * Steps for this render alone.
 */
steps?: number, };

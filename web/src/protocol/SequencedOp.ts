import type { Op } from "./Op";

/**
 * An op with its place in the room's order.
 */
export type SequencedOp = { 
/**
 * Place in the order: 1, 2, 3…
 */
seq: number, 
/**
 * Who did it.
 */
client: string, 
/**
 * What was done.
 */
op: Op, };

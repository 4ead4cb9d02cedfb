import type { Tool } from "./Tool";

/**
 * Where a member's pointer is.
 */
export type Presence = { 
/**
 * Canvas pixels.
 */
x: number, 
/**
 * Canvas pixels.
 */
y: number, 
/**
 * The tool in hand.
 */
tool?: Tool, };

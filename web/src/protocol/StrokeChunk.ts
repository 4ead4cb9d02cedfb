import type { Tool } from "./Tool";

/**
 * One message of a stroke; the brush fields stand in the first chunk only.
 */
export type StrokeChunk = {
  /** The client's id of the whole stroke. */
  id: string;
  /** New points since the last chunk. */
  points: Array<[number, number, number]>;
  /** True in the last chunk. */
  done: boolean;
  tool?: Tool;
  size?: number;
  hardness?: number;
  opacity?: number;
  color?: string;
  prompt?: string;
};

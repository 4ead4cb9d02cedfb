import type { StrokePoint } from "../../client/src";

/**
 * Parts that do not hang together as the points of one stroke: between them
 * the brush goes on at pressure 0, where it covers nothing. So one undo takes
 * all of them back.
 */
export function joinedByLifts(parts: readonly (readonly StrokePoint[])[]): StrokePoint[] {
  const joined: StrokePoint[] = [];
  for (const part of parts) {
    const first = part[0];
    const last = joined.at(-1);
    if (!first) continue;
    if (last) joined.push(lifted(last), lifted(first));
    joined.push(...part);
  }
  return joined;
}

/** The same place, with the brush in the air. */
export function lifted([x, y]: StrokePoint): StrokePoint {
  return [x, y, 0];
}

import type { CanvasSize, StrokePoint } from "../../client/src";
import { joinedByLifts, lifted } from "./lifts";
import type { StrokeInHand } from "./painter";
import type { Spot } from "./shapes";

/** How strokes are repeated: mirrored left and right, up and down, both, or turned around a point. */
export type SymmetryMode = "none" | "across" | "down" | "both" | "radial";

/** The least and the most copies around a point. */
export const RADIAL_LIMITS = { least: 2, most: 12 } as const;

/** What repeats strokes. */
export interface Symmetry {
  mode: SymmetryMode;
  /** Where the upright line or the point is, as a part of the canvas's width, 0 … 1. */
  x: number;
  /** Where the level line or the point is, as a part of the canvas's height, 0 … 1. */
  y: number;
  /** Copies around the point, the stroke itself among them. */
  count: number;
}

/** Where a copy of a stroke has a spot. */
export type Copy = (x: number, y: number) => Spot;

const ITSELF: Copy = (x, y) => [x, y];

/** The copies of a stroke, itself first. */
export function copiesOf({ mode, x, y, count }: Symmetry, canvas: CanvasSize): Copy[] {
  const [cx, cy] = [x * canvas.width, y * canvas.height];
  const across: Copy = (px, py) => [2 * cx - px, py];
  const down: Copy = (px, py) => [px, 2 * cy - py];
  switch (mode) {
    case "across":
      return [ITSELF, across];
    case "down":
      return [ITSELF, down];
    case "both":
      return [ITSELF, across, down, (px, py) => [2 * cx - px, 2 * cy - py]];
    case "radial":
      return Array.from({ length: count }, (_, at) => turnedAround(cx, cy, at / count));
    default:
      return [ITSELF];
  }
}

/**
 * A stroke in hand that is drawn once for each copy. All of them are parts of
 * one stroke, between which the brush is lifted: one undo takes them back, and
 * where they cross they cover no more than one.
 */
export function repeated(hand: StrokeInHand, copies: readonly Copy[]): StrokeInHand {
  if (copies.length <= 1) return hand;
  const lasts = copies.map((): StrokePoint | undefined => undefined);
  let begun = false;
  return {
    id: hand.id,
    add(points) {
      if (points.length === 0) return;
      // One by one: what changed is then drawn anew around each copy, and not between them.
      copies.forEach((copy, at) => {
        const own = points.map(([x, y, pressure]): StrokePoint => [...copy(x, y), pressure]);
        const from = lasts[at] ?? own[0];
        const last = own.at(-1);
        if (!from || !last) return;
        hand.add([...(begun ? [lifted(from), from] : []), ...own, lifted(last)]);
        lasts[at] = last;
        begun = true;
      });
    },
    commit: () => hand.commit(),
    end: () => hand.end(),
    cancel: () => hand.cancel(),
  };
}

/**
 * A smudge in hand whose copies follow when it is lifted, each in one go: what
 * its tip carries would be lost between their parts.
 */
export function repeatedAfterwards(hand: StrokeInHand, copies: readonly Copy[]): StrokeInHand {
  if (copies.length <= 1) return hand;
  const way: StrokePoint[] = [];
  return {
    id: hand.id,
    add(points) {
      way.push(...points);
      hand.add(points);
    },
    commit: () => hand.commit(),
    end() {
      const [, ...others] = copies.map((copy) => way.map(([x, y, pressure]): StrokePoint => [...copy(x, y), pressure]));
      const last = way.at(-1);
      if (last) hand.add(joinedByLifts([[lifted(last)], ...others]));
      hand.end();
    },
    cancel: () => hand.cancel(),
  };
}

function turnedAround(cx: number, cy: number, part: number): Copy {
  if (part === 0) return ITSELF;
  const [sin, cos] = [Math.sin(2 * Math.PI * part), Math.cos(2 * Math.PI * part)];
  return (x, y) => [cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos];
}

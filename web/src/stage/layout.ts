import type { Insets, Point } from "./view";

/**
 * How the panels lie around the picture: on a phone that is held upright above
 * and below it, on one that lies on its side in the corners, elsewhere at all edges.
 * `low` has the tools in two columns.
 */
export type Layout = "wide" | "low" | "narrow" | "short";

const SHORT = { height: 500, width: 560 } as const;
const NARROW_WIDTH = 720;
const LOW_HEIGHT = { fine: 700, coarse: 800 } as const;

/** The layout of a stage of this size, in CSS pixels; `coarse` where fingers point. */
export function layoutOf(stage: Point, coarse = false): Layout {
  if (stage.y <= SHORT.height && stage.x >= SHORT.width) return "short";
  if (stage.x <= NARROW_WIDTH) return "narrow";
  return stage.y <= (coarse ? LOW_HEIGHT.coarse : LOW_HEIGHT.fine) ? "low" : "wide";
}

/** What the panels of a layout take of the stage's edges; those for fingers are taller. */
export function insetsOf(layout: Layout, coarse = false): Insets {
  const top = coarse ? 146 : 128;
  switch (layout) {
    case "short":
      return { top: 66, right: 16, bottom: 62, left: 122 };
    case "narrow":
      return { top: 132, right: 8, bottom: 128, left: 8 };
    case "low":
      return { top, right: 132, bottom: 64, left: 198 };
    default:
      return { top, right: 88, bottom: 64, left: 156 };
  }
}

import type { Brush, CanvasSize, StrokePoint } from "../../client/src";
import { coverageBrush, strokeOf, strokeOfFlood } from "../paint/coverage-stroke";
import { filling, fillingBrush } from "../paint/fill";
import { type Colours, flooded } from "../paint/flood";
import { everywhere, gradientBrush } from "../paint/gradient";
import { joinedByLifts } from "../paint/lifts";
import type { StrokeInHand } from "../paint/painter";
import { isClosed, lineBetween, outline, shapeBetween, snappedEnd, thinned, type Guides, type Spot } from "../paint/shapes";
import { Stabiliser } from "../paint/stabiliser";
import { copiesOf, repeated, repeatedAfterwards, type Copy } from "../paint/symmetry";
import type { Toolbox } from "./toolbox.svelte";
import { typeset } from "./typeset";

/** A shape that is not painted yet, once for each copy. */
export interface Preview {
  rings: Spot[][];
  closed: boolean;
  filled: boolean;
  brush: Brush;
}

/** What drawing needs from outside. */
export interface DrawingOptions {
  toolbox: Toolbox;
  /** Begins a stroke; a `held` one sends nothing until it is committed. */
  begin: (brush: Brush, held: boolean) => StrokeInHand;
  canvas: () => CanvasSize | undefined;
  /** Canvas pixels of one CSS pixel. */
  pixel: () => number;
  /** What the eye sees where something is drawn. */
  seen: () => Colours | undefined;
  /** Says why nothing was drawn. */
  tell: (sentence: string) => void;
}

/** The string of a hand that is steadied all the way, in CSS pixels. */
const LONGEST_STRING = 90;
/** How near, in CSS pixels, a corner is to the first or the last one of a polygon to close it. */
const CLOSING = 12;
/** The most points of a stroke that the server takes. */
const POINTS_MOST = 200_000;

/**
 * What the hand draws: a stroke, which becomes ink point by point, or a shape,
 * which is only shown until it is done. Points are canvas pixels.
 */
export class Drawing {
  /** Shift and Alt are held. */
  held = $state.raw<Guides>({ regular: false, centred: false });
  /** Corners of a polygon that is being drawn. */
  corners = $state.raw<readonly Spot[]>([]);
  /** Where the steadied brush is, and the pointer that pulls it. */
  string = $state.raw<{ tip: Spot; pointer: Spot } | undefined>(undefined);
  /** Where text is being written. */
  writing = $state.raw<Spot | undefined>(undefined);
  /** What the hand has drawn of a shape. */
  #way = $state.raw<readonly Spot[]>([]);
  #hand: StrokeInHand | undefined;
  #stabiliser = new Stabiliser(0);
  /** Where the last stroke ended: Shift draws a line from there. */
  #last: Spot | undefined;
  #shaping = $state(false);
  readonly #options: DrawingOptions;

  constructor(options: DrawingOptions) {
    this.#options = options;
  }

  /** A shape is being drawn, or a polygon waits for its next corner. */
  get unfinished(): boolean {
    return this.#shaping || this.corners.length > 0;
  }

  /** The shape in the making; `hover` is where the next corner of a polygon would be. */
  preview(hover: Spot | undefined): Preview | undefined {
    const { toolbox } = this.#options;
    const spots = this.#spots(this.#shaping ? this.#way.at(-1) : hover);
    if (!spots) return undefined;
    const open = toolbox.form === "line" || toolbox.form === "gradient" || (toolbox.form === "polygon" && !toolbox.fills);
    return {
      rings: this.#copies().map((copy) => spots.map(([x, y]) => copy(x, y))),
      closed: !open,
      filled: toolbox.fills && spots.length > 2,
      brush: toolbox.form === "gradient" ? { ...toolbox.brush, size: this.#options.pixel() * 2 } : toolbox.brush,
    };
  }

  begin(point: StrokePoint, held: boolean): void {
    const { toolbox } = this.#options;
    if (toolbox.form !== "free") {
      this.#shaping = true;
      this.#way = [[point[0], point[1]]];
      return;
    }
    this.#stabiliser = new Stabiliser(toolbox.steady * LONGEST_STRING * this.#options.pixel());
    const { brush } = toolbox;
    const follow = brush.tool === "smudge" ? repeatedAfterwards : repeated;
    this.#hand = follow(this.#options.begin(brush, held), this.#copies());
    if (this.held.regular && this.#last) this.#hand.add([[...this.#last, point[2]]]);
    this.move([point]);
  }

  move(points: readonly StrokePoint[]): void {
    const { toolbox } = this.#options;
    const last = points.at(-1);
    if (!last) return;
    if (this.#shaping) {
      const spots = points.map(([x, y]): Spot => [x, y]);
      // Only a lasso is all of its way; other shapes are their beginning and their end.
      this.#way = toolbox.form === "lasso" ? [...this.#way, ...spots] : [...this.#way.slice(0, 1), ...spots.slice(-1)];
      return;
    }
    if (!this.#hand) return;
    this.#hand.add(this.#stabiliser.follow(points));
    const { tip } = this.#stabiliser;
    this.string = tip && { tip: [tip[0], tip[1]], pointer: [last[0], last[1]] };
    this.#last = [last[0], last[1]];
  }

  commit(): void {
    this.#hand?.commit();
  }

  end(): void {
    if (this.#shaping) this.#endShape();
    this.#hand?.add(this.#stabiliser.end());
    this.#hand?.end();
    this.#reset();
  }

  /** Drops what is in hand; nothing of it stays. */
  cancel(): void {
    this.#hand?.cancel();
    this.#reset();
  }

  /** The polygon is done with the corners that it has. */
  finish(): void {
    if (this.corners.length > 1) this.#paint(this.corners);
    this.abandon();
  }

  /** Drops the polygon too. */
  abandon(): void {
    this.cancel();
    this.corners = [];
  }

  /** Takes the polygon's last corner back. */
  dropCorner(): void {
    this.corners = this.corners.slice(0, -1);
  }

  #endShape(): void {
    const { form } = this.#options.toolbox;
    const end = this.#way.at(-1);
    if (!end) return;
    if (form === "polygon") {
      this.#addCorner(this.#cornerAt(end));
      return;
    }
    if (form === "bucket") this.#fillFrom(end);
    else if (form === "text") this.writing = end;
    else this.#paintShape(end);
    this.#last = end;
  }

  #paintShape(end: Spot): void {
    const spots = this.#spots(end);
    if (spots && this.#options.toolbox.form === "gradient") this.#paintGradient(spots);
    else if (spots) this.#paint(spots);
  }

  #fillFrom([x, y]: Spot): void {
    const { toolbox, canvas, seen, tell } = this.#options;
    const [size, colours] = [canvas(), seen()];
    const { tolerance, contiguous } = toolbox.areas;
    const filled = colours && flooded(colours, x, y, { tolerance: Math.round(tolerance * 255), contiguous });
    if (!size || !filled) {
      tell("There is no picture there: press the bucket on the canvas.");
      return;
    }
    this.#cover(fillingBrush(toolbox.brush), strokeOfFlood(filled, size));
  }

  #paintGradient([from, to]: readonly Spot[]): void {
    const { toolbox, canvas, tell } = this.#options;
    const size = canvas();
    if (!size || !from || !to) return;
    if (Math.hypot(to[0] - from[0], to[1] - from[1]) < 1) {
      tell("A gradient is dragged from where it begins to where it ends.");
      return;
    }
    const { gradient: kind, fades } = toolbox.areas;
    const gradient = { kind, from, to, ...(fades ? {} : { color: toolbox.second }) };
    this.#cover(gradientBrush(toolbox.brush, gradient), everywhere(size));
  }

  /** What is written becomes paint. */
  write(text: string): void {
    const { areas, brush } = this.#options.toolbox;
    const at = this.writing;
    this.writing = undefined;
    const letters = at && typeset(text, areas.fontAt(areas.textSize), areas.textSize);
    if (!at || !letters) return;
    const [left, top] = [Math.round(at[0]) + letters.left, Math.round(at[1]) + letters.top];
    this.#cover(coverageBrush(brush), strokeOf(letters.coverage, letters, left, top));
  }

  /** Nothing is written. */
  stopWriting(): void {
    this.writing = undefined;
  }

  #cover(brush: Brush, points: StrokePoint[]): void {
    if (points.length > POINTS_MOST) {
      this.#options.tell("That is too intricate to be filled at once: raise the tolerance, or fill a smaller part.");
      return;
    }
    const hand = this.#options.begin(brush, false);
    hand.add(points);
    hand.end();
  }

  #addCorner(corner: Spot): void {
    const reach = CLOSING * this.#options.pixel();
    const near = (other: Spot | undefined): boolean => other !== undefined && Math.hypot(corner[0] - other[0], corner[1] - other[1]) <= reach;
    if (this.corners.length > 1 && (near(this.corners.at(-1)) || near(this.corners[0]))) this.finish();
    else if (!near(this.corners.at(-1))) this.corners = [...this.corners, corner];
  }

  /** Where a corner of the polygon comes: in steps of 45° from the one before, where that is wanted. */
  #cornerAt(spot: Spot): Spot {
    const before = this.corners.at(-1);
    return before && this.#guides().regular ? snappedEnd(before, spot) : spot;
  }

  /** The corners of the shape that ends at `end`. */
  #spots(end: Spot | undefined): readonly Spot[] | undefined {
    const { form, fills } = this.#options.toolbox;
    const start = this.#way[0];
    if (form === "polygon") {
      if (this.corners.length === 0 && !this.#shaping) return undefined;
      return end ? [...this.corners, this.#cornerAt(end)] : this.corners;
    }
    if (form === "free" || form === "bucket" || form === "text" || !this.#shaping || !start || !end) return undefined;
    if (form === "gradient") return lineBetween(start, end, { ...this.#guides(), centred: false });
    return form === "lasso" ? thinned(this.#way) : shapeBetween(form, start, end, this.#guides(), fills);
  }

  /** Shift and Alt turn round what is set. */
  #guides(): Guides {
    const { regular, centred } = this.#options.toolbox;
    return { regular: regular !== this.held.regular, centred: centred !== this.held.centred };
  }

  #paint(spots: readonly Spot[]): void {
    const { toolbox, canvas } = this.#options;
    const size = canvas();
    if (!size) return;
    const rings = this.#copies().map((copy) => spots.map(([x, y]) => copy(x, y)));
    const fills = toolbox.fills && spots.length > 2;
    const closed = isClosed(toolbox.form) && spots.length > 2;
    const hand = this.#options.begin(fills ? fillingBrush(toolbox.brush) : toolbox.brush, false);
    hand.add(fills ? filling(rings, size) : joinedByLifts(rings.map((ring) => outline(ring, closed))));
    hand.end();
  }

  #copies(): Copy[] {
    const canvas = this.#options.canvas();
    return canvas ? copiesOf(this.#options.toolbox.symmetry, canvas) : [];
  }

  #reset(): void {
    this.#hand = undefined;
    this.#shaping = false;
    this.#way = [];
    this.string = undefined;
  }
}

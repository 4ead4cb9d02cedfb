import type { Brush, StrokePoint, Tool } from "../../client/src";

/** The parts of a brush that say what its tip is. */
export type BrushTip = Pick<Brush, "kind" | "angle" | "flow">;

/** How many times wider a flat tip is than thick. */
const FLATNESS = 4;
/** Dabs of a brush with flow in the length of its diameter. */
const DABS = 6;
/** Dabs of a smudge in that length. */
const SMUDGE_DABS = 8;
/** The shortest way from one dab to the next, in canvas pixels. */
const LEAST_STEP = 1;
/** What the lightest touch of chalk or a pencil leaves of the heaviest one. */
const LIGHTEST = 0.4;
/** A thinner brush leaves nothing; the diameter, in canvas pixels. */
const LEAST_DIAMETER = 0.25;

// What the server draws follows from the same formulas, in `src/canvas/tip.rs` and `src/canvas/sweep.rs`.

/** A disc that covers at once: nothing of this file concerns it. */
export function isPlain({ kind, flow }: BrushTip): boolean {
  return (kind ?? "round") === "round" && !buildsUp({ flow });
}

/** The stroke covers more where it goes over itself: it is dabs, one after the other. */
export function buildsUp({ flow }: Pick<BrushTip, "flow">): boolean {
  return flow !== undefined && flow < 1;
}

/** The hardness that counts. */
export function tipHardness(kind: BrushTip["kind"], hardness: number): number {
  return kind === "airbrush" ? 0 : hardness;
}

/** What one dab covers, 1 … 255: as many as lie over a place leave `flow` of it together. */
export function dabOf(flow: number): number {
  return Math.max(1, Math.round(255 * (1 - (1 - flow) ** (1 / DABS))));
}

/** `a · b / 255` of two bytes, rounded. */
export function scaled(a: number, b: number): number {
  return Math.floor((a * b + 127) / 255);
}

/** What is covered of a pixel, of which `before` was, once a dab covers `more` of what was left. */
export function builtUp(before: number, more: number): number {
  return before + Math.ceil(((255 - before) * more) / 255);
}

/** How hollow fine paper is at a pixel, 0 … 255: a hash of its place. */
function grain(x: number, y: number): number {
  let hash = Math.imul(x, 0x9e3779b1) ^ Math.imul(y, 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) & 0xff;
}

/** How hollow rough paper is: the grains around a pixel, each two pixels wide, and a fine one. */
function rough(x: number, y: number): number {
  const row = (y >>> 1) ^ 0x5bd1;
  const coarse = grain(x >>> 1, row) + grain((x >>> 1) + 1, row);
  return (3 * coarse + 2 * grain(x, y)) >>> 3;
}

/** What paint leaves on paper; `depth` is how deep the deepest hollow is, in parts of 256. */
function grained(covered: number, hollow: number, depth: number): number {
  return Math.min(covered, 2 * Math.max(0, covered - ((hollow * depth) >>> 8)));
}

/** What a pixel takes on of `covered` (0 … 255) at a pressure, on the paper. */
export function leftBy(kind: BrushTip["kind"], covered: number, pressure: number, x: number, y: number): number {
  const pressed = (least: number): number =>
    scaled(covered, Math.round(255 * (least + (1 - least) * Math.min(1, Math.max(0, pressure)))));
  switch (kind) {
    case "airbrush":
      return pressed(0);
    case "chalk":
      return grained(pressed(LIGHTEST), rough(x, y), 256);
    case "pencil":
      return grained(pressed(LIGHTEST), grain(x, y), 160);
    default:
      return covered;
  }
}

/** Follows one stroke: between which points its tip is swept, one after the other. */
export class Way {
  #last: StrokePoint | undefined;
  /** The way to the next dab, in canvas pixels. */
  #untilDab = 0;
  readonly #size: number;
  /** How many dabs lie in the length of the diameter, where the stroke is dabs. */
  readonly #dabs: number | undefined;
  /** The last point put the tip down: it was in the air, or nowhere. */
  putDown = false;

  constructor(brush: BrushTip & { size: number; tool?: Tool }) {
    this.#size = brush.size;
    this.#dabs = brush.tool === "smudge" ? SMUDGE_DABS : buildsUp(brush) ? DABS : undefined;
  }

  /** The sweeps that a point adds; a dab is one that ends where it begins. */
  to(point: StrokePoint): [StrokePoint, StrokePoint][] {
    const from = this.#last ?? point;
    this.#last = point;
    this.putDown = false;
    if (this.#dabs === undefined) return [[from, point]];
    if (from[2] <= 0 && point[2] <= 0) {
      this.#untilDab = 0;
      return [];
    }
    this.putDown = this.#untilDab === 0;
    const dabs: [StrokePoint, StrokePoint][] = [];
    const length = Math.hypot(point[0] - from[0], point[1] - from[1]);
    while (this.#untilDab <= length) {
      const part = length > 0 ? this.#untilDab / length : 1;
      const between = (axis: 0 | 1 | 2): number => from[axis] + (point[axis] - from[axis]) * part;
      const dab: StrokePoint = [between(0), between(1), between(2)];
      this.#untilDab += Math.max(LEAST_STEP, (this.#size * dab[2]) / this.#dabs);
      dabs.push([dab, dab]);
    }
    this.#untilDab -= length;
    return dabs;
  }
}

/** A sweep, seen so that its tip is a disc. */
export class Nib {
  readonly flatness: number;
  readonly #sin: number;
  readonly #cos: number;

  constructor({ kind, angle = 0 }: BrushTip) {
    const turned = kind === "flat" ? (angle * Math.PI) / 180 : 0;
    this.flatness = kind === "flat" ? FLATNESS : 1;
    this.#sin = Math.sin(turned);
    this.#cos = Math.cos(turned);
  }

  /** Along the long side. */
  along(x: number, y: number): number {
    return this.#cos * x + this.#sin * y;
  }

  /** Across it, as long as if the tip were a disc. */
  across(x: number, y: number): number {
    return (this.#cos * y - this.#sin * x) * this.flatness;
  }

  /** What a flat tip covers of a pixel, 0 … 1, that lies `u` along and `v` across from its middle, `away` pixels. */
  covered(u: number, v: number, away: number, radius: number, hardness: number): number {
    if (2 * radius < LEAST_DIAMETER) return 0;
    const distance = Math.hypot(u, v);
    const growth = distance > 1e-6 ? Math.hypot(u / distance, (v / distance) * this.flatness) : this.flatness;
    const softness = radius * (1 - hardness);
    const most = Math.min(1, Math.max(0, radius + 0.5 - away));
    if (softness < growth) {
      const thin = Math.min(1, (2 * radius) / this.flatness);
      return Math.min(most, thin, Math.max(0, (radius - distance) / growth + 0.5));
    }
    const inside = Math.min(1, Math.max(0, (radius - distance) / softness));
    return Math.min(most, inside * inside * (3 - 2 * inside));
  }
}

import type { Brush, CanvasSize, Clock, Op, StrokeChunk, StrokePoint } from "../../client/src";
import { fillingBrush, fillingOf } from "../paint/fill";

/** A mask as bytes, row by row: 0 stays, 255 may be repainted. */
export interface MaskBytes extends CanvasSize {
  bytes: Uint8Array;
}

/** How long after the last change the shown mask is fetched again, in milliseconds. */
export const REFRESH_MS = 250;

/** Ids of strokes over the whole canvas begin with one of these; the server's own renders say `render-`. */
const WHOLE = ["all-", "render-"] as const;
/** Diameter of that stroke; it runs over the edges, so that any will do. */
const SIZE = 128;

/** True for a stroke that masks a whole rectangle: it is no line of a hand, and has no ink. */
export function isWhole(id: string): boolean {
  return WHOLE.some((prefix) => id.startsWith(prefix));
}

/**
 * What puts everything under the mask, or takes it all out: a stroke to and fro
 * over the whole canvas, with rows so close that no gap is left.
 */
export function everywhere(tool: "mask" | "restore", { width, height }: CanvasSize, id: string): StrokeChunk {
  const size = SIZE;
  const rows = Math.ceil((height + 2 * size) / (size / 2));
  const points = Array.from({ length: rows + 1 }, (_, row): StrokeChunk["points"] => {
    const y = -size + ((height + 2 * size) * row) / rows;
    const [from, to] = row % 2 === 0 ? [-size, width + size] : [width + size, -size];
    return [
      [from, y, 1],
      [to, y, 1],
    ];
  }).flat();
  return { id: `all-${id}`, tool, size, hardness: 1, opacity: 1, color: "#000000", points, done: true };
}

/** From this on a pixel counts as masked when the mask is inverted; a stroke can name whole pixels only. */
const HALF = 128;

/** A stroke of the mask that is not drawn by hand. */
export interface MaskStroke {
  brush: Brush;
  points: StrokePoint[];
}

/** What inverts a mask: a stroke that masks what was not masked, and one that takes out what was; a soft edge becomes a hard one. */
export function inversionOf(mask: MaskBytes): { masked: MaskStroke; restored: MaskStroke } {
  const brushOf = (tool: "mask" | "restore"): Brush => fillingBrush({ tool, size: 1, hardness: 1, opacity: 1, color: "#000000" });
  const isMasked = (x: number, y: number): boolean => (mask.bytes[y * mask.width + x] ?? 0) >= HALF;
  return {
    masked: { brush: brushOf("mask"), points: fillingOf((x, y) => !isMasked(x, y), mask) },
    restored: { brush: brushOf("restore"), points: fillingOf(isMasked, mask) },
  };
}

/** What is known of the room's mask: whether there is any, and its bytes while it is shown. */
export class MaskView {
  /** The mask lies over the picture. */
  shown = $state(false);
  /** Nothing is masked; undefined while that is not known. */
  empty = $state<boolean | undefined>(undefined);
  picture = $state.raw<MaskBytes | undefined>(undefined);
  #changes = 0;
  #stop: (() => void) | undefined;
  #loading: { at: number; loaded: Promise<MaskBytes | undefined> } | undefined;
  readonly #load: () => Promise<MaskBytes | undefined>;
  readonly #clock: Clock;

  constructor(load: () => Promise<MaskBytes | undefined>, clock: Clock) {
    this.#load = load;
    this.#clock = clock;
  }

  /** An op came; what it did to the mask is known of some. */
  heard(op: Op): void {
    if (op.type === "settings") return;
    this.#changes += 1;
    this.empty = emptyAfter(op, this.empty);
    this.#refreshSoon();
  }

  /** The picture is another, or the room was joined again. */
  forget(): void {
    this.#changes += 1;
    this.empty = undefined;
    this.#refreshSoon();
  }

  /** Whether nothing is masked, asked of the server where it is not known; undefined where it does not say. */
  async isEmpty(): Promise<boolean | undefined> {
    if (this.empty === undefined) await this.#fetch();
    return this.empty;
  }

  /** The mask as it is now; undefined where the server does not tell. */
  now(): Promise<MaskBytes | undefined> {
    return this.#load().catch(() => undefined);
  }

  /** Lays the mask over the picture, or takes it away. */
  show(on: boolean): void {
    this.shown = on;
    if (on) void this.#fetch();
    else this.picture = undefined;
  }

  #refreshSoon(): void {
    if (!this.shown) return;
    this.#stop?.();
    this.#stop = this.#clock.after(REFRESH_MS, () => {
      this.#stop = undefined;
      void this.#fetch();
    });
  }

  async #fetch(): Promise<void> {
    const at = this.#changes;
    if (this.#loading?.at !== at) this.#loading = { at, loaded: this.#load().catch(() => undefined) };
    const { loaded } = this.#loading;
    const mask = await loaded;
    if (this.#loading?.loaded === loaded) this.#loading = undefined;
    // Ops that came meanwhile ask for themselves.
    if (!mask || this.#changes !== at) return;
    this.empty = mask.bytes.every((value) => value === 0);
    if (this.shown) this.picture = mask;
  }
}

function emptyAfter(op: Op, before: boolean | undefined): boolean | undefined {
  switch (op.type) {
    case "stroke":
      // Later chunks go on with what the first one began.
      if (op.tool === undefined) return before;
      if (op.tool === "brush" || op.tool === "mask" || op.tool === "smudge") return false;
      if (op.tool === "restore" && isWhole(op.id)) return true;
      return before === true ? true : undefined;
    case "place":
      return op.layer === undefined ? true : before;
    case "apply":
      return true;
    default:
      return undefined;
  }
}

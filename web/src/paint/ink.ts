import { type Brush, type Rect, rgbOf, type StrokePoint } from "../../client/src";
import { Coverage, sweepBounds } from "./coverage";
import { intersect, isEmpty, TILE, tilesIn, union, type Tile } from "./geometry";
import { levelAt, levelsOf } from "./gradient";
import { Smudge, type TileColours } from "./smudge";
import { Way } from "./tip";

/** Who drew it and which of their strokes it is. */
export function inkKey(client: string, stroke: string): string {
  return `${client}/${stroke}`;
}

interface Cut {
  /** Points before this index belong to this chunk or an earlier one. */
  end: number;
  /** The op that carried the chunk; unknown until it is acknowledged. */
  seq: number | undefined;
}

interface InkStroke {
  brush: Brush;
  rgb: [number, number, number];
  points: StrokePoint[];
  way: Way;
  cuts: Cut[];
  coverage: Coverage;
  bounds: Rect;
  done: boolean;
  smudge: Smudge | undefined;
}

const NOTHING: Rect = [0, 0, 0, 0];
const UNDONE_KEPT = 64;
/** The colour that stands for the mask. */
export const MASK_TINT = [88, 132, 255] as const;
const MASK_ALPHA = 0.36;
const PAPER_ALPHA = 0.82;

/**
 * Ink: strokes that were drawn here before the server's pixels of them came.
 *
 * A chunk of a stroke stays visible until a result with its `seq` covers it;
 * where nothing is rendered (live off), the sketch's own pixels are shown
 * through the stroke's footprint as soon as they are there.
 */
export class Ink {
  readonly #strokes = new Map<string, InkStroke>();
  readonly #undone = new Map<number, { key: string; stroke: InkStroke }>();
  readonly #width: number;
  readonly #height: number;
  /** What was painted, without ink: what a smudge drags. */
  readonly #sketch: TileColours;
  /** Where the sketch is to be shown in place of the result. */
  readonly #settled: Coverage;
  readonly #settledSeq = new Map<number, number>();

  constructor(width: number, height: number, sketch: TileColours = whitePaper) {
    this.#width = width;
    this.#height = height;
    this.#sketch = sketch;
    this.#settled = new Coverage(width, height);
  }

  /** Begins a stroke. */
  begin(key: string, brush: Brush): void {
    this.#strokes.set(key, {
      brush,
      rgb: rgbOf(brush.color),
      points: [],
      way: new Way(brush),
      cuts: [],
      coverage: new Coverage(this.#width, this.#height),
      bounds: NOTHING,
      done: false,
      smudge: brush.tool === "smudge" ? new Smudge(brush, this.#width, this.#height) : undefined,
    });
  }

  /** True while a stroke has ink. */
  has(key: string): boolean {
    return this.#strokes.has(key);
  }

  /** True when nothing waits for the server's pixels. */
  get isEmpty(): boolean {
    return this.#strokes.size === 0 && this.#settled.tiles.size === 0;
  }

  /** How many strokes wait for the server's pixels. */
  get waiting(): number {
    return this.#strokes.size;
  }

  /** Draws on and answers what changed. */
  extend(key: string, points: readonly StrokePoint[]): Rect {
    const stroke = this.#strokes.get(key);
    if (!stroke) return NOTHING;
    let dirty = NOTHING;
    for (const point of points) {
      stroke.points.push(point);
      const sweeps = stroke.way.to(point);
      if (stroke.way.putDown) stroke.smudge?.lift();
      for (const [from, to] of sweeps) {
        const dab = stroke.smudge?.dab(to, (tile) => this.#under(tile, key));
        dirty = union(dirty, dab ? this.#absorb(stroke, dab, to) : stroke.coverage.sweep(from, to, stroke.brush));
      }
    }
    stroke.bounds = union(stroke.bounds, dirty);
    return dirty;
  }

  /** The points so far have left in a message. */
  cut(key: string): void {
    const stroke = this.#strokes.get(key);
    if (stroke && stroke.points.length > 0) {
      stroke.cuts.push({ end: stroke.points.length, seq: undefined });
    }
  }

  /** The oldest unacknowledged chunk of a stroke got its place in the order. */
  acknowledge(key: string, seq: number): void {
    const cut = this.#strokes.get(key)?.cuts.find((candidate) => candidate.seq === undefined);
    if (cut) cut.seq = seq;
  }

  /** No more points will come. */
  finish(key: string): void {
    const stroke = this.#strokes.get(key);
    if (stroke) stroke.done = true;
  }

  /** Takes a stroke away and answers where it was. */
  drop(key: string): Rect {
    const stroke = this.#strokes.get(key);
    this.#strokes.delete(key);
    return stroke?.bounds ?? NOTHING;
  }

  /** Takes everything away. */
  clear(): Rect {
    this.#strokes.clear();
    this.#undone.clear();
    const everything: Rect = [0, 0, this.#width, this.#height];
    this.#settled.clear(everything);
    this.#settledSeq.clear();
    return everything;
  }

  /** The stroke whose first op is `target` was taken back. */
  undo(target: number): Rect {
    for (const [key, stroke] of this.#strokes) {
      if (stroke.cuts[0]?.seq !== target) continue;
      this.#strokes.delete(key);
      this.#undone.set(target, { key, stroke });
      const oldest = this.#undone.keys().next();
      if (this.#undone.size > UNDONE_KEPT && !oldest.done) this.#undone.delete(oldest.value);
      return stroke.bounds;
    }
    return NOTHING;
  }

  /** It was done again, by the op `seq`. */
  redo(target: number, seq: number): Rect {
    const found = this.#undone.get(target);
    if (!found) return NOTHING;
    this.#undone.delete(target);
    for (const cut of found.stroke.cuts) cut.seq = seq;
    this.#strokes.set(found.key, found.stroke);
    return found.stroke.bounds;
  }

  /** A result of revision `rev` is shown in `rect`: the ink that it includes goes. */
  resultShown(rect: Rect, rev: number): Rect {
    let dirty = NOTHING;
    for (const tile of tilesIn(rect, this.#width, this.#height)) {
      const seq = this.#settledSeq.get(tile.index);
      if (seq === undefined || seq > rev) continue;
      const inside = intersect(tile.rect, rect);
      this.#settled.clear(inside);
      if (!this.#settled.tiles.has(tile.index)) this.#settledSeq.delete(tile.index);
      dirty = union(dirty, inside);
    }
    for (const [key, stroke] of this.#strokes) {
      dirty = union(dirty, this.#retire(key, stroke, rect, rev));
    }
    return dirty;
  }

  /** A sketch of revision `rev` is shown in `rect`: it stands in for the ink that it includes. */
  sketchShown(rect: Rect, rev: number): Rect {
    let dirty = NOTHING;
    for (const [key, stroke] of this.#strokes) {
      if (stroke.brush.tool === "mask" || stroke.brush.tool === "restore") continue;
      if (stroke.cuts.some((cut) => cut.seq === undefined || cut.seq > rev)) continue;
      if (stroke.points.length > (stroke.cuts.at(-1)?.end ?? 0)) continue;
      const inside = intersect(stroke.bounds, rect);
      if (isEmpty(inside)) continue;
      this.#settled.absorb(stroke.coverage, inside);
      for (const tile of tilesIn(inside, this.#width, this.#height)) {
        if (!this.#settled.tiles.has(tile.index)) continue;
        const seq = Math.max(this.#settledSeq.get(tile.index) ?? 0, stroke.cuts.at(-1)?.seq ?? 0);
        this.#settledSeq.set(tile.index, seq);
      }
      dirty = union(dirty, this.#retire(key, stroke, rect, rev));
    }
    // What stood in already may have changed underneath (an undo, another's stroke).
    for (const tile of tilesIn(rect, this.#width, this.#height)) {
      if (this.#settled.tiles.has(tile.index)) dirty = union(dirty, intersect(tile.rect, rect));
    }
    return dirty;
  }

  /** A layer that is shown beside the result is shown with all up to `rev`: the ink of its strokes goes. */
  layerShown(layer: number, rev: number): Rect {
    let dirty = NOTHING;
    for (const [key, stroke] of this.#strokes) {
      if (stroke.brush.layer === layer) dirty = union(dirty, this.#retire(key, stroke, stroke.bounds, rev));
    }
    return dirty;
  }

  /** The colours of a tile's ink as RGBA bytes, straight alpha; false when there is none. */
  paintTile(tile: Tile, out: Uint8ClampedArray): boolean {
    let any = false;
    for (const stroke of this.#strokes.values()) {
      const bytes = stroke.coverage.tiles.get(tile.index);
      if (!bytes || stroke.brush.tool === "restore") continue;
      if (!any) out.fill(0);
      any = true;
      draw(stroke, bytes, tile, out);
    }
    return any;
  }

  /** What a stroke drags of a tile: what was painted, with the ink of the strokes before it. */
  #under(tile: Tile, key: string): Uint8ClampedArray {
    const colours = this.#sketch(tile);
    for (const [other, stroke] of this.#strokes) {
      if (other === key) break;
      const bytes = stroke.coverage.tiles.get(tile.index);
      if (bytes && (stroke.brush.tool === "brush" || stroke.smudge)) draw(stroke, bytes, tile, colours);
    }
    return colours;
  }

  /** Adds a dab to what a smudge covers and answers where it lies. */
  #absorb(stroke: InkStroke, dab: Coverage, at: StrokePoint, clip: Rect = [0, 0, this.#width, this.#height]): Rect {
    const rect = intersect(sweepBounds(at, at, stroke.brush.size), clip);
    if (!isEmpty(rect)) stroke.coverage.absorb(dab, rect);
    return rect;
  }

  /** Where a tile shows the sketch instead of the result, as alpha; false where nowhere. */
  revealTile(tile: Tile, out: Uint8ClampedArray): boolean {
    const sources: { bytes: Uint8Array; alpha: number }[] = [];
    const settled = this.#settled.tiles.get(tile.index);
    if (settled) sources.push({ bytes: settled, alpha: 1 });
    for (const stroke of this.#strokes.values()) {
      const bytes = stroke.coverage.tiles.get(tile.index);
      if (bytes && stroke.brush.tool === "restore") {
        sources.push({ bytes, alpha: stroke.brush.opacity });
      }
    }
    if (sources.length === 0) return false;
    for (let at = 0; at < TILE * TILE; at += 1) {
      let alpha = 0;
      for (const source of sources) alpha = Math.max(alpha, (source.bytes[at] ?? 0) * source.alpha);
      out[at * 4] = out[at * 4 + 1] = out[at * 4 + 2] = 0;
      out[at * 4 + 3] = alpha;
    }
    return true;
  }

  #retire(key: string, stroke: InkStroke, rect: Rect, rev: number): Rect {
    const inside = intersect(stroke.bounds, rect);
    if (isEmpty(inside)) return NOTHING;
    let shown = 0;
    for (const cut of stroke.cuts) {
      if (cut.seq === undefined || cut.seq > rev) break;
      shown = cut.end;
    }
    if (shown === 0) return NOTHING;
    stroke.coverage.clear(inside);
    const way = new Way(stroke.brush);
    stroke.points.forEach((point, at) => {
      for (const [from, to] of way.to(point)) {
        if (at < shown || isEmpty(intersect(sweepBounds(from, to, stroke.brush.size), inside))) continue;
        if (!stroke.smudge) {
          stroke.coverage.sweep(from, to, stroke.brush, inside);
          continue;
        }
        // Each dab of a smudge stands for itself, also where its tip has a flow.
        const dab = new Coverage(this.#width, this.#height);
        dab.sweep(from, to, stroke.brush, inside);
        this.#absorb(stroke, dab, to, inside);
      }
    });
    if (stroke.done && shown === stroke.points.length && stroke.coverage.tiles.size === 0) {
      this.#strokes.delete(key);
    }
    return inside;
  }
}

function whitePaper(): Uint8ClampedArray {
  return new Uint8ClampedArray(4 * TILE * TILE).fill(255);
}

/** Lays the ink of a stroke that covers `bytes` of a tile over what is there. */
function draw(stroke: InkStroke, bytes: Uint8Array, tile: Tile, out: Uint8ClampedArray): void {
  if (stroke.smudge) stroke.smudge.paint(tile, bytes, out);
  else layOver(out, bytes, stroke.brush, stroke.rgb, tile);
}

function layOver(
  out: Uint8ClampedArray,
  bytes: Uint8Array,
  brush: Brush,
  rgb: readonly [number, number, number],
  tile: Tile,
): void {
  const [red, green, blue] =
    brush.tool === "mask" ? MASK_TINT : brush.tool === "erase" ? [255, 255, 255] : rgb;
  const strength =
    brush.opacity * (brush.tool === "mask" ? MASK_ALPHA : brush.tool === "erase" ? PAPER_ALPHA : 1);
  const { gradient } = brush;
  const flat = [red ?? 0, green ?? 0, blue ?? 0];
  const levels = gradient && levelsOf(gradient, flat);
  for (let at = 0; at < TILE * TILE; at += 1) {
    const covered = bytes[at] ?? 0;
    if (covered === 0) continue;
    const level = gradient && levels?.[levelAt(gradient, tile.rect[0] + (at % TILE), tile.rect[1] + Math.floor(at / TILE))];
    const color = level && brush.tool === "brush" ? level.rgb : flat;
    const alpha = (covered / 255) * ((level?.left ?? 255) / 255) * strength;
    const pixel = at * 4;
    const below = (out[pixel + 3] ?? 0) / 255;
    const total = alpha + below * (1 - alpha);
    const share = total > 0 ? alpha / total : 0;
    out[pixel] = (color[0] ?? 0) * share + (out[pixel] ?? 0) * (1 - share);
    out[pixel + 1] = (color[1] ?? 0) * share + (out[pixel + 1] ?? 0) * (1 - share);
    out[pixel + 2] = (color[2] ?? 0) * share + (out[pixel + 2] ?? 0) * (1 - share);
    out[pixel + 3] = total * 255;
  }
}

import { type Brush, DEFAULT_SMUDGE_STRENGTH, type Rect, type StrokePoint } from "../../client/src";
import { Coverage, sweepBounds } from "./coverage";
import { intersect, isEmpty, TILE, tilesIn, type Tile } from "./geometry";

/** Pixels around the tip that its dabs may come near. */
const RIM = 3;

/** The colours of a tile, opaque RGBA. */
export type TileColours = (tile: Tile) => Uint8ClampedArray;

interface Dragged {
  before: Uint8ClampedArray;
  after: Uint8ClampedArray;
}

/**
 * What a smudge makes of the picture that is seen under it.
 *
 * The server drags the paint of one layer, by the same formulas (`src/canvas/carried.rs`); here the
 * layers are dragged as they are seen together, since nothing else is at hand before its pixels come.
 */
export class Smudge {
  readonly #tiles = new Map<number, Dragged>();
  readonly #brush: Brush;
  readonly #strength: number;
  readonly #width: number;
  readonly #height: number;
  readonly #reach: number;
  readonly #side: number;
  /** What the tip carries: three channels of a pixel, in parts of 255². */
  #carried: Uint16Array | undefined;
  /** The part of it that has paint. */
  #held: Rect = [0, 0, 0, 0];

  constructor(brush: Brush, width: number, height: number) {
    this.#brush = brush;
    this.#strength = Math.round(255 * (brush.strength ?? DEFAULT_SMUDGE_STRENGTH));
    this.#width = width;
    this.#height = height;
    this.#reach = Math.ceil(brush.size / 2) + RIM;
    this.#side = 2 * this.#reach + 1;
  }

  /** The tip is put down somewhere else: it carries nothing. */
  lift(): void {
    this.#held = [0, 0, 0, 0];
  }

  /** Mixes one dab over `below` and answers what it covers. */
  dab(at: StrokePoint, below: TileColours): Coverage {
    const covered = new Coverage(this.#width, this.#height);
    covered.sweep(at, at, this.#brush);
    const bounds = intersect(sweepBounds(at, at, this.#brush.size), [0, 0, this.#width, this.#height]);
    if (isEmpty(bounds)) {
      this.lift();
      return covered;
    }
    const left = Math.floor(at[0]) - this.#reach;
    const top = Math.floor(at[1]) - this.#reach;
    for (const tile of tilesIn(bounds, this.#width, this.#height)) {
      this.#mix(tile, intersect(tile.rect, bounds), this.#dragged(tile, below).after, covered.tiles.get(tile.index), left, top);
    }
    this.#held = [bounds[0] - left, bounds[1] - top, bounds[2], bounds[3]];
    return covered;
  }

  /** Lays what it made of a tile over `out`, where `covered` says so and it is another colour. */
  paint(tile: Tile, covered: Uint8Array, out: Uint8ClampedArray): void {
    const dragged = this.#tiles.get(tile.index);
    if (!dragged) return;
    const { before, after } = dragged;
    const opacity = Math.round(255 * this.#brush.opacity);
    for (let at = 0; at < TILE * TILE; at += 1) {
      const pixel = at * 4;
      const same = before[pixel] === after[pixel] && before[pixel + 1] === after[pixel + 1] && before[pixel + 2] === after[pixel + 2];
      if (same || (covered[at] ?? 0) === 0) continue;
      for (let channel = pixel; channel < pixel + 3; channel += 1) {
        out[channel] = byteth((before[channel] ?? 0) * (255 - opacity) + (after[channel] ?? 0) * opacity);
      }
      out[pixel + 3] = 255;
    }
  }

  #dragged(tile: Tile, below: TileColours): Dragged {
    const known = this.#tiles.get(tile.index);
    if (known) return known;
    const before = below(tile);
    const dragged = { before, after: before.slice() };
    this.#tiles.set(tile.index, dragged);
    return dragged;
  }

  #mix(tile: Tile, part: Rect, pixels: Uint8ClampedArray, covered: Uint8Array | undefined, left: number, top: number): void {
    this.#carried ??= new Uint16Array(3 * this.#side * this.#side);
    const carried = this.#carried;
    const [keep, take] = [this.#strength, 255 - this.#strength];
    const [heldX, heldY, heldWidth, heldHeight] = this.#held;
    for (let y = part[1]; y < part[1] + part[3]; y += 1) {
      const row = y - top;
      const heldRow = row >= heldY && row < heldY + heldHeight;
      for (let x = part[0]; x < part[0] + part[2]; x += 1) {
        const column = x - left;
        const held = heldRow && column >= heldX && column < heldX + heldWidth;
        const at = (y - tile.rect[1]) * TILE + x - tile.rect[0];
        const own = 3 * (row * this.#side + column);
        const weight = covered?.[at] ?? 0;
        for (let channel = 0; channel < 3; channel += 1) {
          const under = 255 * (pixels[4 * at + channel] ?? 0);
          const paint = held ? byteth(under * take + (carried[own + channel] ?? 0) * keep) : under;
          carried[own + channel] = paint;
          if (weight > 0 && paint !== under) pixels[4 * at + channel] = byteth(byteth(under * (255 - weight) + paint * weight));
        }
      }
    }
  }
}

/** A 255th, rounded. */
function byteth(product: number): number {
  return Math.floor((product + 127) / 255);
}

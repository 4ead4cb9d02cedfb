import { Ink } from "../paint/ink";
import { intersect, isEmpty, TILE, tilesIn } from "../paint/geometry";
import { paletteOf } from "../paint/palette";
import { Revisions } from "../paint/revisions";
import type { CanvasSize, Layer, Rect } from "../../client/src";
import type { DecodedFrame } from "./decode";

/** Pictures of at most this side are read pixel by pixel; larger ones are made so small first. */
const FOLDED = 64;

/** A canvas that is not in the page, with its context. */
export interface Surface {
  canvas: HTMLCanvasElement;
  context: CanvasRenderingContext2D;
}

/** Makes a surface; throws where the browser has no 2D canvas. */
export function surface(width: number, height: number, readOften = false): Surface {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: readOften });
  if (!context) throw new Error("this browser offers no 2D canvas");
  return { canvas, context };
}

/**
 * The picture at its own size: result, sketch, and the ink above them, with
 * the revision that each pixel shows.
 */
export class Picture {
  readonly width: number;
  readonly height: number;
  readonly result: Surface;
  readonly sketch: Surface;
  readonly inkSurface: Surface;
  readonly ink: Ink;
  revisions: Record<Layer, Revisions>;
  readonly #scratch = surface(TILE, TILE);
  readonly #bytes = new ImageData(TILE, TILE);

  constructor(size: CanvasSize) {
    this.width = size.width;
    this.height = size.height;
    this.result = surface(size.width, size.height);
    this.sketch = surface(size.width, size.height);
    this.inkSurface = surface(size.width, size.height);
    this.ink = new Ink(size.width, size.height, ({ rect }) => this.#paper(rect));
    this.revisions = this.#freshRevisions();
    for (const { context } of [this.result, this.sketch]) {
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, size.width, size.height);
    }
  }

  /** The whole canvas. */
  get bounds(): Rect {
    return [0, 0, this.width, this.height];
  }

  /** A server that started anew counts from the beginning again. */
  forgetRevisions(): void {
    this.revisions = this.#freshRevisions();
  }

  /** Draws a frame where it is not older than what is shown, and answers where. */
  show(frame: DecodedFrame): Rect[] {
    const { rect, rev, layer } = frame.header;
    const parts = this.revisions[layer].accept(rect, rev);
    const { context } = this[layer];
    for (const part of parts) {
      context.drawImage(
        frame.bitmap,
        part[0] - rect[0],
        part[1] - rect[1],
        part[2],
        part[3],
        part[0],
        part[1],
        part[2],
        part[3],
      );
    }
    return parts;
  }

  /** Draws the ink of a rectangle anew. */
  refreshInk(rect: Rect): void {
    const { context } = this.inkSurface;
    const inside = intersect(rect, this.bounds);
    if (isEmpty(inside)) return;
    for (const tile of tilesIn(inside, this.width, this.height)) {
      const [x, y, width, height] = tile.rect;
      context.clearRect(x, y, width, height);
      if (this.ink.revealTile(tile, this.#bytes.data)) {
        const scratch = this.#scratch.context;
        scratch.globalCompositeOperation = "source-over";
        scratch.putImageData(this.#bytes, 0, 0);
        scratch.globalCompositeOperation = "source-in";
        scratch.drawImage(this.sketch.canvas, x, y, width, height, 0, 0, width, height);
        context.drawImage(this.#scratch.canvas, 0, 0, width, height, x, y, width, height);
      }
      if (this.ink.paintTile(tile, this.#bytes.data)) {
        const scratch = this.#scratch.context;
        scratch.globalCompositeOperation = "source-over";
        scratch.putImageData(this.#bytes, 0, 0);
        context.drawImage(this.#scratch.canvas, 0, 0, width, height, x, y, width, height);
      }
    }
  }

  /** What was painted in a whole tile, of which some may lie beyond the canvas. */
  #paper([x, y]: Rect): Uint8ClampedArray {
    return this.sketch.context.getImageData(x, y, TILE, TILE).data;
  }

  /** RGBA bytes of a rectangle, without ink. */
  read(layer: Layer, rect: Rect): Uint8ClampedArray {
    const inside = intersect(rect, this.bounds);
    if (isEmpty(inside)) return new Uint8ClampedArray(0);
    return this[layer].context.getImageData(...inside).data;
  }

  /** What the eye sees of a layer: its pixels with the ink above them. */
  seen(layer: Layer): ImageData {
    const { context } = surface(this.width, this.height, true);
    context.drawImage(this[layer].canvas, 0, 0);
    context.drawImage(this.inkSurface.canvas, 0, 0);
    return context.getImageData(0, 0, this.width, this.height);
  }

  /** What the eye sees at a pixel, as `#rrggbb`; undefined outside. */
  colourAt(layer: Layer, x: number, y: number): string | undefined {
    const pixel: Rect = [Math.floor(x), Math.floor(y), 1, 1];
    if (isEmpty(intersect(pixel, this.bounds))) return undefined;
    const below = this[layer].context.getImageData(...pixel).data;
    const above = this.inkSurface.context.getImageData(...pixel).data;
    const cover = (above[3] ?? 0) / 255;
    const channel = (at: number): string =>
      Math.round((above[at] ?? 0) * cover + (below[at] ?? 0) * (1 - cover))
        .toString(16)
        .padStart(2, "0");
    return `#${channel(0)}${channel(1)}${channel(2)}`;
  }

  /** The colours that stand best for a layer, the most frequent first. */
  palette(layer: Layer, count: number): string[] {
    const small = surface(FOLDED, FOLDED, true);
    small.context.imageSmoothingQuality = "medium";
    small.context.drawImage(this[layer].canvas, 0, 0, FOLDED, FOLDED);
    return paletteOf(small.context.getImageData(0, 0, FOLDED, FOLDED).data, count);
  }

  /** True when sketch and result are white paper all over, to the last pixel. */
  isBlank(): boolean {
    return isWhite(this.sketch) && isWhite(this.result);
  }

  #freshRevisions(): Record<Layer, Revisions> {
    return {
      result: new Revisions(this.width, this.height),
      sketch: new Revisions(this.width, this.height),
    };
  }
}

/** Halves are laid over each other, and the darker pixel wins: no thin line is averaged away. */
function isWhite(whole: Surface): boolean {
  while (whole.canvas.width > FOLDED || whole.canvas.height > FOLDED) {
    const width = Math.ceil(whole.canvas.width / 2);
    const height = Math.ceil(whole.canvas.height / 2);
    const half = surface(width, height);
    half.context.drawImage(whole.canvas, 0, 0);
    half.context.globalCompositeOperation = "darken";
    half.context.drawImage(whole.canvas, -(whole.canvas.width - width), 0);
    half.context.drawImage(whole.canvas, 0, -(whole.canvas.height - height));
    half.context.drawImage(whole.canvas, -(whole.canvas.width - width), -(whole.canvas.height - height));
    whole = half;
  }
  const { width, height } = whole.canvas;
  return whole.context.getImageData(0, 0, width, height).data.every((byte) => byte === 255);
}

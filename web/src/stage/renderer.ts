import { intersect, isEmpty, rectAround, union } from "../paint/geometry";
import type { Layer, Rect } from "../protocol";
import type { Picture, Surface } from "./picture";
import { rectToScreen, type Insets, type Point, type View } from "./view";

/** What is shown: one layer, or the sketch beside the result. */
export type ViewMode = "result" | "sketch" | "both";

/** A part of the stage that shows one layer, in CSS pixels. */
export interface Pane {
  layer: Layer;
  rect: Rect;
}

/** From this many device pixels per canvas pixel on, pixels are shown as squares. */
const PIXELATED_FROM = 3;

/** The panes of a view mode on a stage of the given size. */
export function panesOf(mode: ViewMode, before: boolean, stage: Point): Pane[] {
  if (mode !== "both") {
    return [{ layer: before ? "sketch" : mode, rect: [0, 0, stage.x, stage.y] }];
  }
  const across = stage.x >= stage.y;
  const half = across ? Math.floor(stage.x / 2) : Math.floor(stage.y / 2);
  return across
    ? [
        { layer: "sketch", rect: [0, 0, half, stage.y] },
        { layer: before ? "sketch" : "result", rect: [half, 0, stage.x - half, stage.y] },
      ]
    : [
        { layer: "sketch", rect: [0, 0, stage.x, half] },
        { layer: before ? "sketch" : "result", rect: [0, half, stage.x, stage.y - half] },
      ];
}

/** Which pane a point of the stage is in. */
export function paneAt(panes: readonly Pane[], point: Point): Pane | undefined {
  return (
    panes.find(
      ({ rect }) =>
        point.x >= rect[0] && point.x < rect[0] + rect[2] && point.y >= rect[1] && point.y < rect[1] + rect[3],
    ) ?? panes[0]
  );
}

/** Panels that float over a pane's edges; the inner edge of a pair has none. */
export function insetsOf(pane: Pane, stage: Point, insets: Insets): Insets {
  const [x, y, width, height] = pane.rect;
  return {
    left: x <= 0 ? insets.left : 16,
    top: y <= 0 ? insets.top : 16,
    right: x + width >= stage.x ? insets.right : 16,
    bottom: y + height >= stage.y ? insets.bottom : 16,
  };
}

/** Draws the picture on the visible canvas, and no more of it than changed. */
export class Renderer {
  readonly #context: CanvasRenderingContext2D;
  readonly #canvas: HTMLCanvasElement;
  #picture: Picture | undefined;
  #panes: Pane[] = [];
  #view: View = { scale: 1, x: 0, y: 0 };
  #ratio = 1;
  #dirty: Rect | "all" = "all";
  #frame: number | undefined;

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser offers no 2D canvas");
    this.#canvas = canvas;
    this.#context = context;
  }

  /** Shows another picture. */
  setPicture(picture: Picture): void {
    this.#picture = picture;
    this.#invalidateAll();
  }

  /** Fits the visible canvas to the stage. */
  resize(stage: Point, ratio: number): void {
    const width = Math.max(1, Math.round(stage.x * ratio));
    const height = Math.max(1, Math.round(stage.y * ratio));
    this.#ratio = ratio;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#invalidateAll();
  }

  /** Moves, zooms, or shows other layers. `view` is relative to each pane. */
  arrange(view: View, panes: Pane[]): void {
    this.#view = view;
    this.#panes = panes;
    this.#invalidateAll();
  }

  /** A part of the picture changed, in canvas pixels. */
  invalidate(rect: Rect): void {
    if (isEmpty(rect) || this.#dirty === "all") {
      if (this.#dirty === "all") this.#schedule();
      return;
    }
    this.#dirty = union(this.#dirty, rect);
    this.#schedule();
  }

  /** Draws what is dirty now, rather than with the next frame. */
  flush(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
    const dirty = this.#dirty;
    this.#dirty = [0, 0, 0, 0];
    const context = this.#context;
    if (dirty === "all") {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    }
    if (!this.#picture) return;
    for (const pane of this.#panes) this.#drawPane(this.#picture, pane, dirty);
  }

  #drawPane(picture: Picture, pane: Pane, dirty: Rect | "all"): void {
    const context = this.#context;
    const ratio = this.#ratio;
    const scale = this.#view.scale * ratio;
    const left = Math.round((this.#view.x + pane.rect[0]) * ratio);
    const top = Math.round((this.#view.y + pane.rect[1]) * ratio);
    const whole = dirty === "all" ? picture.bounds : intersect(grown(dirty, Math.ceil(2 / scale) + 1), picture.bounds);
    if (isEmpty(whole)) return;
    const onScreen = rectToScreen({ scale, x: left, y: top }, whole);
    const visible = intersect(
      rectAround(onScreen[0], onScreen[1], onScreen[0] + onScreen[2], onScreen[1] + onScreen[3]),
      deviceRect(pane.rect, ratio),
    );
    if (isEmpty(visible)) return;
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.beginPath();
    context.rect(...visible);
    context.clip();
    if (dirty !== "all") context.clearRect(...visible);
    context.imageSmoothingEnabled = scale < PIXELATED_FROM;
    context.imageSmoothingQuality = scale < 0.75 ? "medium" : "low";
    context.setTransform(scale, 0, 0, scale, left, top);
    const source = sourceOf(visible, scale, left, top, picture.bounds);
    draw(context, picture[pane.layer], source);
    if (!picture.ink.isEmpty) draw(context, picture.inkSurface, source);
    context.restore();
  }

  #invalidateAll(): void {
    this.#dirty = "all";
    this.#schedule();
  }

  #schedule(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.flush();
    });
  }
}

function draw(context: CanvasRenderingContext2D, from: Surface, source: Rect): void {
  if (isEmpty(source)) return;
  context.drawImage(from.canvas, ...source, ...source);
}

/** The canvas pixels that a part of the screen shows, with a margin for smoothing. */
function sourceOf(visible: Rect, scale: number, left: number, top: number, bounds: Rect): Rect {
  const margin = Math.ceil(2 / scale) + 1;
  return intersect(
    grown(
      rectAround(
        (visible[0] - left) / scale,
        (visible[1] - top) / scale,
        (visible[0] + visible[2] - left) / scale,
        (visible[1] + visible[3] - top) / scale,
      ),
      margin,
    ),
    bounds,
  );
}

function grown(rect: Rect, margin: number): Rect {
  return [rect[0] - margin, rect[1] - margin, rect[2] + 2 * margin, rect[3] + 2 * margin];
}

function deviceRect(rect: Rect, ratio: number): Rect {
  return rectAround(
    Math.round(rect[0] * ratio),
    Math.round(rect[1] * ratio),
    Math.round((rect[0] + rect[2]) * ratio),
    Math.round((rect[1] + rect[3]) * ratio),
  );
}

import { intersect, isEmpty, rectAround, union } from "../paint/geometry";
import type { Layer, Rect } from "../../client/src";
import type { Picture, Surface } from "./picture";
import { matrixOf, rectToCanvas, rectToScreen, UPRIGHT, type Insets, type Point, type View } from "./view";

/** What is shown: one layer, the sketch beside the result, or both in one place with a divider between them. */
export type ViewMode = "result" | "sketch" | "both" | "compare";

/** A part of the stage that shows one layer, in CSS pixels. */
export interface Pane {
  layer: Layer;
  /** What of the stage it covers. */
  rect: Rect;
  /** Where the view's origin lies on the stage. */
  origin: Point;
}

/** Between two pictures side by side, in CSS pixels. */
const GAP = 24;

/** From this many device pixels per canvas pixel on, pixels are shown as squares. */
const PIXELATED_FROM = 3;

/**
 * The panes of a view mode. Two pictures side by side share the room that the
 * panels leave free, along the stage's longer side; compared, they lie in the
 * same place and meet at `divider`, in CSS pixels from the left.
 */
export function panesOf(mode: ViewMode, before: boolean, stage: Point, insets: Insets, divider: number): Pane[] {
  const whole: Rect = [0, 0, stage.x, stage.y];
  const none = { x: 0, y: 0 };
  const second = before ? "sketch" : "result";
  if (mode === "compare") {
    const edge = Math.min(stage.x, Math.max(0, divider));
    return [
      { layer: "sketch", rect: [0, 0, edge, stage.y], origin: none },
      { layer: second, rect: [edge, 0, stage.x - edge, stage.y], origin: none },
    ];
  }
  if (mode !== "both") return [{ layer: before ? "sketch" : mode, rect: whole, origin: none }];
  if (stage.x >= stage.y) {
    const shift = halfOf(stage.x, insets.left + insets.right) + GAP;
    const edge = Math.round(insets.left + shift - GAP / 2);
    return [
      { layer: "sketch", rect: [0, 0, edge, stage.y], origin: none },
      { layer: second, rect: [edge, 0, stage.x - edge, stage.y], origin: { x: shift, y: 0 } },
    ];
  }
  const shift = halfOf(stage.y, insets.top + insets.bottom) + GAP;
  const edge = Math.round(insets.top + shift - GAP / 2);
  return [
    { layer: "sketch", rect: [0, 0, stage.x, edge], origin: none },
    { layer: second, rect: [0, edge, stage.x, stage.y - edge], origin: { x: 0, y: shift } },
  ];
}

/** The stage as one picture has it: what the other one takes is cut off. */
export function stageOfOne(mode: ViewMode, stage: Point, insets: Insets): Point {
  if (mode !== "both") return stage;
  return stage.x >= stage.y
    ? { x: stage.x - halfOf(stage.x, insets.left + insets.right) - GAP, y: stage.y }
    : { x: stage.x, y: stage.y - halfOf(stage.y, insets.top + insets.bottom) - GAP };
}

function halfOf(length: number, taken: number): number {
  return Math.max(32, (length - taken - GAP) / 2);
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

/** Draws the picture on the visible canvas, and no more of it than changed. */
export class Renderer {
  readonly #context: CanvasRenderingContext2D;
  readonly #canvas: HTMLCanvasElement;
  #picture: Picture | undefined;
  #panes: Pane[] = [];
  #view: View = UPRIGHT;
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

  /** Moves, zooms, or shows other layers. `view` is relative to each pane's origin. */
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
    const view: View = {
      ...this.#view,
      scale,
      x: Math.round((this.#view.x + pane.origin.x) * ratio),
      y: Math.round((this.#view.y + pane.origin.y) * ratio),
    };
    const whole = dirty === "all" ? picture.bounds : intersect(grown(dirty, Math.ceil(2 / scale) + 1), picture.bounds);
    if (isEmpty(whole)) return;
    const onScreen = rectToScreen(view, whole);
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
    context.setTransform(...matrixOf(view));
    const source = sourceOf(visible, view, picture.bounds);
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
function sourceOf(visible: Rect, view: View, bounds: Rect): Rect {
  const [x, y, width, height] = rectToCanvas(view, visible);
  return intersect(grown(rectAround(x, y, x + width, y + height), Math.ceil(2 / view.scale) + 1), bounds);
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

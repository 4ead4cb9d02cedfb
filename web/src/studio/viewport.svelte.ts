import type { Rect, StrokePoint } from "../../client/src";
import { dividerEdge, partLeftOf } from "../stage/divider";
import type { Sample } from "../stage/gestures";
import { layoutOf, type Layout } from "../stage/layout";
import type { Picture } from "../stage/picture";
import { paneAt, panesOf, Renderer, stageOfOne, type Pane, type ViewMode } from "../stage/renderer";
import { Twist } from "../stage/twist";
import {
  centred,
  fitted,
  keptInSight,
  mirroredAt,
  panned,
  rectToScreen,
  restingAngle,
  seenIn,
  toCanvas,
  toScreen,
  TURN_STEP,
  turnedAt,
  UPRIGHT,
  zoomedAt,
  type Insets,
  type Point,
  type View,
} from "../stage/view";

/** What looking at a picture needs from outside. */
export interface ViewportOptions {
  picture: () => Picture | undefined;
  /** The view is moved by hand: it is not another's any more. */
  taken: () => void;
  /** Something else is seen than before. */
  arranged: () => void;
}

/** Which part of the picture is seen, how large, turned and mirrored, and which of its layers. */
export class Viewport {
  view = $state.raw<View>(UPRIGHT);
  mode = $state<ViewMode>("result");
  /** The part of the canvas, 0 … 1, that shows the sketch while it is compared with the result. */
  divider = $state(0.5);
  /** C is held: the sketch is shown in place of the result. */
  before = $state(false);
  /** Fingers point, and no mouse. */
  readonly coarse = matchMedia("(pointer: coarse)").matches;
  stage = $state.raw<Point>({ x: 1, y: 1 });
  insets = $state.raw<Insets>({ top: 16, right: 16, bottom: 16, left: 16 });
  #renderer: Renderer | undefined;
  #fitWanted = true;
  readonly #twist = new Twist();
  readonly #options: ViewportOptions;

  constructor(options: ViewportOptions) {
    this.#options = options;
  }

  /** The parts of the stage and what each shows. */
  get panes(): Pane[] {
    return panesOf(this.mode, this.before, this.stage, this.insets, this.dividerEdge);
  }

  /** Where on the stage the divider stands, in CSS pixels from the left. */
  get dividerEdge(): number {
    return dividerEdge(this.divider, this.#pictureBox, this.stage.x);
  }

  /** The stage as one picture has it. */
  get stageOfOne(): Point {
    return stageOfOne(this.mode, this.stage, this.insets);
  }

  /** What is seen of the plane, in canvas pixels. */
  get seen(): Rect {
    return seenIn(this.view, this.stageOfOne);
  }

  /** The box on the stage around the picture, without its pane's origin, in CSS pixels. */
  get #pictureBox(): Rect {
    return rectToScreen(this.view, this.#options.picture()?.bounds ?? [0, 0, 1, 1]);
  }

  /** How the panels are arranged; the style sheets' media queries say the same. */
  get layout(): Layout {
    return layoutOf(this.stage, this.coarse);
  }

  /** A phone, or a window as narrow as one. */
  get narrow(): boolean {
    return this.layout === "narrow";
  }

  /** A phone, however it is held: what is unfolded covers the picture, and the brush is set from left to right. */
  get tight(): boolean {
    return this.layout === "narrow" || this.layout === "short";
  }

  /** The middle of what the panels leave of a pane, in CSS pixels. */
  get middle(): Point {
    const { x, y } = this.stageOfOne;
    const { left, right, top, bottom } = this.insets;
    return { x: (left + x - right) / 2, y: (top + y - bottom) / 2 };
  }

  /** The visible canvas is there; answers what draws on it. */
  attach(canvas: HTMLCanvasElement): Renderer {
    const renderer = new Renderer(canvas);
    this.#renderer = renderer;
    const picture = this.#options.picture();
    if (picture) renderer.setPicture(picture);
    this.#arrange();
    return renderer;
  }

  /** The stage has another size. */
  resize(stage: Point, insets: Insets, ratio: number): void {
    this.stage = stage;
    this.insets = insets;
    this.#renderer?.resize(stage, ratio);
    if (this.#fitWanted) this.fit();
    else this.#look(this.view);
  }

  /** The whole canvas, upright and as large as it fits. */
  fit(): void {
    this.#options.taken();
    this.#fitWanted = true;
    const picture = this.#options.picture();
    if (!picture) return;
    this.view = fitted(picture, this.stageOfOne, this.insets);
    this.#arrange();
  }

  /** Looks where somebody else does. */
  follow(view: View): void {
    this.#fitWanted = false;
    this.#look(view);
  }

  /** One canvas pixel is one screen pixel. */
  actualSize(): void {
    const picture = this.#options.picture();
    if (!picture) return;
    this.#take();
    this.#look(centred(picture, this.stageOfOne, this.insets, { ...this.view, scale: 1 }));
  }

  /** Scales around a point of the stage; around its middle where there is none. */
  zoom(factor: number, at?: Point): void {
    const point = at ?? { x: this.stage.x / 2, y: this.stage.y / 2 };
    this.#take();
    this.#look(zoomedAt(this.view, this.#inPane(point), factor));
  }

  pan(dx: number, dy: number): void {
    this.#take();
    this.#look(panned(this.view, dx, dy));
  }

  /** Two fingers came down on the stage. */
  pinchBegin(): void {
    this.#twist.begin();
  }

  pinch(before: [Point, Point], after: [Point, Point]): void {
    this.#take();
    const inPane = (pair: [Point, Point]): [Point, Point] => {
      const pane = paneAt(this.panes, before[0]);
      const shift = (point: Point): Point => ({ x: point.x - (pane?.origin.x ?? 0), y: point.y - (pane?.origin.y ?? 0) });
      return [shift(pair[0]), shift(pair[1])];
    };
    this.#look(this.#twist.follow(this.view, inPane(before), inPane(after)));
  }

  /** Turns the view to an angle, in degrees, around the middle of what the panels leave free. */
  turnTo(angle: number, inSteps = false): void {
    this.#take();
    this.#look(turnedAt(this.view, this.middle, restingAngle(angle, inSteps)));
  }

  /** Turns the view by a step to the right or to the left. */
  turnStep(direction: 1 | -1): void {
    this.turnTo(this.view.angle + direction * TURN_STEP, true);
  }

  /** Shows the picture mirrored left to right, or no more; the picture stays as it is. */
  mirror(): void {
    this.#take();
    this.#look(mirroredAt(this.view, this.middle));
  }

  /** Neither turned nor mirrored, as large as before. */
  upright(): void {
    if (this.view.mirrored) this.mirror();
    this.turnTo(0);
  }

  /** Shows other layers. */
  show(mode: ViewMode): void {
    if (mode === this.mode) return;
    const kept = this.view;
    this.mode = mode;
    if (this.#fitWanted || mode === "both") this.fit();
    else this.#look(kept);
  }

  /** Leaves another part of the canvas, 0 … 1, to the sketch. */
  moveDivider(part: number): void {
    this.divider = part;
    this.#arrange();
  }

  /** The divider follows the pointer. */
  dragDivider(x: number): void {
    if (this.#options.picture()) this.moveDivider(partLeftOf(x, this.#pictureBox));
  }

  showBefore(on: boolean): void {
    if (this.before === on) return;
    this.before = on;
    this.#arrange();
  }

  /** A point of the stage on the canvas. */
  canvasPoint(point: Point): Point {
    return toCanvas(this.view, this.#inPane(point));
  }

  /** A canvas point on the stage, in the pane that shows the result. */
  stagePoint(point: Point): Point {
    const pane = this.panes.at(-1);
    const { x, y } = toScreen(this.view, point);
    return { x: x + (pane?.origin.x ?? 0), y: y + (pane?.origin.y ?? 0) };
  }

  /** Where the hand is on the canvas, in the pane that its stroke began in. */
  strokePoint(sample: Sample, pane: Pane): StrokePoint {
    const { x, y } = toCanvas(this.view, { x: sample.x - pane.origin.x, y: sample.y - pane.origin.y });
    return [x, y, sample.pressure];
  }

  #take(): void {
    this.#fitWanted = false;
    this.#options.taken();
  }

  #look(view: View): void {
    const picture = this.#options.picture();
    this.view = picture ? keptInSight(view, picture, this.stageOfOne) : view;
    this.#arrange();
  }

  #arrange(): void {
    this.#renderer?.arrange(this.view, this.panes);
    this.#options.arranged();
  }

  #inPane(point: Point): Point {
    const pane = paneAt(this.panes, point);
    return { x: point.x - (pane?.origin.x ?? 0), y: point.y - (pane?.origin.y ?? 0) };
  }
}

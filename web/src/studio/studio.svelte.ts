import { browserClock, socketAddress, type StrokePoint } from "../../client/src";
import type { StrokeInHand } from "../paint/painter";
import { dividerEdge, partLeftOf } from "../stage/divider";
import type { Sample } from "../stage/gestures";
import { layoutOf, type Layout } from "../stage/layout";
import { paneAt, panesOf, Renderer, stageOfOne, type Pane, type ViewMode } from "../stage/renderer";
import {
  centred,
  fitted,
  keptInSight,
  panned,
  pinched,
  toCanvas,
  toScreen,
  zoomedAt,
  type Insets,
  type Point,
  type View,
} from "../stage/view";
import { newMemberName, newRoomName, placeFromAddress } from "../wire/identity";
import { changeKnown, withOpened } from "./known-rooms";
import { Notices } from "./notices.svelte";
import type { OfferedPicture } from "./photo";
import { Room } from "./room.svelte";
import type { Action } from "./shortcuts";
import { recall, remember } from "./storage";
import { type Thumbnail } from "./thumbnails.svelte";
import { Toolbox } from "./toolbox.svelte";

/** The tool palette, the view and the room: everything that the page shows. */
export class Studio {
  readonly notices = new Notices();
  readonly toolbox = new Toolbox();
  readonly room: Room;
  name = $state("");
  view = $state.raw<View>({ scale: 1, x: 0, y: 0 });
  mode = $state<ViewMode>("result");
  /** The part of the canvas, 0 … 1, that shows the sketch while it is compared with the result. */
  divider = $state(0.5);
  /** C is held: the sketch is shown in place of the result. */
  before = $state(false);
  /** Fingers point, and no mouse. */
  readonly coarse = matchMedia("(pointer: coarse)").matches;
  stage = $state.raw<Point>({ x: 1, y: 1 });
  insets = $state.raw<Insets>({ top: 16, right: 16, bottom: 16, left: 16 });
  /** A stroke is down: panels get out of the way. */
  painting = $state(false);
  panning = $state(false);
  helpOpen = $state(false);
  /** The dialog for a new canvas is open. */
  newOpen = $state(false);
  /** The dialog for a file to take away is open. */
  exportOpen = $state(false);
  /** The prompt was written or sent, and nothing has been painted since: it may have nothing to work on. */
  wordsGiven = $state(false);
  /** The last thing that was done is Enter in the prompt. */
  wordsSent = false;
  /** A picture that was dropped, pasted or chosen, and of which it is not yet said what becomes of it. */
  offered = $state.raw<OfferedPicture | undefined>(undefined);
  /** Where the pointer is over the stage. */
  hover = $state.raw<Point | undefined>(undefined);
  /** The keyboard's crosshair, in canvas pixels. */
  crosshair = $state.raw<Point | undefined>(undefined);
  focusPrompt: () => void = () => {};
  #renderer: Renderer | undefined;
  #stroke: { hand: StrokeInHand; pane: Pane } | undefined;
  #fitWanted = true;
  #presenceAt = 0;
  #random = Math.random;

  constructor(page: URL, client: string) {
    const place = placeFromAddress(page);
    const room = place.room ?? newRoomName(this.#random);
    if (place.room === undefined) {
      const address = new URL(page);
      address.searchParams.set("room", room);
      history.replaceState(history.state, "", address);
    }
    this.name = recall<string>("name") ?? newMemberName(this.#random);
    remember("name", this.name);
    document.title = `${room} · Impasto`;
    this.room = new Room({
      name: room,
      url: socketAddress(page, room),
      client,
      memberName: () => this.name,
      token: place.token,
      clock: browserClock,
      notices: this.notices,
      joined: (role) => changeKnown((known) => withOpened(known, { room, token: place.token, role, opened: Date.now() })),
      photoPlaced: () => {
        if (this.toolbox.lend("mask")) this.notices.say("The mask is in hand: brush over a part, and say what it should become.");
        const wanted = this.room.model?.defaults?.photo;
        if (wanted) this.room.settings.lend(wanted);
      },
    });
  }

  /** The photo is not the base any more: what took another's place for it goes with it. */
  photoGone(): void {
    this.toolbox.giveBack();
    this.room.settings.giveBack();
  }

  /** The parts of the stage and what each shows. */
  get panes(): Pane[] {
    return panesOf(this.mode, this.before, this.stage, this.insets, this.dividerEdge);
  }

  /** Where on the stage the divider stands, in CSS pixels from the left. */
  get dividerEdge(): number {
    return dividerEdge(this.divider, this.view, this.room.picture?.width ?? 0, this.stage.x);
  }

  /** The brush is over a photo, where its words count and its colour does not. */
  get colourIsIdle(): boolean {
    return this.room.mayPaint && this.room.photo !== undefined && this.toolbox.inHand === "brush";
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

  /** The visible canvas is there. */
  attach(canvas: HTMLCanvasElement): void {
    this.#renderer = new Renderer(canvas);
    this.room.renderer = this.#renderer;
    if (this.room.picture) this.#renderer.setPicture(this.room.picture);
    this.#arrange();
  }

  /** The stage has another size. */
  resize(stage: Point, insets: Insets, ratio: number): void {
    this.stage = stage;
    this.insets = insets;
    this.#renderer?.resize(stage, ratio);
    if (this.#fitWanted) this.fit();
    else this.#look(this.view);
  }

  /** The whole canvas, as large as it fits. */
  fit(): void {
    this.#fitWanted = true;
    const { picture } = this.room;
    if (!picture) return;
    this.view = fitted(picture, stageOfOne(this.mode, this.stage, this.insets), this.insets);
    this.#arrange();
  }

  /** One canvas pixel is one screen pixel. */
  actualSize(): void {
    const { picture } = this.room;
    if (!picture) return;
    this.#fitWanted = false;
    this.#look(centred(picture, stageOfOne(this.mode, this.stage, this.insets), this.insets, 1));
  }

  /** Scales around a point of the stage; around its middle where there is none. */
  zoom(factor: number, at?: Point): void {
    const point = at ?? { x: this.stage.x / 2, y: this.stage.y / 2 };
    this.#fitWanted = false;
    this.#look(zoomedAt(this.view, this.#inPane(point), factor));
  }

  pan(dx: number, dy: number): void {
    this.#fitWanted = false;
    this.#look(panned(this.view, dx, dy));
  }

  pinch(before: [Point, Point], after: [Point, Point]): void {
    this.#fitWanted = false;
    const inPane = (pair: [Point, Point]): [Point, Point] => {
      const pane = paneAt(this.panes, before[0]);
      const shift = (point: Point): Point => ({ x: point.x - (pane?.origin.x ?? 0), y: point.y - (pane?.origin.y ?? 0) });
      return [shift(pair[0]), shift(pair[1])];
    };
    this.#look(pinched(this.view, inPane(before), inPane(after)));
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
    const { picture } = this.room;
    if (picture) this.moveDivider(partLeftOf(x, this.view, picture.width));
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

  strokeBegin(sample: Sample, held: boolean): void {
    const pane = paneAt(this.panes, sample);
    if (!pane || this.#stroke) return;
    if (!this.room.mayPaint) {
      this.notices.say("You are watching this room; ask for an editor's link to paint.");
      return;
    }
    this.crosshair = undefined;
    this.#stroke = { hand: this.room.painter.begin(this.toolbox.brush, held), pane };
    this.#stroke.hand.add([this.#point(sample, pane)]);
    this.painting = true;
    this.room.blank = false;
  }

  strokeMove(samples: readonly Sample[]): void {
    const stroke = this.#stroke;
    stroke?.hand.add(samples.map((sample) => this.#point(sample, stroke.pane)));
  }

  strokeCommit(): void {
    this.#stroke?.hand.commit();
  }

  strokeEnd(): void {
    this.#stroke?.hand.end();
    this.#stroke = undefined;
    this.painting = false;
  }

  strokeCancel(): void {
    this.#stroke?.hand.cancel();
    this.#stroke = undefined;
    this.painting = false;
    this.room.judgeBlankSoon();
  }

  /** Takes the colour under a point of the stage. */
  pick(point: Point): void {
    const pane = paneAt(this.panes, point);
    const { x, y } = this.canvasPoint(point);
    const color = pane && this.room.picture?.colourAt(pane.layer, x, y);
    if (color !== undefined) this.toolbox.dip(color);
  }

  /** The pointer is here: the others see it. */
  point(point: Point | undefined): void {
    this.hover = point;
    const now = performance.now();
    if (!point || now - this.#presenceAt < 50) return;
    this.#presenceAt = now;
    const { x, y } = this.canvasPoint(point);
    const tool = this.toolbox.inHand;
    this.room.send({
      type: "presence",
      x: Math.round(x * 10) / 10,
      y: Math.round(y * 10) / 10,
      ...(tool === "hand" || tool === "eyedropper" ? {} : { tool }),
    });
  }

  undo(): void {
    if (this.room.mayPaint) this.room.send({ type: "undo" });
  }

  redo(): void {
    if (this.room.mayPaint) this.room.send({ type: "redo" });
  }

  /** The picture as it was, for everybody, as a step that can be undone. */
  goBack(thumbnail: Thumbnail): void {
    const { room } = this;
    if (!room.mayPaint) {
      this.notices.say("You are watching this room; ask for an editor's link to go back.");
      return;
    }
    room.settings.flush();
    if (thumbnail.picture === room.pictureSeq) return;
    room.send({ type: "revert", seq: thumbnail.seq });
    this.notices.say("Back to an earlier picture. Undo takes you forward again.");
  }

  /** Renders what is masked, or everything where nothing is. */
  render(): void {
    this.room.settings.flush();
    if (this.room.mayPaint) this.room.send({ type: "render" });
  }

  /**
   * What Enter in the prompt does: renders what is painted or masked, and on an
   * empty canvas everything. Over a picture of which nothing is masked the words
   * have nothing to work on; then it is said, and nothing is repainted unasked.
   */
  async paintWords(): Promise<void> {
    const { room } = this;
    room.settings.flush();
    if (!room.mayPaint) return;
    if ((await room.mask.isEmpty()) !== true) {
      this.render();
    } else if (!room.blank) {
      this.wordsGiven = true;
    } else if (room.settings.local.prompt.trim() === "") {
      this.notices.say("Say what to paint first, or paint something.");
    } else {
      this.render();
    }
  }

  /** The prompt is being written: whether it has anything to work on will be said. */
  giveWords(prompt: string): void {
    this.room.settings.edit({ prompt });
    this.wordsGiven = true;
    void this.room.mask.isEmpty();
  }

  /** The result becomes the sketch. */
  apply(): void {
    this.room.settings.flush();
    if (this.room.mayPaint) this.room.send({ type: "apply" });
  }

  /** The same, and says what that meant. */
  async applyAndTell(): Promise<void> {
    if (!this.room.mayPaint) return;
    if ((await this.room.mask.isEmpty()) === true) {
      this.notices.say("There is nothing to apply: no part is masked, so the picture is the sketch already.");
      return;
    }
    this.apply();
    this.notices.say("Applied: you paint on this picture now, and no part of it is masked. Undo takes that back.");
  }

  /** Masks all of the canvas, or nothing of it. */
  maskEverything(tool: "mask" | "restore"): void {
    if (!this.room.mayPaint) return;
    this.room.maskEverything(tool);
    this.notices.say(
      tool === "mask"
        ? "Everything is masked: the model may repaint all of it."
        : "Nothing is masked: the sketch is back as it was painted.",
    );
  }

  /** Takes another name, and comes in with it again: the others see it at once. */
  rename(name: string): void {
    const next = name.trim().slice(0, 64);
    if (next === "" || next === this.name) return;
    this.name = next;
    remember("name", next);
    this.room.comeAgain();
  }

  /** Does what a key says; the held ones (Space, C) are the page's. */
  act(action: Action): void {
    const { toolbox } = this;
    const actions: Partial<Record<Action, () => void>> = {
      brush: () => toolbox.take("brush"),
      erase: () => toolbox.take("erase"),
      mask: () => toolbox.take("mask"),
      restore: () => toolbox.take("restore"),
      eyedropper: () => toolbox.take("eyedropper"),
      hand: () => toolbox.take("hand"),
      smaller: () => toolbox.step(-1),
      larger: () => toolbox.step(1),
      softer: () => toolbox.stepHardness(-1),
      harder: () => toolbox.stepHardness(1),
      swap: () => toolbox.swap(),
      "default-colours": () => toolbox.defaultColours(),
      undo: () => this.undo(),
      redo: () => this.redo(),
      fit: () => this.fit(),
      "actual-size": () => this.actualSize(),
      "zoom-in": () => this.zoom(1.25),
      "zoom-out": () => this.zoom(0.8),
      // Enter twice in the prompt asks twice.
      apply: () => void (this.wordsSent ? this.paintWords() : this.applyAndTell()),
      render: () => void this.paintWords(),
      "show-mask": () => this.room.mask.show(!this.room.mask.shown),
      "mask-all": () => this.maskEverything("mask"),
      "mask-none": () => this.maskEverything("restore"),
      prompt: () => this.focusPrompt(),
      help: () => (this.helpOpen = !this.helpOpen),
    };
    actions[action]?.();
  }

  #look(view: View): void {
    const { picture } = this.room;
    this.view = picture ? keptInSight(view, picture, stageOfOne(this.mode, this.stage, this.insets)) : view;
    this.#arrange();
  }

  #arrange(): void {
    this.#renderer?.arrange(this.view, this.panes);
  }

  #inPane(point: Point): Point {
    const pane = paneAt(this.panes, point);
    return { x: point.x - (pane?.origin.x ?? 0), y: point.y - (pane?.origin.y ?? 0) };
  }

  #point(sample: Sample, pane: Pane): StrokePoint {
    const { x, y } = toCanvas(this.view, { x: sample.x - pane.origin.x, y: sample.y - pane.origin.y });
    return [x, y, sample.pressure];
  }
}

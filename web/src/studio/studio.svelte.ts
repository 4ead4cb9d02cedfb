import { browserClock, type Presence, type Rect, socketAddress, type StrokePoint } from "../../client/src";
import { dividerEdge, partLeftOf } from "../stage/divider";
import type { Sample } from "../stage/gestures";
import { layoutOf, type Layout } from "../stage/layout";
import { paneAt, panesOf, Renderer, stageOfOne, type Pane, type ViewMode } from "../stage/renderer";
import { Twist } from "../stage/twist";
import {
  centred,
  fitted,
  keptInSight,
  mirroredAt,
  seenIn,
  panned,
  rectToScreen,
  restingAngle,
  toCanvas,
  toScreen,
  turnedAt,
  TURN_STEP,
  UPRIGHT,
  zoomedAt,
  type Insets,
  type Point,
  type View,
} from "../stage/view";
import { newMemberName, newRoomName, placeFromAddress } from "../wire/identity";
import { Drawing } from "./drawing.svelte";
import { Following } from "./following.svelte";
import { changeKnown, withOpened } from "./known-rooms";
import { Notices } from "./notices.svelte";
import type { OfferedPicture } from "./photo";
import { PresenceSender } from "./presence";
import { Reference } from "./reference.svelte";
import { Room } from "./room.svelte";
import type { Action } from "./shortcuts";
import { recall, remember } from "./storage";
import { type Thumbnail } from "./thumbnails.svelte";
import { Toolbox } from "./toolbox.svelte";
import type { Unsent } from "./unsent";

/** The tool palette, the view and the room: everything that the page shows. */
export class Studio {
  readonly notices = new Notices();
  readonly toolbox = new Toolbox();
  readonly room: Room;
  readonly following: Following;
  readonly drawing: Drawing;
  readonly reference = new Reference();
  name = $state("");
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
  /** A stroke is down: panels get out of the way. */
  painting = $state(false);
  panning = $state(false);
  helpOpen = $state(false);
  /** The dialog for a new canvas is open. */
  newOpen = $state(false);
  /** The dialog for a file to take away is open. */
  exportOpen = $state(false);
  /** The dialog with the room's time-lapse is open. */
  timelapseOpen = $state(false);
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
  /** Where the stroke in hand is drawn. */
  #pane: Pane | undefined;
  #fitWanted = true;
  readonly #presence: PresenceSender;
  /** Where the pointer was last, in canvas pixels. */
  #pointer: Point | undefined;
  readonly #twist = new Twist();
  #random = Math.random;

  constructor(page: URL, client: string, unsent?: Unsent) {
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
    this.following = new Following({
      view: () => this.view,
      pane: () => stageOfOne(this.mode, this.stage, this.insets),
      look: (view) => {
        this.#fitWanted = false;
        this.#look(view);
      },
      frame: (task) => {
        const frame = requestAnimationFrame(task);
        return () => cancelAnimationFrame(frame);
      },
      still: matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    this.#presence = new PresenceSender(
      browserClock,
      () => this.#presenceNow(),
      (presence) => this.room.send({ type: "presence", ...presence }),
    );
    this.room = new Room({
      name: room,
      url: socketAddress(page, room),
      client,
      store: unsent?.outbox(socketAddress(page, room), client),
      memberName: () => this.name,
      token: place.token,
      clock: browserClock,
      notices: this.notices,
      joined: (role) => changeKnown((known) => withOpened(known, { room, token: place.token, role, opened: Date.now() })),
      othersCame: () => this.#presence.changed(),
      saw: (client, view) => this.following.saw(client, view),
      photoPlaced: () => {
        if (this.toolbox.lend("mask")) this.notices.say("The mask is in hand: brush over a part, and say what it should become.");
        const wanted = this.room.model?.defaults?.photo;
        if (wanted) this.room.settings.lend(wanted);
      },
    });
    this.drawing = new Drawing({
      toolbox: this.toolbox,
      begin: (brush, held) => {
        if (brush.tool === "brush") this.toolbox.painted(brush.color);
        return this.room.painter.begin(brush, held);
      },
      canvas: () => this.room.picture,
      pixel: () => 1 / this.view.scale,
      seen: () => this.room.picture?.seen(this.#pane?.layer ?? "result"),
      tell: (sentence) => this.notices.say(sentence),
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
    return dividerEdge(this.divider, this.#pictureBox, this.stage.x);
  }

  /** The box on the stage around the picture, without its pane's origin, in CSS pixels. */
  get #pictureBox(): Rect {
    return rectToScreen(this.view, this.room.picture?.bounds ?? [0, 0, 1, 1]);
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

  /** The whole canvas, upright and as large as it fits. */
  fit(): void {
    this.following.end();
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
    this.#takeView();
    this.#look(centred(picture, stageOfOne(this.mode, this.stage, this.insets), this.insets, { ...this.view, scale: 1 }));
  }

  /** Scales around a point of the stage; around its middle where there is none. */
  zoom(factor: number, at?: Point): void {
    const point = at ?? { x: this.stage.x / 2, y: this.stage.y / 2 };
    this.#takeView();
    this.#look(zoomedAt(this.view, this.#inPane(point), factor));
  }

  pan(dx: number, dy: number): void {
    this.#takeView();
    this.#look(panned(this.view, dx, dy));
  }

  /** Two fingers came down on the stage. */
  pinchBegin(): void {
    this.#twist.begin();
  }

  pinch(before: [Point, Point], after: [Point, Point]): void {
    this.#takeView();
    const inPane = (pair: [Point, Point]): [Point, Point] => {
      const pane = paneAt(this.panes, before[0]);
      const shift = (point: Point): Point => ({ x: point.x - (pane?.origin.x ?? 0), y: point.y - (pane?.origin.y ?? 0) });
      return [shift(pair[0]), shift(pair[1])];
    };
    this.#look(this.#twist.follow(this.view, inPane(before), inPane(after)));
  }

  /** Turns the view to an angle, in degrees, around the middle of what the panels leave free. */
  turnTo(angle: number, inSteps = false): void {
    this.#takeView();
    this.#look(turnedAt(this.view, this.middle, restingAngle(angle, inSteps)));
  }

  /** Turns the view by a step to the right or to the left. */
  turnStep(direction: 1 | -1): void {
    this.turnTo(this.view.angle + direction * TURN_STEP, true);
  }

  /** Shows the picture mirrored left to right, or no more; the picture stays as it is. */
  mirror(): void {
    this.#takeView();
    this.#look(mirroredAt(this.view, this.middle));
  }

  /** Neither turned nor mirrored, as large as before. */
  upright(): void {
    if (this.view.mirrored) this.mirror();
    this.turnTo(0);
  }

  /** The middle of what the panels leave of a pane, in CSS pixels. */
  get middle(): Point {
    const { x, y } = stageOfOne(this.mode, this.stage, this.insets);
    const { left, right, top, bottom } = this.insets;
    return { x: (left + x - right) / 2, y: (top + y - bottom) / 2 };
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
    if (this.room.picture) this.moveDivider(partLeftOf(x, this.#pictureBox));
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
    if (!pane || this.#pane) return;
    if (!this.room.mayPaint) {
      this.notices.say(this.room.whyNot);
      return;
    }
    this.crosshair = undefined;
    this.#pane = pane;
    this.painting = true;
    this.room.blank = false;
    this.toolbox.tips.begins(sample);
    this.drawing.begin(this.#point(sample, pane), held);
  }

  strokeMove(samples: readonly Sample[]): void {
    const pane = this.#pane;
    if (pane) this.drawing.move(samples.map((sample) => this.#point(sample, pane)));
  }

  strokeCommit(): void {
    this.drawing.commit();
  }

  strokeEnd(): void {
    if (this.#pane) this.drawing.end();
    this.#pane = undefined;
    this.painting = false;
  }

  strokeCancel(): void {
    if (this.#pane) this.drawing.cancel();
    this.#pane = undefined;
    this.painting = false;
    this.room.judgeBlankSoon();
  }

  /** Drops the polygon in the making; false where there is none. */
  abandonShape(): boolean {
    const { unfinished } = this.drawing;
    this.drawing.abandon();
    if (unfinished) this.room.judgeBlankSoon();
    return unfinished;
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
    if (point) this.pointAt(this.canvasPoint(point));
  }

  /** The pointer, or the keyboard's crosshair, is at a canvas point: the others see it. */
  pointAt(point: Point): void {
    this.#pointer = point;
    this.#presence.changed();
  }

  /** Looks where somebody looks, or does not any more. */
  follow(client: string): void {
    if (this.following.client === client) this.following.end();
    else this.following.begin(client, this.room.people.viewOf(client));
  }

  undo(): void {
    if (this.drawing.corners.length > 0) this.drawing.dropCorner();
    else if (this.room.mayPaint) this.room.send({ type: "undo" });
  }

  redo(): void {
    if (this.room.mayPaint) this.room.send({ type: "redo" });
  }

  /** The picture as it was, for everybody, as a step that can be undone. */
  goBack(thumbnail: Thumbnail): void {
    const { room } = this;
    if (!room.mayPaint) {
      this.notices.say(this.room.whyNot);
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
    const network = /<(?:lora|lyco|hypernet):[^>]*>/u.exec(room.settings.local.prompt)?.[0];
    if (network) this.notices.say(`${network} is passed over: whoever runs the server chooses its LoRAs.`);
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

  /** Masks what is not masked, and nothing else. */
  async invertMask(): Promise<void> {
    if (!this.room.mayPaint) return;
    const inverted = await this.room.invertMask();
    this.notices.say(inverted ? "The mask is inverted: what was not masked is, and nothing else." : "The mask could not be read; try again once you are connected.");
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
      line: () => toolbox.draw("line"),
      rectangle: () => toolbox.draw("rectangle"),
      ellipse: () => toolbox.draw("ellipse"),
      polygon: () => toolbox.draw("polygon"),
      lasso: () => toolbox.draw("lasso"),
      fill: () => toolbox.fill(!toolbox.filled),
      bucket: () => toolbox.draw("bucket"),
      gradient: () => toolbox.draw("gradient"),
      text: () => toolbox.draw("text"),
      symmetry: () => toolbox.toggleSymmetry(),
      looser: () => toolbox.steadyTo(toolbox.steady - 0.1),
      steadier: () => toolbox.steadyTo(toolbox.steady + 0.1),
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
      mirror: () => this.mirror(),
      "turn-left": () => this.turnStep(-1),
      "turn-right": () => this.turnStep(1),
      // Enter twice in the prompt asks twice.
      apply: () => void (this.drawing.corners.length > 0 ? this.drawing.finish() : this.wordsSent ? this.paintWords() : this.applyAndTell()),
      render: () => void this.paintWords(),
      "show-mask": () => this.room.mask.show(!this.room.mask.shown),
      "mask-all": () => this.maskEverything("mask"),
      "mask-none": () => this.maskEverything("restore"),
      "mask-invert": () => void this.invertMask(),
      prompt: () => this.focusPrompt(),
      reference: () => this.reference.toggle(),
      help: () => (this.helpOpen = !this.helpOpen),
    };
    actions[action]?.();
  }

  /** The view is moved by hand: it is neither fitted nor another's any more. */
  #takeView(): void {
    this.#fitWanted = false;
    this.following.end();
  }

  /** What the others are told; nothing while nobody else is here, or before there is a pointer. */
  #presenceNow(): Presence | undefined {
    if (this.room.members.length < 2 || !this.#pointer) return undefined;
    const view = seenIn(this.view, stageOfOne(this.mode, this.stage, this.insets));
    const { x, y } = this.#pointer;
    const tool = this.toolbox.inHand;
    return {
      x: Math.round(x * 10) / 10,
      y: Math.round(y * 10) / 10,
      ...(tool === "hand" || tool === "eyedropper" ? {} : { tool }),
      // Two who follow each other would run away together.
      ...(this.following.client === undefined ? { view } : {}),
    };
  }

  #look(view: View): void {
    const { picture } = this.room;
    this.view = picture ? keptInSight(view, picture, stageOfOne(this.mode, this.stage, this.insets)) : view;
    this.#arrange();
  }

  #arrange(): void {
    this.#renderer?.arrange(this.view, this.panes);
    this.#presence.changed();
  }

  #inPane(point: Point): Point {
    const pane = paneAt(this.panes, point);
    return { x: point.x - (pane?.origin.x ?? 0), y: point.y - (pane?.origin.y ?? 0) };
  }

  #point(sample: Sample, pane: Pane): StrokePoint {
    const { x, y } = toCanvas(this.view, { x: sample.x - pane.origin.x, y: sample.y - pane.origin.y });
    return [x, y, this.toolbox.tips.felt(sample.pressure)];
  }
}

import { browserClock, type Presence, socketAddress, type StrokePoint } from "../../client/src";
import type { Sample } from "../stage/gestures";
import { paneAt, type Pane } from "../stage/renderer";
import type { Point } from "../stage/view";
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
import { Toolbox, type HandTool } from "./toolbox.svelte";
import type { Unsent } from "./unsent";
import { Viewport } from "./viewport.svelte";

/** What is painted lies on a layer; the mask is one for all of them, and is kept with the lowest. */
function paints(tool: HandTool): boolean {
  return tool === "brush" || tool === "erase" || tool === "smudge";
}

/** The tool palette, the view and the room: everything that the page shows. */
export class Studio {
  readonly notices = new Notices();
  readonly toolbox = new Toolbox();
  readonly room: Room;
  readonly following: Following;
  readonly drawing: Drawing;
  readonly reference = new Reference();
  readonly viewport: Viewport;
  name = $state("");
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
  /** Where the stroke in hand is drawn. */
  #pane: Pane | undefined;
  readonly #presence: PresenceSender;
  /** Where the pointer was last, in canvas pixels. */
  #pointer: Point | undefined;
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
    this.viewport = new Viewport({
      picture: () => this.room.picture,
      taken: () => this.following.end(),
      arranged: () => this.#presence.changed(),
    });
    this.following = new Following({
      view: () => this.viewport.view,
      pane: () => this.viewport.stageOfOne,
      look: (view) => this.viewport.follow(view),
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
        return this.room.painter.begin({ ...brush, ...(paints(brush.tool) ? this.room.layers.ofStroke : {}) }, held);
      },
      canvas: () => this.room.picture,
      pixel: () => 1 / this.viewport.view.scale,
      seen: () => this.room.picture?.seen(this.#pane?.layer ?? "result"),
      tell: (sentence) => this.notices.say(sentence),
    });
  }

  /** The photo is not the base any more: what took another's place for it goes with it. */
  photoGone(): void {
    this.toolbox.giveBack();
    this.room.settings.giveBack();
  }

  /** The brush is over a photo, where its words count and its colour does not. */
  get colourIsIdle(): boolean {
    return this.room.mayPaint && this.room.photo !== undefined && this.toolbox.inHand === "brush";
  }

  /** The visible canvas is there. */
  attach(canvas: HTMLCanvasElement): void {
    this.room.renderer = this.viewport.attach(canvas);
  }

  strokeBegin(sample: Sample, held: boolean): void {
    const pane = paneAt(this.viewport.panes, sample);
    if (!pane || this.#pane) return;
    if (!this.room.mayPaint) {
      this.notices.say(this.room.whyNot);
      return;
    }
    const { whyNot } = this.room.layers;
    if (whyNot !== undefined && paints(this.toolbox.inHand)) {
      this.notices.say(whyNot);
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
    const pane = paneAt(this.viewport.panes, point);
    const { x, y } = this.viewport.canvasPoint(point);
    const color = pane && this.room.picture?.colourAt(pane.layer, x, y);
    if (color !== undefined) this.toolbox.dip(color);
  }

  /** The pointer is here: the others see it. */
  point(point: Point | undefined): void {
    this.hover = point;
    if (point) this.pointAt(this.viewport.canvasPoint(point));
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
      smudge: () => toolbox.take("smudge"),
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
      fit: () => this.viewport.fit(),
      "actual-size": () => this.viewport.actualSize(),
      "zoom-in": () => this.viewport.zoom(1.25),
      "zoom-out": () => this.viewport.zoom(0.8),
      mirror: () => this.viewport.mirror(),
      "turn-left": () => this.viewport.turnStep(-1),
      "turn-right": () => this.viewport.turnStep(1),
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

  /** What the others are told; nothing while nobody else is here, or before there is a pointer. */
  #presenceNow(): Presence | undefined {
    if (this.room.members.length < 2 || !this.#pointer) return undefined;
    const view = this.viewport.seen;
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

  #point(sample: Sample, pane: Pane): StrokePoint {
    const [x, y, pressure] = this.viewport.strokePoint(sample, pane);
    return [x, y, this.toolbox.tips.felt(pressure)];
  }
}

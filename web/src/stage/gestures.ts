import type { Point } from "./view";

/** One pointer event, in CSS pixels of the stage. */
export interface PointerInput {
  id: number;
  kind: "mouse" | "pen" | "touch";
  x: number;
  y: number;
  pressure: number;
  /** Of a pen that says how it is held: as in `Sample`. */
  altitude?: number;
  azimuth?: number;
  /** Pressed button of a `down`: 0 main, 1 middle, 2 secondary. */
  button: number;
  /** Milliseconds. */
  time: number;
  /** Every position since the last event, this one last. */
  samples: readonly Sample[];
}

/** A position with its pressure. */
export interface Sample extends Point {
  pressure: number;
  /** Of a pen that says how it is held: its angle over the screen in radians, a quarter turn where it stands. */
  altitude?: number;
  /** Where its end points, in radians clockwise from the right. */
  azimuth?: number;
}

/** What the hands mean. */
export interface GestureHandlers {
  /** A stroke begins; a `held` one may still turn out to be a pinch. */
  strokeBegin(sample: Sample, held: boolean): void;
  strokeMove(samples: readonly Sample[]): void;
  /** A held stroke is one for sure. */
  strokeCommit(): void;
  strokeEnd(): void;
  /** It was none: nothing of it may stay. */
  strokeCancel(): void;
  panBegin(): void;
  pan(dx: number, dy: number): void;
  panEnd(): void;
  pinch(before: [Point, Point], after: [Point, Point]): void;
  /** Two or three fingers tapped. */
  tap(fingers: number): void;
}

/** What the main button or a finger does right now. */
export type Hand = "paint" | "pan" | "nothing";

/** A touch is held back this long, and this far, before it is a stroke for sure. */
const HOLD_MS = 110;
const HOLD_DISTANCE = 12;
/** A second finger turns a young, short stroke into a gesture. */
const YOUNG_MS = 320;
const YOUNG_DISTANCE = 28;
const TAP_MS = 280;
const TAP_DISTANCE = 14;
/** A hand that rests after the pen lifts. */
const PALM_MS = 400;

interface Finger {
  start: Point;
  at: Point;
  since: number;
}

/**
 * Tells painting, panning, pinching and tapping apart.
 *
 * One finger or the pen paints; a second finger, if it comes soon, makes it a
 * pinch; while a pen is down or has just been, fingers are palms.
 */
export class Gestures {
  readonly #handlers: GestureHandlers;
  readonly #hand: () => Hand;
  readonly #fingers = new Map<number, Finger>();
  #stroke: { id: number; kind: PointerInput["kind"]; start: Point; since: number; held: boolean; far: number } | undefined;
  #pan: { id: number; at: Point } | undefined;
  #penSeen = Number.NEGATIVE_INFINITY;
  /** The most fingers of the present touch, and whether it can still be a tap. */
  #most = 0;
  #tap = false;
  #tapSince = 0;

  constructor(handlers: GestureHandlers, hand: () => Hand) {
    this.#handlers = handlers;
    this.#hand = hand;
  }

  /** True while something is painted. */
  get painting(): boolean {
    return this.#stroke !== undefined;
  }

  down(input: PointerInput): void {
    if (input.kind === "touch") {
      this.#touchDown(input);
      return;
    }
    if (input.kind === "pen") {
      this.#penSeen = Number.POSITIVE_INFINITY;
      this.#dismissFingers();
    }
    const hand = input.button === 1 ? "pan" : input.button === 0 ? this.#hand() : "nothing";
    this.#begin(input, hand, false);
  }

  move(input: PointerInput): void {
    const finger = this.#fingers.get(input.id);
    if (finger && this.#fingers.size >= 2 && !this.#stroke) {
      this.#pinchMove(input, finger);
      return;
    }
    if (finger) this.#place(finger, input);
    if (this.#stroke?.id === input.id) {
      const stroke = this.#stroke;
      stroke.far = Math.max(stroke.far, Math.hypot(input.x - stroke.start.x, input.y - stroke.start.y));
      this.#handlers.strokeMove(input.samples);
      if (stroke.held && (stroke.far > HOLD_DISTANCE || input.time - stroke.since > HOLD_MS)) this.commit();
    } else if (this.#pan?.id === input.id) {
      this.#handlers.pan(input.x - this.#pan.at.x, input.y - this.#pan.at.y);
      this.#pan.at = { x: input.x, y: input.y };
    }
  }

  /** The hold-back time of a resting finger is over. */
  commit(): void {
    if (!this.#stroke?.held) return;
    this.#stroke.held = false;
    this.#handlers.strokeCommit();
  }

  up(input: PointerInput): void {
    if (input.kind === "pen") this.#penSeen = input.time;
    if (this.#stroke?.id === input.id) {
      this.#stroke = undefined;
      this.#handlers.strokeEnd();
    } else if (this.#pan?.id === input.id) {
      this.#pan = undefined;
      this.#handlers.panEnd();
    }
    if (!this.#fingers.delete(input.id)) return;
    if (this.#fingers.size > 0) return;
    if (this.#tap && this.#most >= 2 && input.time - this.#tapSince < TAP_MS) this.#handlers.tap(this.#most);
    if (this.#most >= 2) this.#handlers.panEnd();
    this.#most = 0;
  }

  /** The system took the pointer away. */
  cancel(input: Pick<PointerInput, "id" | "kind" | "time">): void {
    if (input.kind === "pen") this.#penSeen = input.time;
    this.#fingers.delete(input.id);
    this.#tap = false;
    if (this.#fingers.size === 0) this.#most = 0;
    if (this.#stroke?.id === input.id) this.abandon();
    if (this.#pan?.id === input.id) {
      this.#pan = undefined;
      this.#handlers.panEnd();
    }
  }

  /** Drops the stroke in hand. */
  abandon(): void {
    if (!this.#stroke) return;
    this.#stroke = undefined;
    this.#handlers.strokeCancel();
  }

  #touchDown(input: PointerInput): void {
    if (input.time - this.#penSeen < PALM_MS) return;
    if (this.#stroke && this.#stroke.kind !== "touch") return;
    const at = { x: input.x, y: input.y };
    if (this.#stroke) {
      const young = this.#stroke.held || (input.time - this.#stroke.since < YOUNG_MS && this.#stroke.far < YOUNG_DISTANCE);
      if (!young) return;
      this.abandon();
    }
    if (this.#fingers.size === 0) {
      this.#tap = true;
      this.#tapSince = input.time;
      this.#most = 0;
    }
    this.#fingers.set(input.id, { start: at, at, since: input.time });
    this.#most = Math.max(this.#most, this.#fingers.size);
    if (this.#fingers.size === 1) {
      this.#begin(input, this.#hand(), true);
    } else if (this.#fingers.size === 2) {
      this.#pan = undefined;
      this.#handlers.panBegin();
    }
  }

  #begin(input: PointerInput, hand: Hand, held: boolean): void {
    if (this.#stroke || this.#pan || hand === "nothing") return;
    const at = { x: input.x, y: input.y };
    if (hand === "pan") {
      this.#pan = { id: input.id, at };
      this.#handlers.panBegin();
      return;
    }
    this.#stroke = { id: input.id, kind: input.kind, start: at, since: input.time, held, far: 0 };
    const { pressure, altitude, azimuth } = input;
    this.#handlers.strokeBegin({ ...at, pressure, ...(altitude === undefined || azimuth === undefined ? {} : { altitude, azimuth }) }, held);
  }

  #pinchMove(input: PointerInput, finger: Finger): void {
    const [first, second] = [...this.#fingers.values()];
    if (!first || !second) return;
    const before: [Point, Point] = [first.at, second.at];
    this.#place(finger, input);
    const after: [Point, Point] = [first.at, second.at];
    if (!this.#tap && (finger === first || finger === second)) this.#handlers.pinch(before, after);
  }

  #place(finger: Finger, input: PointerInput): void {
    finger.at = { x: input.x, y: input.y };
    if (Math.hypot(finger.at.x - finger.start.x, finger.at.y - finger.start.y) > TAP_DISTANCE) this.#tap = false;
    if (input.time - this.#tapSince > TAP_MS) this.#tap = false;
  }

  #dismissFingers(): void {
    if (this.#stroke?.kind === "touch") this.abandon();
    if (this.#pan && this.#fingers.has(this.#pan.id)) {
      this.#pan = undefined;
      this.#handlers.panEnd();
    }
    this.#fingers.clear();
    this.#most = 0;
    this.#tap = false;
  }
}

import type { Brush, StrokePoint } from "./brush.js";
import type { Clock } from "./clock.js";
import type { StrokeChunk } from "./protocol/index.js";

/** The longest that points wait before they are sent, in milliseconds. */
export const CHUNK_INTERVAL_MS = 50;
/** The most points of one message. */
export const CHUNK_POINTS = 1000;

/**
 * Cuts one stroke into messages: points leave at most 50 ms after they came,
 * at most 1000 at a time, and the last message says `done`.
 *
 * The first message always carries the brush, and none is empty: a last
 * message without new points repeats the last one.
 */
export class StrokeChunker {
  readonly #id: string;
  readonly #brush: Brush;
  readonly #send: (chunk: StrokeChunk) => void;
  readonly #clock: Clock;
  #waiting: StrokePoint[] = [];
  #last: StrokePoint | undefined;
  #begun = false;
  #held: boolean;
  #over = false;
  #stopTimer: (() => void) | undefined;

  /** `held` keeps everything back until `release`: a finger may still become a pinch. */
  constructor(id: string, brush: Brush, send: (chunk: StrokeChunk) => void, clock: Clock, held = false) {
    this.#id = id;
    this.#brush = brush;
    this.#send = send;
    this.#clock = clock;
    this.#held = held;
  }

  /** True once a message of this stroke left. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Takes new points in. */
  add(points: readonly StrokePoint[]): void {
    if (this.#over || points.length === 0) return;
    for (const [x, y, pressure] of points) {
      const point: StrokePoint = [round(x, 100), round(y, 100), round(pressure, 1000)];
      this.#last = point;
      this.#waiting.push(point);
    }
    this.#arm();
  }

  /** Lets a held stroke go. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#arm();
  }

  /** Sends what is left and says that the stroke is done. */
  end(): void {
    if (this.#over) return;
    this.#held = false;
    this.#over = true;
    this.#stopTimer?.();
    if (this.#last === undefined) return;
    if (this.#waiting.length === 0) this.#waiting.push(this.#last);
    this.#flush(true);
  }

  /** Drops what was not sent; true when nothing had left yet. */
  cancel(): boolean {
    this.#over = true;
    this.#stopTimer?.();
    this.#waiting = [];
    return !this.#begun;
  }

  #arm(): void {
    if (this.#held || this.#over || this.#waiting.length === 0) return;
    if (this.#waiting.length >= CHUNK_POINTS) {
      this.#stopTimer?.();
      this.#stopTimer = undefined;
      this.#flush(false);
      return;
    }
    this.#stopTimer ??= this.#clock.after(CHUNK_INTERVAL_MS, () => {
      this.#stopTimer = undefined;
      this.#flush(false);
    });
  }

  #flush(done: boolean): void {
    while (this.#waiting.length > 0) {
      const points = this.#waiting.splice(0, CHUNK_POINTS);
      const brush = this.#begun ? {} : this.#brush;
      this.#begun = true;
      this.#send({ id: this.#id, ...brush, points, done: done && this.#waiting.length === 0 });
    }
  }
}

function round(value: number, grain: number): number {
  return Math.round(value * grain) / grain;
}

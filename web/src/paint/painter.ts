import {
  type Brush,
  type Clock,
  type Rect,
  type StrokeChunk,
  StrokeChunker,
  type StrokePoint,
} from "../../client/src";
import { inkKey, type Ink } from "./ink";

/** What painting needs from outside. */
export interface PainterOptions {
  /** This member's id. */
  client: () => string;
  ink: () => Ink | undefined;
  send: (chunk: StrokeChunk) => void;
  /** Ink changed here. */
  inked: (rect: Rect) => void;
  /** An unsent or refused stroke is to be taken back. */
  undo: () => void;
  newId: () => string;
  clock: Clock;
}

/** A stroke in hand. */
export interface StrokeInHand {
  readonly id: string;
  /** Draws on. */
  add(points: readonly StrokePoint[]): void;
  /** A held stroke is one for sure. */
  commit(): void;
  end(): void;
  /** Leaves nothing behind: what was sent already is undone. */
  cancel(): void;
}

/** When a chunk was drawn and where, for measuring. */
export interface SentChunk {
  stroke: string;
  /** When its last point was drawn, in the clock's milliseconds. */
  drawnAt: number;
}

/** Turns the hand's points into ink at once and into messages soon after. */
export class Painter {
  readonly #options: PainterOptions;
  readonly #own = new Set<string>();
  readonly #sent = new Map<string, SentChunk[]>();
  /** How to stop the strokes in hand. */
  readonly #hands = new Map<string, () => void>();

  constructor(options: PainterOptions) {
    this.#options = options;
  }

  /** Begins a stroke; a `held` one sends nothing until `commit`. */
  begin(brush: Brush, held = false, id = this.#options.newId()): StrokeInHand {
    const { clock } = this.#options;
    const key = inkKey(this.#options.client(), id);
    this.#own.add(key);
    this.#options.ink()?.begin(key, brush);
    let drawnAt = clock.now();
    let over = false;
    const chunker = new StrokeChunker(
      id,
      brush,
      (chunk) => {
        this.#options.ink()?.cut(key);
        this.#remember({ stroke: id, drawnAt });
        this.#options.send(chunk);
      },
      clock,
      held,
    );
    const done = (): void => {
      over = true;
      this.#hands.delete(id);
    };
    this.#hands.set(id, () => {
      done();
      chunker.cancel();
      const dirty = this.#options.ink()?.drop(key);
      if (dirty) this.#options.inked(dirty);
    });
    return {
      id,
      add: (points) => {
        if (over) return;
        drawnAt = clock.now();
        const dirty = this.#options.ink()?.extend(key, points);
        if (dirty) this.#options.inked(dirty);
        chunker.add(points);
      },
      commit: () => chunker.release(),
      end: () => {
        if (over) return;
        done();
        this.#options.ink()?.finish(key);
        chunker.end();
      },
      cancel: () => {
        if (over) return;
        done();
        const dirty = this.#options.ink()?.drop(key);
        if (dirty) this.#options.inked(dirty);
        if (!chunker.begun) {
          chunker.cancel();
          return;
        }
        chunker.end();
        this.#options.undo();
      },
    };
  }

  /** True for strokes that were painted here. */
  isOwn(client: string, id: string): boolean {
    return this.#own.has(inkKey(client, id));
  }

  /** A chunk got its place in the order. Answers when it was drawn. */
  acknowledge(id: string, seq: number): SentChunk | undefined {
    this.#options.ink()?.acknowledge(inkKey(this.#options.client(), id), seq);
    const waiting = this.#sent.get(id);
    const first = waiting?.shift();
    if (waiting?.length === 0) this.#sent.delete(id);
    return first;
  }

  /** This member may not paint any more: nothing more of a stroke in hand is drawn or sent, and its ink goes. */
  stop(): void {
    for (const stop of [...this.#hands.values()]) stop();
  }

  /** A chunk was refused: its stroke goes, and no more of it would be taken. */
  refuse(id: string): void {
    this.#hands.get(id)?.();
    this.#sent.delete(id);
    const dirty = this.#options.ink()?.drop(inkKey(this.#options.client(), id));
    if (dirty) this.#options.inked(dirty);
  }

  #remember(chunk: SentChunk): void {
    const waiting = this.#sent.get(chunk.stroke);
    if (waiting) waiting.push(chunk);
    else this.#sent.set(chunk.stroke, [chunk]);
  }
}

import type { ClientMessage, ErrorMessage, Op } from "./protocol/index.js";

/** A message that becomes an op: it is kept until the server acknowledges it. */
export type OpMessage = Extract<
  ClientMessage,
  { type: "stroke" | "settings" | "layer" | "apply" | "place" | "undo" | "redo" | "revert" }
>;

/** True for messages that become ops. */
export function isOpMessage(message: ClientMessage): message is OpMessage {
  return ["stroke", "settings", "layer", "apply", "place", "undo", "redo", "revert"].includes(message.type);
}

/** A picture that goes on a layer. */
function isOnLayer(message: OpMessage): boolean {
  return message.type === "place" && message.layer !== undefined;
}

/** What was kept of an outbox when its page went. */
export interface KeptOutbox {
  /** What was not acknowledged, oldest first, each under its number. */
  messages: readonly { number: number; message: OpMessage }[];
  /** What `Outbox.settled` was. */
  settled: number;
}

/**
 * Where an outbox outlives its page: of one room and one client, whose ids the server knows. What is put, dropped and
 * settled counts in the order of the calls; none of them throws, and one that comes to nothing changes nothing here.
 */
export interface OutboxStore {
  /** What was kept. */
  load(): Promise<KeptOutbox>;
  /** Keeps a message under a number. */
  put(number: number, message: OpMessage): void;
  /** Forgets the messages of some numbers, and remembers what is settled. */
  drop(numbers: readonly number[], settled: number): void;
}

/**
 * What was said and not yet acknowledged, in order.
 *
 * The server answers in the order it was asked, so an acknowledgement belongs
 * to the oldest entry that fits. One op is acknowledged twice, by `ack` and by
 * its own `op`; its `seq` tells the second from a new one.
 */
export class Outbox {
  readonly #store: OutboxStore | undefined;
  #entries: OpMessage[] = [];
  /** The number of each entry, by which the store knows it. */
  #numbers: number[] = [];
  #next = 1;
  #settled = 0;

  /** With a `store`, what waits outlives the page. */
  constructor(store?: OutboxStore) {
    this.#store = store;
  }

  /** The messages that wait, oldest first. */
  get entries(): readonly OpMessage[] {
    return this.#entries;
  }

  /** The highest `seq` that one of our own ops got; before the first one, what the room was at when we came. */
  get settled(): number {
    return this.#settled;
  }

  /**
   * Takes up what a page before this one left, before anything is added. Of a stroke whose hand was down the rest will
   * never come: it is ended.
   */
  async restore(): Promise<void> {
    if (!this.#store) return;
    const { messages, settled } = await this.#store.load();
    this.#settled = settled;
    this.#entries = messages.map(({ message }) => message);
    this.#numbers = messages.map(({ number }) => number);
    this.#next = Math.max(0, ...this.#numbers) + 1;
    const done = new Map<string, boolean>();
    for (const entry of this.#entries) {
      if (entry.type === "stroke") done.set(entry.id, entry.done);
    }
    for (const [id, isDone] of done) {
      if (!isDone) this.add({ type: "stroke", id, points: [], done: true });
    }
  }

  /** The room was entered for the first time, when `seq` was its last op: none of ours is before that. */
  enter(seq: number): void {
    this.#settled = Math.max(this.#settled, seq);
    this.#store?.drop([], this.#settled);
  }

  /** Keeps a message until it is acknowledged. */
  add(message: OpMessage): void {
    this.#entries.push(message);
    this.#numbers.push(this.#next);
    this.#store?.put(this.#next, message);
    this.#next += 1;
  }

  /** An `ack` came. Answers the message that it was about. */
  acknowledge(seq: number, id?: string): OpMessage | undefined {
    return this.#settle(seq, (entry) =>
      id === undefined ? entry.type !== "stroke" : entry.type === "stroke" && entry.id === id,
    );
  }

  /** An op of our own came. Answers the message that it was about, if no `ack` did before. */
  recognise(seq: number, op: Op): OpMessage | undefined {
    return this.#settle(seq, (entry) =>
      op.type === "stroke"
        ? entry.type === "stroke" && entry.id === op.id
        : entry.type === op.type,
    );
  }

  /** A refusal came. Takes the message that it is about away and answers it. */
  refuse(error: ErrorMessage): OpMessage | undefined {
    const at = this.#entries.findIndex((entry) => {
      if (error.id !== undefined) return entry.type === "stroke" && entry.id === error.id;
      switch (error.code) {
        case "nothing_to_undo":
          return entry.type === "undo" || entry.type === "redo" || entry.type === "revert";
        case "unknown_type":
          // An older server.
          return entry.type === "revert" || entry.type === "layer";
        case "unknown_sampler":
          return entry.type === "settings";
        case "unknown_layer":
        case "layer_locked":
          return entry.type === "layer" || isOnLayer(entry);
        case "too_large":
          return isOnLayer(entry);
        case "unknown_image":
          return entry.type === "place";
        case "prompt_blocked":
          return (entry.type === "settings" || entry.type === "place") && entry.prompt !== undefined;
        case "forbidden":
        case "room_locked":
        case "invalid_value":
          return entry.type !== "stroke";
        default:
          return false;
      }
    });
    return at < 0 ? undefined : this.#take([at])[0];
  }

  /** Takes every chunk of a stroke away and answers them, in order. */
  withdraw(id: string): OpMessage[] {
    return this.takeAll((entry) => entry.type === "stroke" && entry.id === id);
  }

  /** Takes all that fit away and answers them, in order. */
  takeAll(fits: (entry: OpMessage) => boolean): OpMessage[] {
    return this.#take(this.#entries.flatMap((entry, at) => (fits(entry) ? [at] : [])));
  }

  /** The room counts from the beginning again. */
  restart(): void {
    this.#settled = 0;
    this.#store?.drop([], 0);
  }

  #settle(seq: number, fits: (entry: OpMessage) => boolean): OpMessage | undefined {
    if (seq <= this.#settled) return undefined;
    const at = this.#entries.findIndex(fits);
    if (at < 0) return undefined;
    this.#settled = seq;
    return this.#take([at])[0];
  }

  /** Takes the entries at these places, in rising order. */
  #take(places: readonly number[]): OpMessage[] {
    const taken: OpMessage[] = [];
    const numbers: number[] = [];
    for (const at of [...places].reverse()) {
      taken.unshift(...this.#entries.splice(at, 1));
      numbers.push(...this.#numbers.splice(at, 1));
    }
    if (numbers.length > 0) this.#store?.drop(numbers, this.#settled);
    return taken;
  }
}

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

/**
 * What was said and not yet acknowledged, in order.
 *
 * The server answers in the order it was asked, so an acknowledgement belongs
 * to the oldest entry that fits. One op is acknowledged twice, by `ack` and by
 * its own `op`; its `seq` tells the second from a new one.
 */
export class Outbox {
  #entries: OpMessage[] = [];
  #settled = 0;

  /** The messages that wait, oldest first. */
  get entries(): readonly OpMessage[] {
    return this.#entries;
  }

  /** The highest `seq` that one of our own ops got. */
  get settled(): number {
    return this.#settled;
  }

  /** Keeps a message until it is acknowledged. */
  add(message: OpMessage): void {
    this.#entries.push(message);
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
          return entry.type === "layer";
        case "unknown_image":
          return entry.type === "place";
        case "forbidden":
        case "room_locked":
        case "invalid_value":
          return entry.type !== "stroke";
        default:
          return false;
      }
    });
    return at < 0 ? undefined : this.#entries.splice(at, 1)[0];
  }

  /** Takes every chunk of a stroke away and answers them, in order. */
  withdraw(id: string): OpMessage[] {
    const withdrawn = this.#entries.filter((entry) => entry.type === "stroke" && entry.id === id);
    this.#entries = this.#entries.filter((entry) => !withdrawn.includes(entry));
    return withdrawn;
  }

  /** The room counts from the beginning again. */
  restart(): void {
    this.#settled = 0;
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries = [];
  }

  #settle(seq: number, fits: (entry: OpMessage) => boolean): OpMessage | undefined {
    if (seq <= this.#settled) return undefined;
    const at = this.#entries.findIndex(fits);
    if (at < 0) return undefined;
    this.#settled = seq;
    return this.#entries.splice(at, 1)[0];
  }
}

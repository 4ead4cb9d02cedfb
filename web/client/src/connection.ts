import type { Clock } from "./clock.js";
import {
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  type ClientMessage,
  type ErrorCode,
  type ErrorMessage,
  type Hello,
  type Op,
  type ServerMessage,
} from "./protocol/index.js";
import { isOpMessage, Outbox, type OpMessage, type OutboxStore } from "./outbox.js";

/** The part of `WebSocket` that is used. */
export interface SocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** Where the connection stands. */
export type Phase =
  | { name: "connecting" }
  | { name: "open" }
  | { name: "waiting"; until: number; attempt: number }
  | { name: "refused"; code: ErrorCode; message: string }
  | { name: "closed" };

/** Who says hello; `client` is a secret that only the server hears. */
export interface Identity {
  client: string;
  name: string;
  token?: string;
}

/** What the connection tells. */
export interface ConnectionHandlers {
  /** Where the connection stands changed. */
  phase(phase: Phase): void;
  /** A text message came, after the outbox took note of it. */
  message(message: ServerMessage): void;
  /** A binary frame came. */
  frame(bytes: ArrayBuffer): void;
  /** One of our messages got its place in the order. */
  accepted(message: OpMessage, seq: number): void;
  /** One of our messages was refused; the refusal does not come as a `message` too. */
  refused(message: OpMessage, error: ErrorMessage): void;
  /** These messages are given up: the room is closed to us, or it cannot be told whether they were taken. */
  lost?(messages: readonly OpMessage[]): void;
  /** The number of unacknowledged messages may have changed. */
  pending(count: number): void;
}

/** Everything that a connection needs from outside. */
export interface ConnectionOptions {
  url: string;
  identity: () => Identity;
  open: (url: string, subprotocol: string) => SocketLike;
  clock: Clock;
  random: () => number;
  /** Where what is not acknowledged outlives the page. */
  store?: OutboxStore | undefined;
  handlers: ConnectionHandlers;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;
const PING_EVERY_MS = 10_000;
const SILENCE_MS = 25_000;
const REPLAY_WAIT_MS = 500;
/** The most missed ops that the server sends to who comes back. */
const MISSED_MOST = 256;
/**
 * Refusals that end a connection for good: whoever comes back to a deleted room would find another one, or none, and
 * whoever was removed is not let in.
 */
const FINAL: readonly ErrorCode[] = ["room_deleted", "removed"];
/** Refusals of a hello that pass; trying again does not change the others. */
const PASSING: readonly ErrorCode[] = ["room_full", "unavailable", "rate_limited", "internal"];

/**
 * The websocket of one room: says hello, comes back after a loss with growing,
 * jittered pauses, and sends again what was never acknowledged.
 */
export class Connection {
  readonly outbox: Outbox;
  readonly #options: ConnectionOptions;
  #socket: SocketLike | undefined;
  #phase: Phase = { name: "closed" };
  #attempt = 0;
  #seen = 0;
  #welcomed = false;
  /** Messages of a page before this one wait. */
  #resumes = false;
  /** The id under which the room knows this client: what hello says is its secret. */
  #member: string | undefined;
  /** `seq` up to which the server replays before unacknowledged messages are sent again. */
  #replayUntil: number | undefined;
  #retryAfter: number | undefined;
  #lastHeard = 0;
  #timers: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.outbox = new Outbox(options.store);
  }

  /** Where the connection stands. */
  get phase(): Phase {
    return this.#phase;
  }

  /** The last `seq` that was seen. */
  get lastSeq(): number {
    return this.#seen;
  }

  /** Takes up what a page before this one left unacknowledged; before `connect`. */
  async restore(): Promise<void> {
    await this.outbox.restore();
    this.#resumes = this.outbox.entries.length > 0;
    if (!this.#resumes) return;
    this.#seen = this.outbox.settled;
    this.#options.handlers.pending(this.outbox.entries.length);
  }

  /** Connects, or tries again at once. */
  connect(): void {
    if (this.#phase.name === "connecting" || this.#phase.name === "open") return;
    this.#stopTimers();
    this.#enter({ name: "connecting" });
    const socket = this.#options.open(this.#options.url, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#socket === socket) this.#hello();
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#receive(event.data);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost();
    };
  }

  /** Says hello again on a new socket, as whoever the identity names now. */
  comeAgain(): void {
    if (this.#phase.name !== "open") return;
    this.#stopTimers();
    const socket = this.#socket;
    this.#socket = undefined;
    this.#replayUntil = undefined;
    socket?.close(1000, "comes again");
    this.#enter({ name: "waiting", until: this.#options.clock.now(), attempt: 0 });
    this.connect();
  }

  /** Closes for good. */
  close(): void {
    this.#stopTimers();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000, "left");
    this.#enter({ name: "closed" });
  }

  /** Sends a message; one that becomes an op is kept until it is acknowledged. */
  send(message: ClientMessage): void {
    if (isOpMessage(message)) {
      this.outbox.add(message);
      this.#options.handlers.pending(this.outbox.entries.length);
      if (this.#phase.name === "open" && this.#replayUntil === undefined) this.#write(message);
      return;
    }
    if (this.#phase.name === "open") this.#write(message);
  }

  #hello(): void {
    const { client, name, token } = this.#options.identity();
    const hello: Hello = { protocol: PROTOCOL_VERSION, client, name };
    if (token !== undefined) hello.token = token;
    if (this.#welcomed || this.#resumes) hello.last_seq = this.#seen;
    this.#lastHeard = this.#options.clock.now();
    this.#write({ type: "hello", ...hello });
  }

  #receive(data: unknown): void {
    this.#lastHeard = this.#options.clock.now();
    if (data instanceof ArrayBuffer) {
      this.#resend();
      this.#options.handlers.frame(data);
      return;
    }
    if (typeof data !== "string") return;
    const message = parse(data);
    if (message) this.#take(message);
  }

  #take(message: ServerMessage): void {
    const { handlers } = this.#options;
    switch (message.type) {
      case "welcome": {
        const back = this.#welcomed || this.#resumes;
        const missed = back && message.seq > this.#seen;
        if (this.#resumes) this.#dropUntold(message.seq);
        this.#welcomed = true;
        this.#member = message.client;
        this.#attempt = 0;
        if (message.seq < this.#seen) {
          // The room began anew: its order starts from the beginning.
          this.outbox.restart();
          this.#seen = message.seq;
        }
        this.#resumes = false;
        if (!back) this.outbox.enter(message.seq);
        this.#replayUntil = message.seq;
        this.#enter({ name: "open" });
        this.#beat();
        handlers.message(message);
        if (missed) this.#timers.push(this.#options.clock.after(REPLAY_WAIT_MS, () => this.#resend()));
        else this.#resend();
        if (!back) this.#seen = message.seq;
        return;
      }
      case "ack":
        this.#accepted(this.outbox.acknowledge(message.seq, message.id), message.seq);
        break;
      case "op":
        this.#seen = Math.max(this.#seen, message.seq);
        if (message.client === this.#member) {
          this.#accepted(this.outbox.recognise(message.seq, message.op as Op), message.seq);
        }
        break;
      case "error": {
        if (FINAL.includes(message.code) || (this.#phase.name !== "open" && !PASSING.includes(message.code))) {
          // Nothing of it will ever be taken.
          if (FINAL.includes(message.code)) this.#lose(() => true);
          this.#refuse(message.code, message.message);
          return;
        }
        if (this.#phase.name !== "open") this.#retryAfter = message.retry_after_ms;
        const refused = this.outbox.refuse(message);
        if (refused) {
          handlers.refused(refused, message);
          handlers.pending(this.outbox.entries.length);
          return;
        }
        break;
      }
      case "goaway":
        this.#retryAfter = message.retry_after_ms;
        break;
      default:
    }
    handlers.message(message);
    if (message.type === "op" && this.#replayUntil !== undefined && message.seq >= this.#replayUntil) {
      this.#resend();
    }
  }

  /**
   * Of more missed ops than the server sends, or of a room that began anew, it cannot be told which are ours. Strokes
   * have ids, which the server knows again; anything else might be done twice.
   */
  #dropUntold(seq: number): void {
    if (seq < this.#seen || seq - this.#seen > MISSED_MOST) this.#lose((message) => message.type !== "stroke");
  }

  #lose(fits: (message: OpMessage) => boolean): void {
    const lost = this.outbox.takeAll(fits);
    if (lost.length === 0) return;
    this.#options.handlers.lost?.(lost);
    this.#options.handlers.pending(this.outbox.entries.length);
  }

  #accepted(message: OpMessage | undefined, seq: number): void {
    if (!message) return;
    this.#options.handlers.accepted(message, seq);
    this.#options.handlers.pending(this.outbox.entries.length);
  }

  #resend(): void {
    if (this.#phase.name !== "open" || this.#replayUntil === undefined) return;
    this.#seen = Math.max(this.#seen, this.#replayUntil);
    this.#replayUntil = undefined;
    for (const message of this.outbox.entries) this.#write(message);
  }

  #beat(): void {
    this.#timers.push(
      this.#options.clock.after(PING_EVERY_MS, () => {
        if (this.#phase.name !== "open") return;
        if (this.#options.clock.now() - this.#lastHeard > SILENCE_MS) {
          this.#socket?.close(4000, "silent");
          this.#lost();
          return;
        }
        this.#write({ type: "ping", t: this.#options.clock.now() });
        this.#beat();
      }),
    );
  }

  #lost(): void {
    if (this.#phase.name === "refused" || this.#phase.name === "closed") return;
    this.#stopTimers();
    this.#socket = undefined;
    this.#replayUntil = undefined;
    const { clock, random } = this.#options;
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempt);
    const pause = (this.#retryAfter ?? 0) + longest * (0.5 + random() / 2);
    this.#retryAfter = undefined;
    this.#attempt += 1;
    this.#enter({ name: "waiting", until: clock.now() + pause, attempt: this.#attempt });
    this.#timers.push(clock.after(pause, () => this.connect()));
  }

  #refuse(code: ErrorCode, message: string): void {
    this.#stopTimers();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000, "refused");
    this.#enter({ name: "refused", code, message });
  }

  #write(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#options.handlers.phase(phase);
  }

  #stopTimers(): void {
    for (const stop of this.#timers) stop();
    this.#timers = [];
  }
}

function parse(text: string): ServerMessage | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "type" in value
      ? (value as ServerMessage)
      : undefined;
  } catch {
    return undefined;
  }
}

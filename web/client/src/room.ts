import { newId, socketAddress } from "./address.js";
import type { Brush, StrokePoint } from "./brush.js";
import { CHUNK_POINTS } from "./chunker.js";
import { browserClock, type Clock } from "./clock.js";
import { Connection, type Phase, type SocketLike } from "./connection.js";
import { decodeFrame, type Frame } from "./frame.js";
import type { OpMessage, OutboxStore } from "./outbox.js";
import type {
  ChatLine,
  ErrorCode,
  ErrorMessage,
  LayerChange,
  MemberNews,
  PlaceMode,
  RenderNews,
  RenderRequest,
  RoomNews,
  SequencedOp,
  SettingsPatch,
  StrainLevel,
  StrokeChunk,
  Welcome,
} from "./protocol/index.js";
import { Server, type ExportQuery, type FileLayer, type ImageKept, type PartOfWhole, type PictureLayer } from "./server.js";

/** What a room tells. */
export interface RoomEvents {
  /** The server let us in: at first, and after each reconnect. */
  welcome: Welcome;
  /** Pixels came, newest first. */
  frame: Frame;
  /** An op was accepted, our own too. */
  op: SequencedOp;
  /** News of a render or of an inversion. */
  render: RenderNews;
  /** Somebody came, went or moved, or has another role. */
  member: MemberNews;
  /** The room was locked or unlocked, or somebody kept out of it. */
  room: RoomNews;
  /** Somebody said something. */
  chat: ChatLine;
  /** The device has much to do: what the room does without. */
  strain: { level: StrainLevel };
  /** A refusal that no promise of ours is told of. */
  error: ErrorMessage;
  /** Where the connection stands. */
  phase: Phase;
}

/** How to join a room. */
export interface JoinOptions {
  /** The address of the server's page, such as `http://localhost:7860/`. */
  server: string;
  room: string;
  /** An invite; none for a server that asks for none. */
  token?: string;
  /** The name that other members see. */
  name?: string;
  /** This client's secret: whoever comes back with the same one is the same member. Random when left out. */
  client?: string;
  /** Opens a websocket; the global `WebSocket` when left out. */
  open?: (url: string, subprotocol: string) => SocketLike;
  clock?: Clock;
  /** Where what is not acknowledged outlives this page; of this `client` and room. */
  store?: OutboxStore;
}

/** A brush where nothing else is said. */
export const BRUSH: Brush = { tool: "brush", size: 24, hardness: 0.8, opacity: 1, color: "#000000" };

/** The room let us not in, or refused an op. */
export class Refused extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = "Refused";
    this.code = code;
  }
}

interface Waiting {
  resolve(seq: number): void;
  reject(reason: Error): void;
}

/**
 * A room that we are a member of. After a loss the connection comes back by itself, with `last_seq`, and
 * sends again what was not acknowledged; promises of ops go on waiting meanwhile.
 */
export class Room {
  readonly name: string;
  readonly server: Server;
  readonly #connection: Connection;
  readonly #waiting = new Map<OpMessage, Waiting>();
  readonly #listeners = new Map<keyof RoomEvents, Set<(event: never) => void>>();
  #welcome: Welcome | undefined;
  /** The newest of the renders that are done. */
  #done: RenderNews | undefined;

  private constructor(options: JoinOptions) {
    const { room, token, name = "Guest", client = newId(), clock = browserClock } = options;
    this.name = room;
    this.server = new Server(options.server, { token, client });
    const open = options.open ?? ((url, protocol) => new WebSocket(url, protocol) as unknown as SocketLike);
    this.#connection = new Connection({
      url: socketAddress(new URL(options.server), room),
      identity: () => ({ client, name, ...(token === undefined ? {} : { token }) }),
      open,
      clock,
      random: Math.random,
      store: options.store,
      handlers: {
        phase: (phase) => this.#phaseChanged(phase),
        message: (message) => {
          if (message.type === "welcome") this.#letIn(message);
          if (message.type === "render") this.#rendered(message);
          if (message.type === "pong" || message.type === "goaway" || message.type === "ack") return;
          this.#tell(message.type, message as never);
        },
        frame: (bytes) => this.#tell("frame", decodeFrame(bytes)),
        accepted: (message, seq) => this.#settle(message, (waiting) => waiting.resolve(seq)),
        refused: (message, { code, message: reason }) => {
          this.#settle(message, (waiting) => waiting.reject(new Refused(code, reason)));
        },
        lost: (messages) => {
          const why = new Refused("unavailable", "The room is closed to us, and this was not sent.");
          for (const message of messages) this.#settle(message, (waiting) => waiting.reject(why));
        },
        pending: () => {},
      },
    });
  }

  /** Joins a room; rejects with `Refused` where the server does not let us in. */
  static join(options: JoinOptions): Promise<Room> {
    const room = new Room(options);
    return new Promise((resolve, reject) => {
      const stops = [
        room.on("welcome", () => {
          for (const stop of stops) stop();
          resolve(room);
        }),
        room.on("phase", (phase) => {
          if (phase.name !== "refused") return;
          for (const stop of stops) stop();
          reject(new Refused(phase.code, phase.message));
        }),
      ];
      room.#connection.restore().then(() => room.#connection.connect(), reject);
    });
  }

  /** What the server said when it let us in the last time. */
  get welcome(): Welcome {
    if (!this.#welcome) throw new Error("the room is not joined yet");
    return this.#welcome;
  }

  /** `seq` of the last op that was seen. */
  get seq(): number {
    return this.#connection.lastSeq;
  }

  /** Calls `listener` at each event; the answer stops that. */
  on<Name extends keyof RoomEvents>(name: Name, listener: (event: RoomEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** The next event that `fits`. */
  next<Name extends keyof RoomEvents>(
    name: Name,
    fits: (event: RoomEvents[Name]) => boolean = () => true,
  ): Promise<RoomEvents[Name]> {
    return new Promise((resolve) => {
      const stop = this.on(name, (event) => {
        if (!fits(event)) return;
        stop();
        resolve(event);
      });
    });
  }

  /** Waits until a render that includes the op `seq` is done. */
  async rendered(seq: number): Promise<RenderNews> {
    if (this.#done && this.#done.rev >= seq) return this.#done;
    return this.next("render", (news) => isDone(news) && news.rev >= seq);
  }

  /** Paints a stroke; answers the `seq` of its last op, once the server has it. */
  async paint(points: readonly StrokePoint[], brush: Partial<Brush> = {}): Promise<number> {
    const id = newId();
    const sent: Promise<number>[] = [];
    for (let at = 0; at === 0 || at < points.length; at += CHUNK_POINTS) {
      const chunk: StrokeChunk = {
        id,
        ...(at === 0 ? { ...BRUSH, ...brush } : {}),
        points: points.slice(at, at + CHUNK_POINTS),
        done: at + CHUNK_POINTS >= points.length,
      };
      sent.push(this.#op({ type: "stroke", ...chunk }));
    }
    return Math.max(...(await Promise.all(sent)));
  }

  /** Changes settings; answers the op's `seq`, as all that follows. */
  settings(patch: SettingsPatch): Promise<number> {
    return this.#op({ type: "settings", ...patch });
  }

  /** Changes the layers; an added one has the answered `seq` as its id. */
  layer(change: LayerChange): Promise<number> {
    return this.#op({ type: "layer", ...change });
  }

  /** The result becomes the base, and the mask is empty. */
  apply(): Promise<number> {
    return this.#op({ type: "apply" });
  }

  /** Takes our last op back. */
  undo(): Promise<number> {
    return this.#op({ type: "undo" });
  }

  /** Does it again. */
  redo(): Promise<number> {
    return this.#op({ type: "redo" });
  }

  /** The picture as it was after an op. */
  revert(seq: number): Promise<number> {
    return this.#op({ type: "revert", seq });
  }

  /** An uploaded image becomes the base; `prompt` says what it shows, for `invert`. */
  place(image: string, mode: PlaceMode = "plain", prompt?: string): Promise<number> {
    return this.#op({ type: "place", image, mode, ...(prompt === undefined ? {} : { prompt }) });
  }

  /** Lays an uploaded image on a layer; where it `continues`, one undo takes back what we did before, too. */
  lay(image: string, layer: number, continues = false): Promise<number> {
    return this.#op({ type: "place", image, mode: "plain", layer, ...(continues ? { continues } : {}) });
  }

  /** Renders what the mask covers now; `render` events tell of it. */
  render(request: RenderRequest = {}): void {
    this.#connection.send({ type: "render", ...request });
  }

  /** Says something to everybody in the room. */
  say(text: string): void {
    this.#connection.send({ type: "chat", text });
  }

  /** Uploads a picture for `place`. */
  upload(image: Blob, layer?: FileLayer): Promise<ImageKept> {
    return this.server.upload(this.name, image, layer);
  }

  /** Uploads a picture for `lay`. */
  uploadForLayer(image: Blob, layer?: FileLayer, within?: PartOfWhole): Promise<ImageKept> {
    return this.server.uploadForLayer(this.name, image, layer, within);
  }

  /** Uploads a picture that settings name as `reference`. */
  uploadReference(image: Blob): Promise<ImageKept> {
    return this.server.uploadReference(this.name, image);
  }

  /** A file of the room's picture to take away. */
  export(query: ExportQuery): Promise<Blob> {
    return this.server.export(this.name, query);
  }

  /** A picture of the room as PNG. */
  picture(layer?: PictureLayer): Promise<Blob> {
    return this.server.picture(this.name, layer);
  }

  /** Leaves; what was not acknowledged is given up. */
  leave(): void {
    this.#connection.close();
  }

  #letIn(welcome: Welcome): void {
    // A room that began anew counts from the beginning.
    if (this.#done && welcome.seq < this.#done.rev) this.#done = undefined;
    this.#welcome = welcome;
  }

  #rendered(news: RenderNews): void {
    if (isDone(news) && news.rev >= (this.#done?.rev ?? 0)) this.#done = news;
  }

  #op(message: OpMessage): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(message, { resolve, reject });
      this.#connection.send(message);
    });
  }

  #settle(message: OpMessage, end: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(message);
    this.#waiting.delete(message);
    if (waiting) end(waiting);
  }

  #phaseChanged(phase: Phase): void {
    this.#tell("phase", phase);
    if (phase.name !== "refused" && phase.name !== "closed") return;
    const reason = phase.name === "refused" ? new Refused(phase.code, phase.message) : new Error("the room was left");
    for (const message of [...this.#waiting.keys()]) this.#settle(message, ({ reject }) => reject(reason));
  }

  #tell<Name extends keyof RoomEvents>(name: Name, event: RoomEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) (listener as (event: RoomEvents[Name]) => void)(event);
  }
}

/** What is told of inversions is not about what was painted. */
function isDone(news: RenderNews): boolean {
  return news.state === "done" && news.work === undefined;
}

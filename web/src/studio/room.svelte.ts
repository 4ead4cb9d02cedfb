import {
  brushOf,
  type Clock,
  Connection,
  type ErrorMessage,
  type MemberInfo,
  type MemberNews,
  type ModelInfo,
  newId,
  type OpMessage,
  type Phase,
  type Rect,
  type RenderNews,
  type RenderState,
  type Role,
  type SequencedOp,
  type ServerMessage,
  type SocketLike,
  type Welcome,
} from "../../client/src";
import { isEmpty } from "../paint/geometry";
import { inkKey } from "../paint/ink";
import { Latency } from "../paint/latency";
import { Painter } from "../paint/painter";
import { FrameQueue, type DecodedFrame } from "../stage/decode";
import { miniature } from "../stage/miniature";
import { Picture } from "../stage/picture";
import type { Renderer } from "../stage/renderer";
import { History } from "./history.svelte";
import type { InvertedPhoto } from "./inversion";
import { maskOf } from "./pictures";
import type { Notices } from "./notices.svelte";
import { everywhere, isWhole, MaskView } from "./mask.svelte";
import { InvertedPhotos } from "./photos.svelte";
import { changesPicture, RoomSettings } from "./settings.svelte";
import { Thumbnails, type Thumbnail } from "./thumbnails.svelte";

/** A member, with the pointer if it is known. */
export interface Member extends MemberInfo {
  pointer: { x: number; y: number; at: number } | undefined;
}

/** A region that is being rendered. */
export interface BusyRegion {
  key: string;
  rev: number;
  rect: Rect;
}

/** What a room needs from outside. */
export interface RoomOptions {
  name: string;
  url: string;
  client: string;
  memberName: () => string;
  token: string | undefined;
  clock: Clock;
  notices: Notices;
  /** The server let this member in. */
  joined: (role: Role) => void;
  /** This member placed a photo to be inverted, and the server took it. */
  photoPlaced: () => void;
}

const RENDER_FORGOTTEN_MS = 30_000;
/** How long ink may wait for pixels of a finished render that changed nothing under it. */
const UNCHANGED_MS = 600;
/** How long somebody may be away without having left. */
const LEAVING_MS = 1500;
/** Whether the paper is white is judged so long after an undo. */
const JUDGE_MS = 600;
/** When nothing is rendered any more, ink outside the rendered regions goes too. */
const RESTING_MS = 2500;

/** One room as this member sees it: the picture, the people, the order of things. */
export class Room {
  readonly name: string;
  /** The id under which members know this page; empty before the first welcome. */
  client = $state.raw("");
  readonly settings: RoomSettings;
  readonly history = new History();
  readonly thumbnails: Thumbnails;
  readonly mask: MaskView;
  readonly painter: Painter;
  phase = $state<Phase>({ name: "closed" });
  role = $state<Role>("viewer");
  model = $state.raw<ModelInfo | undefined>(undefined);
  members = $state<Member[]>([]);
  pending = $state(0);
  saved = $state(0);
  /** Whether what is acknowledged outlives the server. */
  kept = $state(true);
  seq = $state(0);
  /** `seq` of the last op that changed what is in the picture. */
  pictureSeq = $state(0);
  busy = $state<BusyRegion[]>([]);
  renders = $state<Record<RenderState, number>>({ started: 0, progress: 0, done: 0, superseded: 0, failed: 0 });
  timings = $state.raw<Record<string, number> | undefined>(undefined);
  strokeToPixel = $state<number | undefined>(undefined);
  picture = $state.raw<Picture | undefined>(undefined);
  /** The whole picture has come. */
  complete = $state(false);
  /** White paper all over. */
  blank = $state(false);
  /** The server said that it inverts no photos. */
  invertsPhotos = $state(true);
  renderer: Renderer | undefined;
  /** Since something was taken back nobody has painted: the paper may be white again. */
  #takenBack = false;
  /** Members who went a moment ago. */
  readonly #gone = new Map<string, { name: string; stop: () => void }>();
  #stopJudging: (() => void) | undefined;
  readonly #photos: InvertedPhotos;
  readonly #connection: Connection;
  readonly #frames: FrameQueue;
  readonly #latency = new Latency();
  readonly #options: RoomOptions;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.name = options.name;
    this.#frames = new FrameQueue(
      (frame) => this.#show(frame),
      (message) => options.notices.trouble(`A part of the picture could not be shown: ${message}.`),
    );
    this.#connection = new Connection({
      url: options.url,
      identity: () => ({
        client: options.client,
        name: options.memberName(),
        ...(options.token === undefined ? {} : { token: options.token }),
      }),
      open: (url, subprotocol) => new WebSocket(url, subprotocol) as unknown as SocketLike,
      clock: options.clock,
      random: Math.random,
      handlers: {
        phase: (phase) => this.#phaseChanged(phase),
        message: (message) => this.#message(message),
        frame: (bytes) => this.#frames.push(bytes),
        accepted: (message, seq) => this.#accepted(message, seq),
        refused: (message, error) => this.#refused(message, error),
        pending: (count) => (this.pending = count),
      },
    });
    this.#photos = new InvertedPhotos(options.clock);
    this.thumbnails = new Thumbnails(options.clock, () => this.#thumbnail());
    this.mask = new MaskView(() => maskOf(options.name), options.clock);
    this.settings = new RoomSettings((patch) => this.send({ type: "settings", ...patch }), options.clock);
    this.painter = new Painter({
      client: () => this.client,
      ink: () => this.picture?.ink,
      send: (chunk) => this.send({ type: "stroke", ...chunk }),
      inked: (rect) => this.refreshInk(rect),
      undo: () => this.send({ type: "undo" }),
      newId,
      clock: options.clock,
    });
  }

  /** True when this member may change the picture. */
  get mayPaint(): boolean {
    return this.role !== "viewer" && this.picture !== undefined;
  }

  /** True for a guest who sees, and may not paint. */
  get watching(): boolean {
    return this.role === "viewer" && this.model !== undefined;
  }

  /** The inverted photo that lies under the strokes, if one does. */
  get photo(): InvertedPhoto | undefined {
    return this.#photos.under(this.history.base);
  }

  connect(): void {
    this.#connection.connect();
  }

  close(): void {
    this.#connection.close();
  }

  /** Joins anew, with the name that this member has now. */
  comeAgain(): void {
    this.#connection.comeAgain();
  }

  send(message: Parameters<Connection["send"]>[0]): void {
    if (!["settings", "presence", "ping"].includes(message.type)) this.settings.ends();
    this.#connection.send(message);
  }

  /** Puts the whole canvas under the mask, or takes all of it out; the paint stays. */
  maskEverything(tool: "mask" | "restore"): void {
    if (this.picture) this.send({ type: "stroke", ...everywhere(tool, this.picture, newId()) });
  }

  /** Draws ink anew and shows it with the next frame. */
  refreshInk(rect: Rect): void {
    if (isEmpty(rect)) return;
    this.picture?.refreshInk(rect);
    this.renderer?.invalidate(rect);
  }

  #message(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.#welcome(message);
        return;
      case "op":
        this.#op(message);
        return;
      case "render":
        this.#render(message);
        return;
      case "member":
        this.#member(message);
        return;
      case "error":
        this.#options.notices.trouble(message.message);
        return;
      case "goaway":
        this.#options.notices.say(`The server is leaving for a moment (${message.reason}).`);
        return;
      default:
    }
  }

  #welcome(welcome: Welcome): void {
    const began = welcome.seq < this.seq;
    if (began) {
      this.thumbnails.clear();
      this.#photos.clear();
    }
    this.pictureSeq = welcome.seq;
    this.client = welcome.client;
    this.role = welcome.role;
    this.#options.joined(welcome.role);
    this.kept = welcome.kept;
    this.model = welcome.model;
    this.seq = welcome.seq;
    this.settings.replace(welcome.settings);
    this.members = welcome.members.map((member) => ({ ...member, pointer: undefined }));
    this.busy = [];
    this.mask.forget();
    this.#latency.clear();
    const { width, height } = welcome.canvas;
    if (!this.picture || this.picture.width !== width || this.picture.height !== height) {
      this.#frames.reset();
      this.picture = new Picture(welcome.canvas);
      this.complete = false;
      this.renderer?.setPicture(this.picture);
    } else if (began) {
      this.#frames.reset();
      this.picture.forgetRevisions();
      this.history.clear();
      this.refreshInk(this.picture.ink.clear());
    }
    if (welcome.photo) {
      this.history.welcome(welcome.photo.seq);
      this.#photos.welcome(welcome.photo, welcome.canvas);
    }
    this.judgeBlankSoon();
  }

  #op(message: SequencedOp): void {
    const { seq, client, op } = message;
    this.seq = Math.max(this.seq, seq);
    if (op.type !== "settings" || changesPicture(op)) this.pictureSeq = this.seq;
    this.thumbnails.heard();
    this.history.add(message);
    this.mask.heard(op);
    const ink = this.picture?.ink;
    if (!ink || !this.picture) return;
    switch (op.type) {
      case "settings": {
        const { type: _type, ...patch } = op;
        this.settings.accepted(patch, client === this.client);
        return;
      }
      case "stroke": {
        this.#painted();
        if (this.painter.isOwn(client, op.id) || isWhole(op.id)) return;
        const key = inkKey(client, op.id);
        const brush = brushOf(op);
        if (brush) ink.begin(key, brush);
        const dirty = ink.extend(key, op.points);
        ink.cut(key);
        ink.acknowledge(key, seq);
        if (op.done) ink.finish(key);
        this.refreshInk(dirty);
        return;
      }
      case "undo":
      case "redo":
      case "revert":
        for (const { entry, active } of message.switches ?? []) {
          this.refreshInk(active ? ink.redo(entry, seq) : ink.undo(entry));
        }
        if (message.settings) this.settings.replace(message.settings);
        if (op.type !== "undo") this.blank = false;
        this.judgeBlankSoon();
        return;
      case "apply":
      case "place":
        this.#painted();
        if (op.type === "place" && op.mode === "invert") {
          this.#photos.place(seq);
          if (client === this.client) this.#options.photoPlaced();
        }
        this.refreshInk(ink.resultShown(this.picture.bounds, seq));
        return;
      default:
    }
  }

  #render(news: RenderNews): void {
    if (news.work === "invert") {
      this.#invert(news);
      return;
    }
    const key = `${news.rev}:${news.rect.join(",")}`;
    this.renders = { ...this.renders, [news.state]: this.renders[news.state] + 1 };
    if (news.state === "started") {
      this.busy = [...this.busy.filter((region) => region.key !== key), { key, rev: news.rev, rect: news.rect }];
      this.#options.clock.after(RENDER_FORGOTTEN_MS, () => this.#idle(key));
      return;
    }
    this.#idle(key);
    if (news.timings_ms) this.timings = news.timings_ms;
    if (news.state === "failed") {
      this.#options.notices.trouble(news.message ?? "A region could not be rendered; paint there again to retry.");
    }
    if (news.state !== "done") return;
    this.settings.rendered();
    // Frames come where pixels changed; where none did, the ink goes a little later.
    this.#options.clock.after(UNCHANGED_MS, () => this.#retire(news.rect, news.rev));
    this.#options.clock.after(RESTING_MS, () => {
      if (this.picture && this.busy.length === 0) this.#retire(this.picture.bounds, news.rev);
    });
  }

  #invert(news: RenderNews): void {
    if (!this.picture) return;
    this.#photos.hear(news, this.history.base, this.picture);
    if (news.state === "failed") {
      this.#options.notices.trouble(news.message ?? "The photo could not be inverted; brush there to try again.");
    }
  }

  #retire(rect: Rect, rev: number): void {
    this.#frames.then(() => {
      if (this.picture) this.refreshInk(this.picture.ink.resultShown(rect, rev));
    });
  }

  #idle(key: string): void {
    this.busy = this.busy.filter((region) => region.key !== key);
  }

  #member(news: MemberNews): void {
    switch (news.event) {
      case "joined":
        this.#joined(news);
        return;
      case "left":
        this.#left(news.client);
        return;
      default: {
        const found = this.members.find((member) => member.client === news.client);
        if (found) found.pointer = { x: news.x, y: news.y, at: this.#options.clock.now() };
      }
    }
  }

  #joined({ client, name, role }: MemberInfo): void {
    const before = this.#gone.get(client)?.name ?? this.members.find((member) => member.client === client)?.name;
    this.#gone.get(client)?.stop();
    this.#gone.delete(client);
    this.members = [
      ...this.members.filter((member) => member.client !== client),
      { client, name, role, pointer: undefined },
    ];
    if (client === this.client || before === name) return;
    this.#options.notices.say(before === undefined ? `${name} joined.` : `${before} is ${name} now.`);
  }

  /** Whoever is back in a moment, after a lost line or with another name, has not left. */
  #left(client: string): void {
    const member = this.members.find((known) => known.client === client);
    this.members = this.members.filter((known) => known.client !== client);
    if (!member || client === this.client) return;
    const stop = this.#options.clock.after(LEAVING_MS, () => {
      this.#gone.delete(client);
      this.#options.notices.say(`${member.name} left.`);
    });
    this.#gone.set(client, { name: member.name, stop });
  }

  #show(frame: DecodedFrame): void {
    const picture = this.picture;
    if (!picture) return;
    const { layer, rev, step } = frame.header;
    const parts = picture.show(frame);
    if (layer === "result" && frame.header.final) this.thumbnails.changed();
    for (const part of parts) {
      const dirty =
        layer === "result"
          ? picture.ink.resultShown(part, rev)
          : this.settings.local.live
            ? ([0, 0, 0, 0] satisfies Rect)
            : picture.ink.sketchShown(part, rev);
      this.refreshInk(dirty);
      this.renderer?.invalidate(part);
    }
    if (layer === "result" && step > 0 && parts.length > 0) {
      const elapsed = this.#latency.shown(rev, this.#options.clock.now());
      if (elapsed !== undefined) this.strokeToPixel = elapsed;
    }
    if (this.blank) this.#judgeBlank();
    else if (this.#takenBack) this.judgeBlankSoon();
    if (!this.complete && picture.revisions.result.complete && picture.revisions.sketch.complete) {
      this.complete = true;
      this.#judgeBlank();
    }
  }

  #thumbnail(): Thumbnail | undefined {
    const { picture, seq } = this;
    const isAtRest = this.complete && this.busy.length === 0 && this.pending === 0;
    if (!picture || !isAtRest || picture.ink.waiting > 0) return undefined;
    return {
      seq,
      picture: this.pictureSeq,
      label: this.history.latest,
      image: miniature(picture.result, picture),
    };
  }

  /** Whether the paper is white is looked at once the pixels of what was taken back have come. */
  judgeBlankSoon(): void {
    this.#takenBack = true;
    this.#stopJudging?.();
    this.#stopJudging = this.#options.clock.after(JUDGE_MS, () => this.#judgeBlank());
  }

  #painted(): void {
    this.#takenBack = false;
    this.blank = false;
  }

  #judgeBlank(): void {
    this.blank = this.picture !== undefined && this.picture.ink.isEmpty && this.picture.isBlank();
  }

  #accepted(message: OpMessage, seq: number): void {
    this.saved = Math.max(this.saved, seq);
    if (message.type !== "stroke") return;
    const sent = this.painter.acknowledge(message.id, seq);
    if (sent && this.settings.local.live) this.#latency.await(seq, sent.drawnAt);
  }

  #refused(message: OpMessage, { code, message: reason }: ErrorMessage): void {
    const { notices } = this.#options;
    if (message.type === "place" && message.mode === "invert" && code !== "unknown_image" && code !== "forbidden") {
      this.invertsPhotos = false;
      this.send({ type: "place", image: message.image, mode: "plain" });
      notices.say("This server does not invert photos: it was placed as it is, to be painted over.");
      return;
    }
    notices.trouble(reason);
    if (message.type === "stroke") this.painter.refuse(message.id);
    if (message.type === "settings") {
      const { type: _type, ...patch } = message;
      this.settings.refused(patch);
    }
    if (message.type === "revert" && code === "invalid_value") this.thumbnails.forgetThrough(message.seq);
  }

  #phaseChanged(phase: Phase): void {
    const was = this.phase.name;
    this.phase = phase;
    if (phase.name === "open" && was !== "open") this.#options.notices.speak(`Connected to room ${this.name}.`);
    if (phase.name === "waiting" && phase.attempt === 1) {
      this.#options.notices.speak("Connection lost. What you paint is kept and sent when it is back.");
    }
    if (phase.name === "refused") this.#options.notices.trouble(phase.message);
  }
}

import {
  brushOf,
  type ClientMessage,
  type Clock,
  Connection,
  type ErrorMessage,
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
  type StrainLevel,
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
import { Chat } from "./chat.svelte";
import { History, pairIds } from "./history.svelte";
import type { InvertedPhoto } from "./inversion";
import { Layers } from "./layers.svelte";
import { layerOf, maskOf } from "./pictures";
import type { Notices } from "./notices.svelte";
import { everywhere, inversionOf, isWhole, MaskView } from "./mask.svelte";
import { People, type Member } from "./people.svelte";
import { InvertedPhotos } from "./photos.svelte";
import { changesPicture, RoomSettings } from "./settings.svelte";
import { Thumbnails, type Thumbnail } from "./thumbnails.svelte";
import { UnseenLayers } from "./unseen-layers.svelte";

/** A region that is being rendered. */
export interface BusyRegion {
  key: string;
  rev: number;
  rect: Rect;
  /** Whose painting it is, where the server says so. */
  client: string | undefined;
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
  /** The server let this member in, or an owner gave it another role. */
  joined: (role: Role) => void;
  /** Somebody else came. */
  othersCame: () => void;
  /** Somebody sees that part of the plane. */
  saw: (client: string, view: Rect) => void;
  /** This member placed a photo to be inverted, and the server took it. */
  photoPlaced: () => void;
}

/** What is said while a setting is dragged, and does not end that. */
const BESIDE: readonly ClientMessage["type"][] = ["settings", "presence", "ping", "chat", "role", "remove", "admit", "lock"];
const RENDER_FORGOTTEN_MS = 30_000;
/** How long ink may wait for pixels of a finished render that changed nothing under it. */
const UNCHANGED_MS = 600;
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
  readonly layers: Layers;
  readonly unseen: UnseenLayers;
  readonly painter: Painter;
  phase = $state<Phase>({ name: "closed" });
  role = $state<Role>("viewer");
  model = $state.raw<ModelInfo | undefined>(undefined);
  readonly people: People;
  readonly chat: Chat;
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
  /** What the room does without while the server has too much to do. */
  strain = $state<StrainLevel>("calm");
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
    const own = (): string => this.client;
    this.people = new People({
      clock: options.clock,
      notices: options.notices,
      own,
      roleGiven: (role) => this.#given(role),
      joined: () => options.othersCame(),
      saw: (client, view) => options.saw(client, view),
    });
    this.chat = new Chat({
      clock: options.clock,
      own,
      send: (text) => this.send({ type: "chat", text }),
      unseen: ({ name, text }) => options.notices.speak(`${name} says: ${text}`),
    });
    this.#photos = new InvertedPhotos(options.clock);
    this.thumbnails = new Thumbnails(options.clock, () => this.#thumbnail());
    this.mask = new MaskView(() => maskOf(options.name), options.clock);
    this.layers = new Layers((change) => this.send({ type: "layer", ...change }), options.clock);
    this.unseen = new UnseenLayers((layer) => layerOf(options.name, layer), options.clock);
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

  /** Who is here. */
  get members(): Member[] {
    return this.people.members;
  }

  /** True when this member may change the picture. */
  get mayPaint(): boolean {
    return this.#mayChange && this.picture !== undefined;
  }

  /** True for who sees, and may not paint. */
  get watching(): boolean {
    return !this.#mayChange && this.model !== undefined;
  }

  /** True for who decides about people and the lock. */
  get governs(): boolean {
    return this.role === "owner";
  }

  /** True when this member may write in the chat. */
  get mayChat(): boolean {
    return this.model !== undefined && (this.role !== "viewer" || !this.people.locked);
  }

  /** Why this member may not paint, for a person. */
  get whyNot(): string {
    return this.role === "viewer"
      ? "You are watching this room; ask for an editor's link to paint."
      : "The room is locked: only its owners can change anything now.";
  }

  get #mayChange(): boolean {
    return this.role === "owner" || (this.role === "editor" && !this.people.locked);
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
    if (!BESIDE.includes(message.type)) this.settings.ends();
    if (message.type !== "layer" && message.type !== "presence" && message.type !== "ping") this.layers.ends();
    this.#connection.send(message);
  }

  /** Puts the whole canvas under the mask, or takes all of it out; the paint stays. */
  maskEverything(tool: "mask" | "restore"): void {
    if (this.picture) this.send({ type: "stroke", ...everywhere(tool, this.picture, newId()) });
  }

  /** Masks what is not masked, and nothing else, as one step; false where the mask could not be read. */
  async invertMask(): Promise<boolean> {
    const mask = await this.mask.now();
    if (!mask) return false;
    const { masked, restored } = inversionOf(mask);
    const [first, second] = pairIds(newId());
    for (const [id, { brush, points }] of [[first, restored], [second, masked]] as const) {
      if (points.length === 0) continue;
      const hand = this.painter.begin(brush, false, id);
      hand.add(points);
      hand.end();
    }
    return true;
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
      case "strain":
        this.strain = message.level;
        return;
      case "member":
        this.people.hear(message);
        return;
      case "room":
        this.people.hearRoom(message);
        if (!this.#mayChange) this.painter.stop();
        return;
      case "chat":
        this.chat.hear(message);
        return;
      case "error":
        this.chat.refused(message);
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
    this.#given(welcome.role);
    this.kept = welcome.kept;
    this.model = welcome.model;
    this.seq = welcome.seq;
    this.settings.replace(welcome.settings);
    this.layers.welcome(welcome.layers);
    this.unseen.follow(this.layers.all);
    this.people.welcome(welcome);
    this.chat.welcome(welcome.chat ?? []);
    this.busy = [];
    this.strain = "calm";
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
    this.layers.heard(message, client === this.client);
    this.unseen.heard(message, this.layers.all);
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
        this.people.painted(client, op.done ?? false);
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
        // What was done as one step is taken back as one; not where something was done meanwhile.
        if (client === this.client && op.type !== "revert" && this.pending === 0 && this.history.leavesHalf(message.switches ?? [])) {
          this.send({ type: op.type });
        }
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
      this.busy = [...this.busy.filter((region) => region.key !== key), { key, rev: news.rev, rect: news.rect, client: news.client }];
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

  #given(role: Role): void {
    this.role = role;
    if (!this.#mayChange) this.painter.stop();
    this.#options.joined(role);
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
    if (message.type === "layer") this.layers.refused();
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

import {
  type ClientMessage,
  type Connection,
  type ModelInfo,
  newId,
  type OpMessage,
  type Phase,
  type Rect,
  type RenderNews,
  type Role,
  type SequencedOp,
  type ServerMessage,
  type StrainLevel,
  type Welcome,
} from "../../client/src";
import { Painter } from "../paint/painter";
import { miniature } from "../stage/miniature";
import type { Picture } from "../stage/picture";
import type { Renderer } from "../stage/renderer";
import { Answers } from "./answers";
import { Chat } from "./chat.svelte";
import { History, pairIds } from "./history.svelte";
import type { InvertedPhoto } from "./inversion";
import { LayerThumbnails } from "./layer-thumbnails.svelte";
import { Layers } from "./layers.svelte";
import { layerOf, layerThumbnailOf, maskOf } from "./pictures";
import { everywhere, inversionOf, MaskView } from "./mask.svelte";
import { People, type Member } from "./people.svelte";
import { InvertedPhotos } from "./photos.svelte";
import { PictureOps } from "./picture-ops";
import { type BusyRegion, Renders } from "./renders.svelte";
import { Rights } from "./rights.svelte";
import { connectionOf, sayPhase } from "./room-connection";
import type { RoomOptions } from "./room-options";
import { changesPicture, RoomSettings } from "./settings.svelte";
import { Shown } from "./shown.svelte";
import { Thumbnails, type Thumbnail } from "./thumbnails.svelte";
import { UnseenLayers } from "./unseen-layers.svelte";

/** What is said while a setting is dragged, and does not end that. */
const BESIDE: readonly ClientMessage["type"][] = ["settings", "presence", "ping", "chat", "role", "remove", "admit", "lock"];

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
  readonly layerThumbnails: LayerThumbnails;
  readonly unseen: UnseenLayers;
  readonly painter: Painter;
  phase = $state<Phase>({ name: "closed" });
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
  readonly renders: Renders;
  /** What the room does without while the server has too much to do. */
  strain = $state<StrainLevel>("calm");
  /** The server said that it inverts no photos. */
  invertsPhotos = $state(true);
  readonly #rights = new Rights(() => this.people.locked, () => this.model !== undefined);
  readonly #shown: Shown;
  readonly #photos: InvertedPhotos;
  readonly #connection: Connection;
  readonly #answers: Answers;
  readonly #pictureOps: PictureOps;
  readonly #options: RoomOptions;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.name = options.name;
    this.#shown = new Shown({
      clock: options.clock,
      notices: options.notices,
      live: () => this.settings.local.live,
      finalShown: () => this.thumbnails.changed(),
    });
    this.#connection = connectionOf(options, {
      phase: (phase) => this.#phaseChanged(phase),
      message: (message) => this.#message(message),
      frame: (bytes) => this.#shown.push(bytes),
      accepted: (message, seq) => this.#answers.accepted(message, seq),
      refused: (message, error) => this.#answers.refused(message, error),
      lost: (messages) => this.#answers.lost(messages),
      pending: (count) => (this.pending = count),
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
    this.renders = new Renders({
      clock: options.clock,
      notices: options.notices,
      done: () => this.settings.rendered(),
      retire: (rev, rect) => this.#shown.retire(rev, rect),
    });
    this.#photos = new InvertedPhotos(options.clock);
    this.thumbnails = new Thumbnails(options.clock, () => this.#thumbnail());
    this.mask = new MaskView(() => maskOf(options.name), options.clock);
    this.layers = new Layers((change) => this.send({ type: "layer", ...change }), options.clock);
    this.layerThumbnails = new LayerThumbnails((layer) => layerThumbnailOf(options.name, layer), options.clock);
    this.unseen = new UnseenLayers((layer) => this.#unseenLayer(layer), options.clock);
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
    const { painter, layers, settings, thumbnails, people, history } = this;
    const shown = this.#shown;
    this.#answers = new Answers({
      notices: options.notices,
      painter,
      layers,
      settings,
      shown,
      thumbnails,
      saved: (seq) => (this.saved = Math.max(this.saved, seq)),
      placePlain: (image) => {
        this.invertsPhotos = false;
        this.send({ type: "place", image, mode: "plain" });
      },
    });
    this.#pictureOps = new PictureOps({
      own,
      shown,
      people,
      settings,
      painter,
      history,
      photos: this.#photos,
      pending: () => this.pending > 0,
      again: (type) => this.send({ type }),
      photoPlaced: () => options.photoPlaced(),
    });
  }

  /** Who is here. */
  get members(): Member[] {
    return this.people.members;
  }

  /** What this member may do. */
  get role(): Role {
    return this.#rights.role;
  }

  /** True when this member may paint: it may change the picture, and that is there. */
  get mayPaint(): boolean {
    return this.#rights.mayChange && this.picture !== undefined;
  }

  /** True for who sees, and may not paint. */
  get watching(): boolean {
    return this.#rights.watching;
  }

  /** True for who decides about people and the lock. */
  get governs(): boolean {
    return this.#rights.governs;
  }

  /** True when this member may write in the chat. */
  get mayChat(): boolean {
    return this.#rights.mayChat;
  }

  /** Why this member may not paint, for a person. */
  get whyNot(): string {
    return this.#rights.whyNot;
  }

  get picture(): Picture | undefined {
    return this.#shown.picture;
  }

  /** The whole picture has come. */
  get complete(): boolean {
    return this.#shown.complete;
  }

  /** Milliseconds from the last point to its rendered pixels. */
  get strokeToPixel(): number | undefined {
    return this.#shown.strokeToPixel;
  }

  /** What draws the picture, once the visible canvas is there. */
  set renderer(renderer: Renderer) {
    this.#shown.renderer = renderer;
  }

  /** Regions that are being rendered. */
  get busy(): BusyRegion[] {
    return this.renders.busy;
  }

  /** White paper all over. */
  get blank(): boolean {
    return this.#shown.paper.is;
  }

  set blank(is: boolean) {
    this.#shown.paper.is = is;
  }

  /** Whether the paper is white is looked at once the pixels of what was taken back have come. */
  judgeBlankSoon(): void {
    this.#shown.paper.judgeSoon();
  }

  /** The inverted photo that lies under the strokes, if one does. */
  get photo(): InvertedPhoto | undefined {
    return this.#photos.under(this.history.base);
  }

  /** What waits outlives this page. */
  get keepsUnsent(): boolean {
    return this.#options.store !== undefined;
  }

  /** Takes up what a page before this one could not send; before `connect`. */
  restore(): Promise<void> {
    return this.#connection.restore();
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

  /** Sends what becomes an op; answers its `seq` once the server has it, and rejects where it is refused. */
  async ask(message: OpMessage): Promise<number> {
    const answer = this.#answers.of(message);
    this.send(message);
    return answer;
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
    this.#shown.refreshInk(rect);
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
        if (!this.#rights.mayChange) this.painter.stop();
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
    this.layerThumbnails.welcome(this.layers.all);
    this.unseen.follow(this.layers.all);
    this.people.welcome(welcome);
    this.chat.welcome(welcome.chat ?? []);
    this.renders.welcome();
    this.strain = "calm";
    this.mask.forget();
    this.#shown.welcome(welcome.canvas, began);
    if (began) this.history.clear();
    if (welcome.photo) {
      this.history.welcome(welcome.photo.seq);
      this.#photos.welcome(welcome.photo, welcome.canvas);
    }
    this.#shown.paper.judgeSoon();
  }

  #op(message: SequencedOp): void {
    const { seq, client, op } = message;
    this.seq = Math.max(this.seq, seq);
    if (op.type !== "settings" || changesPicture(op)) this.pictureSeq = this.seq;
    this.thumbnails.heard();
    this.history.add(message);
    this.mask.heard(op);
    this.layers.heard(message, client === this.client);
    this.layerThumbnails.heard(message, this.layers.all);
    this.unseen.heard(message, this.layers.all);
    this.#pictureOps.hear(message);
  }

  #render(news: RenderNews): void {
    if (news.work === "invert") {
      this.#invert(news);
      return;
    }
    this.renders.hear(news);
  }

  #invert(news: RenderNews): void {
    if (!this.picture) return;
    this.#photos.hear(news, this.history.base, this.picture);
    if (news.state === "failed") {
      this.#options.notices.trouble(news.message ?? "The photo could not be inverted; brush there to try again.");
    }
  }

  #given(role: Role): void {
    this.#rights.role = role;
    if (!this.#rights.mayChange) this.painter.stop();
    this.#options.joined(role);
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

  async #unseenLayer(layer: number): Promise<Blob | undefined> {
    const { seq } = this;
    const picture = await layerOf(this.#options.name, layer);
    // Neither a frame nor a render comes of what the model does not see: its ink goes with this picture.
    if (picture && this.picture) this.refreshInk(this.picture.ink.layerShown(layer, seq));
    return picture;
  }

  #phaseChanged(phase: Phase): void {
    const was = this.phase.name;
    this.phase = phase;
    sayPhase(this.#options, was, phase);
  }
}

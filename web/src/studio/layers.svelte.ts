import type { BlendMode, Clock, LayerChange, LayerPatch, PaintLayer, SequencedOp } from "../../client/src";

/** The id of the lowest layer. */
export const LOWEST = 0;
/** The most layers of a room. */
export const LAYERS_MOST = 64;
/** The longest name of a layer, in characters. */
export const LAYER_NAME_MOST = 64;

/** While the opacity is dragged, the least time between two values that are sent, in milliseconds. */
export const OPACITY_GAP_MS = 60;

/** What people call the blend modes. */
export const BLEND_NAMES: Record<BlendMode, string> = {
  normal: "Normal",
  multiply: "Multiply",
  screen: "Screen",
  overlay: "Overlay",
  "soft-light": "Soft light",
};

/** What is to be different about the layer in hand. */
export type LayerLook = Omit<LayerPatch, "layer" | "continues">;

/** Before the room has said which there are. */
const FIRST: PaintLayer = {
  id: LOWEST,
  name: "Layer 1",
  visible: true,
  opacity: 1,
  blend: "normal",
  locked: false,
  alpha_locked: false,
  seen: true,
};

/** The room's layers, and the one that this member paints on. */
export class Layers {
  /** The lowest first. */
  all = $state.raw<readonly PaintLayer[]>([FIRST]);
  /** The id of the layer that strokes go to. */
  active = $state(LOWEST);
  /** An opacity that was set here and is not the room's yet. */
  #dragged = $state.raw<{ layer: number; opacity: number } | undefined>(undefined);
  /** What is dragged next goes on with what was sent last: one undo takes both back. */
  #continues = false;
  #unsent = false;
  #stop: (() => void) | undefined;
  readonly #send: (change: LayerChange) => void;
  readonly #clock: Clock;

  constructor(send: (change: LayerChange) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** The layer that strokes go to. */
  get inHand(): PaintLayer {
    return this.all.find(({ id }) => id === this.active) ?? this.all[0] ?? FIRST;
  }

  /** What a stroke says of its layer: nothing on the lowest, as for servers that know no others. */
  get ofStroke(): { layer?: number } {
    return this.active === LOWEST ? {} : { layer: this.active };
  }

  /** Why nothing can be painted on the layer in hand; undefined where it can. */
  get whyNot(): string | undefined {
    const { name, locked, visible } = this.inHand;
    if (locked) return `“${name}” is locked: unlock it, or choose another layer.`;
    return visible ? undefined : `“${name}” is hidden: show it, or choose another layer.`;
  }

  /** The opacity of the layer in hand, as it is while it is dragged. */
  get opacity(): number {
    return this.#dragged?.layer === this.inHand.id ? this.#dragged.opacity : this.inHand.opacity;
  }

  get isFull(): boolean {
    return this.all.length >= LAYERS_MOST;
  }

  /** On (re)joining; an older server tells no layers. */
  welcome(layers: readonly PaintLayer[] | undefined): void {
    this.#dragged = undefined;
    this.#take(layers?.length ? layers : [FIRST]);
  }

  /** An op came; what this member added is in hand from then on. */
  heard({ seq, op, layers }: SequencedOp, own: boolean): void {
    if (!layers) return;
    this.#take(layers);
    if (!own || op.type !== "layer") return;
    if (op.action === "add") this.choose(seq);
    if (op.action === "set" && op.opacity === this.#dragged?.opacity && !this.#unsent) this.#dragged = undefined;
  }

  /** A change was refused: what counts is what the server says. */
  refused(): void {
    this.#dragged = undefined;
  }

  /** Takes another layer in hand. */
  choose(id: number): void {
    this.ends();
    if (this.all.some((layer) => layer.id === id)) this.active = id;
  }

  /** A new layer above the one in hand. */
  add(): void {
    this.#send({ action: "add", above: this.inHand.id });
  }

  remove(): void {
    this.#send({ action: "remove", layer: this.inHand.id });
  }

  /** Changes a layer at once, as a step of its own. */
  set(layer: number, look: LayerLook): void {
    this.ends();
    this.#send({ action: "set", layer, ...look });
  }

  /** Changes the opacity of the layer in hand while it is dragged. */
  drag(opacity: number): void {
    this.#dragged = { layer: this.inHand.id, opacity };
    this.#unsent = true;
    if (!this.#stop) this.#sendDragged();
  }

  /** Something else is done: what is dragged next is a step of its own. */
  ends(): void {
    this.#stop?.();
    this.#stop = undefined;
    if (this.#unsent) this.#sendNow();
    this.#continues = false;
  }

  /** The layer that the one in hand would lie on, one place higher or lower; undefined where it cannot go there. */
  target(direction: 1 | -1): number | undefined {
    const at = this.all.findIndex(({ id }) => id === this.inHand.id);
    if (at <= 0) return undefined;
    return direction === 1 ? this.all[at + 1]?.id : this.all[at - 2]?.id;
  }

  /** Moves the layer in hand one place higher or lower. */
  move(direction: 1 | -1): void {
    const above = this.target(direction);
    if (above !== undefined) this.#send({ action: "move", layer: this.inHand.id, above });
  }

  #sendDragged(): void {
    this.#sendNow();
    this.#stop = this.#clock.after(OPACITY_GAP_MS, () => {
      this.#stop = undefined;
      if (this.#unsent) this.#sendDragged();
    });
  }

  #sendNow(): void {
    this.#unsent = false;
    if (!this.#dragged) return;
    const continues = this.#continues;
    this.#continues = true;
    this.#send({ action: "set", ...this.#dragged, ...(continues ? { continues } : {}) });
  }

  #take(layers: readonly PaintLayer[]): void {
    const at = this.all.findIndex(({ id }) => id === this.active);
    const gone = layers.every(({ id }) => id !== this.active);
    // What lay right under a layer that went is in hand then.
    const below = this.all.slice(0, Math.max(at, 0)).findLast(({ id }) => layers.some((layer) => layer.id === id));
    this.all = layers;
    if (gone) this.active = below?.id ?? LOWEST;
  }
}

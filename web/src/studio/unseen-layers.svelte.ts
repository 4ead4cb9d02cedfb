import type { Clock, PaintLayer, SequencedOp } from "../../client/src";

/** How long after the last change a layer is fetched again, in milliseconds. */
export const UNSEEN_REFRESH_MS = 200;

/** A layer that people see and the model does not. */
export interface UnseenLayer {
  layer: PaintLayer;
  /** The address of its pixels; undefined until they have come. */
  url: string | undefined;
}

/**
 * The layers that are visible and that the model does not see. They are in
 * neither of the pictures that the server sends, so their pixels are fetched
 * and laid over those.
 */
export class UnseenLayers {
  /** The lowest first. */
  all = $state.raw<readonly UnseenLayer[]>([]);
  #stale = new Set<number>();
  #stop: (() => void) | undefined;
  readonly #load: (layer: number) => Promise<Blob | undefined>;
  readonly #clock: Clock;

  constructor(load: (layer: number) => Promise<Blob | undefined>, clock: Clock) {
    this.#load = load;
    this.#clock = clock;
  }

  /** The room's layers are these now. */
  follow(layers: readonly PaintLayer[]): void {
    const before = new Map(this.all.map((shown) => [shown.layer.id, shown.url]));
    // The lowest is opaque: over the picture it would hide all of it.
    const unseen = layers.filter(({ id, visible, seen }) => id !== 0 && visible && !seen);
    this.all = unseen.map((layer) => ({ layer, url: before.get(layer.id) }));
    for (const { id } of unseen) {
      if (!before.has(id)) this.#stale.add(id);
      before.delete(id);
    }
    for (const url of before.values()) if (url !== undefined) URL.revokeObjectURL(url);
    this.#refreshSoon();
  }

  /** An op came: a stroke may lie on such a layer, and other ops may change any of them. */
  heard({ op, layers }: SequencedOp, all: readonly PaintLayer[]): void {
    if (layers) this.follow(all);
    if (op.type === "settings" || op.type === "layer" || this.all.length === 0) return;
    for (const { layer } of this.all) this.#stale.add(layer.id);
    this.#refreshSoon();
  }

  #refreshSoon(): void {
    if (this.#stale.size === 0) return;
    this.#stop?.();
    this.#stop = this.#clock.after(UNSEEN_REFRESH_MS, () => {
      this.#stop = undefined;
      const stale = [...this.#stale];
      this.#stale.clear();
      for (const id of stale) void this.#fetch(id);
    });
  }

  async #fetch(id: number): Promise<void> {
    const blob = await this.#load(id);
    const shown = this.all.find(({ layer }) => layer.id === id);
    if (!blob || !shown) return;
    if (shown.url !== undefined) URL.revokeObjectURL(shown.url);
    const url = URL.createObjectURL(blob);
    this.all = this.all.map((other) => (other.layer.id === id ? { ...other, url } : other));
  }
}

import type { Clock, PaintLayer, SequencedOp } from "../../client/src";

/** How long after the last change layers are looked at again, in milliseconds. */
export const THUMBNAIL_REFRESH_MS = 600;
/** Strokes that are painted at once; more than these are not told apart. */
const STROKES_MOST = 64;

/**
 * Small pictures of the layers, for the list of them. One is fetched when its layer has changed and somebody
 * looks at the list, one after the other.
 */
export class LayerThumbnails {
  /** The addresses of those that have come, by layer. */
  urls = $state.raw<ReadonlyMap<number, string>>(new Map());
  #layers: readonly PaintLayer[] = [];
  #stale = new Set<number>();
  /** The layers of strokes that go on: only their first message names it. */
  readonly #strokes = new Map<string, number>();
  #watchers = 0;
  #isFetching = false;
  #stop: (() => void) | undefined;
  readonly #load: (layer: number) => Promise<Blob | undefined>;
  readonly #clock: Clock;

  constructor(load: (layer: number) => Promise<Blob | undefined>, clock: Clock) {
    this.#load = load;
    this.#clock = clock;
  }

  /** Somebody looks at the list until the answer is called. */
  watch(): () => void {
    this.#watchers += 1;
    this.#refreshSoon(0);
    return () => {
      this.#watchers -= 1;
    };
  }

  /** On (re)joining: the room has these layers, and anything may be on them. */
  welcome(layers: readonly PaintLayer[]): void {
    this.#layers = layers;
    this.#changed(layers.map(({ id }) => id));
  }

  /** An op came, after which the room has these layers. */
  heard(message: SequencedOp, layers: readonly PaintLayer[]): void {
    const before = new Set(this.#layers.map(({ id }) => id));
    this.#layers = layers;
    this.#forgetGone();
    const added = layers.map(({ id }) => id).filter((id) => !before.has(id));
    this.#changed([...added, ...this.#paintedBy(message)]);
  }

  /** The layers whose pixels an op may have changed. */
  #paintedBy({ client, op, switches = [] }: SequencedOp): number[] {
    const all = this.#layers.map(({ id }) => id);
    switch (op.type) {
      case "stroke": {
        const key = `${client}/${op.id}`;
        if (op.tool !== undefined && this.#strokes.size < STROKES_MOST) this.#strokes.set(key, op.layer ?? 0);
        const layer = this.#strokes.get(key);
        if (op.done) this.#strokes.delete(key);
        return layer === undefined ? all : [layer];
      }
      case "place":
        return op.layer === undefined ? all : [op.layer];
      case "apply":
        return all;
      case "undo":
      case "redo":
      case "revert":
        return switches.length > 0 ? all : [];
      default:
        return [];
    }
  }

  #forgetGone(): void {
    const kept = new Map<number, string>();
    for (const [id, url] of this.urls) {
      if (this.#layers.some((layer) => layer.id === id)) kept.set(id, url);
      else URL.revokeObjectURL(url);
    }
    if (kept.size < this.urls.size) this.urls = kept;
  }

  #changed(layers: readonly number[]): void {
    for (const layer of layers) this.#stale.add(layer);
    if (layers.length > 0) this.#refreshSoon(THUMBNAIL_REFRESH_MS);
  }

  #refreshSoon(delay: number): void {
    if (this.#watchers === 0 || this.#stale.size === 0) return;
    this.#stop?.();
    this.#stop = this.#clock.after(delay, () => {
      this.#stop = undefined;
      void this.#refresh();
    });
  }

  async #refresh(): Promise<void> {
    if (this.#isFetching) return;
    this.#isFetching = true;
    for (const layer of this.#stale) {
      if (this.#watchers === 0) break;
      this.#stale.delete(layer);
      if (this.#layers.some(({ id }) => id === layer)) await this.#fetch(layer);
    }
    this.#isFetching = false;
  }

  async #fetch(layer: number): Promise<void> {
    const blob = await this.#load(layer);
    if (!blob || !this.#layers.some(({ id }) => id === layer)) return;
    const before = this.urls.get(layer);
    this.urls = new Map([...this.urls, [layer, URL.createObjectURL(blob)]]);
    if (before !== undefined) URL.revokeObjectURL(before);
  }
}

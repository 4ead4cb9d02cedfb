import type { Clock } from "../../client/src";

/** A small picture of an earlier state, which can be gone back to. */
export interface Thumbnail {
  /** `seq` of the last op that it shows. */
  seq: number;
  /** `seq` of the last op that changed what is in it. */
  picture: number;
  /** What was done last. */
  label: string;
  /** The small picture, as a data URL. */
  image: string;
}

/** When so long nothing has come, the picture is as its last op left it. */
export const CALM_MS = 350;

const KEPT = 24;
/** The newest states of the picture, newest first. */
export class Thumbnails {
  shown = $state.raw<readonly Thumbnail[]>([]);
  readonly #clock: Clock;
  readonly #look: () => Thumbnail | undefined;
  #stop: (() => void) | undefined;

  /** `look` makes a thumbnail of the picture; it answers nothing while better pixels are to come. */
  constructor(clock: Clock, look: () => Thumbnail | undefined) {
    this.#clock = clock;
    this.#look = look;
  }

  /** The picture changed: it is kept once it is at rest. */
  changed(): void {
    this.#stop?.();
    this.#stop = this.#clock.after(CALM_MS, () => {
      this.#stop = undefined;
      const thumbnail = this.#look();
      if (thumbnail) this.take(thumbnail);
      else this.changed();
    });
  }

  /** An op came, whose pixels may still be on their way. */
  heard(): void {
    if (this.#stop) this.changed();
  }

  /** A state came to rest. The same one, or one that looks no different, takes the newest one's place. */
  take(thumbnail: Thumbnail): void {
    const [newest, ...others] = this.shown;
    const isSame = newest?.seq === thumbnail.seq || newest?.image === thumbnail.image;
    const earlier = isSame ? others : this.shown;
    const label = newest?.image === thumbnail.image ? newest.label : thumbnail.label;
    this.shown = [{ ...thumbnail, label }, ...earlier].slice(0, KEPT);
  }

  /** States up to `seq` can be gone back to no more. */
  forgetThrough(seq: number): void {
    this.shown = this.shown.filter((thumbnail) => thumbnail.seq > seq);
  }

  /** The room began anew. */
  clear(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.shown = [];
  }
}

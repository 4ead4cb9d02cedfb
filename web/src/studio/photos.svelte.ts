import type { CanvasSize, Clock, PhotoInfo, RenderNews } from "../../client/src";
import type { HistoryEntry } from "./history.svelte";
import { afterNews, asWelcomed, PLACED, type InvertedPhoto } from "./inversion";

/** A photo of which nothing is heard for so long is too large to be inverted at once. */
export const UNHEARD_MS = 4000;

/** The photos of a room that were or are being inverted. */
export class InvertedPhotos {
  /** By the `seq` of the op that placed them. */
  #placed = $state.raw<ReadonlyMap<number, InvertedPhoto>>(new Map());

  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The inverted photo that is the base, if that is one. */
  under(base: HistoryEntry | undefined): InvertedPhoto | undefined {
    return base && this.#placed.get(base.seq);
  }

  /** The photo that is the base, as the room tells of it on (re)joining. */
  welcome(photo: PhotoInfo, canvas: CanvasSize): void {
    this.#set(photo.seq, asWelcomed(photo, canvas, this.#placed.get(photo.seq)));
  }

  /** The op `seq` placed a photo to be inverted; on rejoining the room told of it before. */
  place(seq: number): void {
    if (this.#placed.has(seq)) return;
    this.#set(seq, PLACED);
    this.#clock.after(UNHEARD_MS, () => {
      if (this.#placed.get(seq) === PLACED) this.#set(seq, { ...PLACED, phase: "still" });
    });
  }

  /** News of the photo that is the base. */
  hear(news: RenderNews, base: HistoryEntry | undefined, canvas: CanvasSize): void {
    if (base) this.#set(base.seq, afterNews(this.under(base) ?? PLACED, news, canvas));
  }

  /** The room began anew. */
  clear(): void {
    this.#placed = new Map();
  }

  #set(seq: number, photo: InvertedPhoto): void {
    this.#placed = new Map([...this.#placed, [seq, photo]]);
  }
}

import type { Point } from "./view";

/** A pointer whose places come this far apart moves on; farther apart it rested, and starts anew. */
const LONGEST_MS = 150;
const SHORTEST_MS = 40;

/** Somebody's pointer, between the places that were told. */
export class PointerTrack {
  #from: Point;
  #to: Point;
  #began: number;
  #lasts = 0;

  constructor(place: Point, now: number) {
    this.#from = this.#to = place;
    this.#began = now;
  }

  /** The pointer is somewhere else: it gets there while the next place is on its way. */
  move(place: Point, now: number): void {
    const since = now - this.#began;
    this.#from = this.at(now);
    this.#to = place;
    this.#began = now;
    this.#lasts = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, since));
  }

  /** Where it is shown, in canvas pixels. */
  at(now: number): Point {
    const part = this.isSettled(now) ? 1 : (now - this.#began) / this.#lasts;
    return {
      x: this.#from.x + (this.#to.x - this.#from.x) * part,
      y: this.#from.y + (this.#to.y - this.#from.y) * part,
    };
  }

  /** It has come to the place that was told last. */
  isSettled(now: number): boolean {
    return now - this.#began >= this.#lasts;
  }

  /** The place that was told last. */
  get target(): Point {
    return this.#to;
  }
}

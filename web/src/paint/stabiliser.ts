import type { StrokePoint } from "../../client/src";

/**
 * Steadies the hand: the brush is pulled behind the pointer on a string and
 * moves only while the string is tight. That needs no clock, and a slow hand
 * gets the same line as a fast one. At the end the brush comes to where the
 * pointer is. Without a string every point goes through as it is.
 */
export class Stabiliser {
  readonly #length: number;
  #tip: StrokePoint | undefined;
  #pointer: StrokePoint | undefined;

  /** `length` of the string, in canvas pixels. */
  constructor(length: number) {
    this.#length = length;
  }

  /** Where the brush is; undefined before the first point and without a string. */
  get tip(): StrokePoint | undefined {
    return this.#length > 0 ? this.#tip : undefined;
  }

  /** Where the brush goes while the pointer moves along `points`. */
  follow(points: readonly StrokePoint[]): readonly StrokePoint[] {
    if (this.#length <= 0) return points;
    const way: StrokePoint[] = [];
    for (const point of points) {
      this.#pointer = point;
      const next = this.#pulled(point);
      if (!next) continue;
      this.#tip = next;
      way.push(next);
    }
    return way;
  }

  /** The hand let go: what is left of the way to the pointer. */
  end(): StrokePoint[] {
    const pointer = this.#pointer;
    const tip = this.#tip;
    this.#tip = pointer;
    if (!pointer || !tip || (tip[0] === pointer[0] && tip[1] === pointer[1])) return [];
    return [pointer];
  }

  #pulled([x, y, pressure]: StrokePoint): StrokePoint | undefined {
    if (!this.#tip) return [x, y, pressure];
    const [dx, dy] = [x - this.#tip[0], y - this.#tip[1]];
    const distance = Math.hypot(dx, dy);
    if (distance <= this.#length) return undefined;
    const part = (distance - this.#length) / distance;
    return [this.#tip[0] + dx * part, this.#tip[1] + dy * part, pressure];
  }
}

interface Awaited {
  seq: number;
  drawnAt: number;
}

const MOST = 256;

/** Measures stroke-to-pixel: from the last point of a chunk to the first rendered frame with it. */
export class Latency {
  #awaited: Awaited[] = [];

  /** A chunk that was drawn at `drawnAt` became op `seq`. */
  await(seq: number, drawnAt: number): void {
    this.#awaited.push({ seq, drawnAt });
    if (this.#awaited.length > MOST) this.#awaited.shift();
  }

  /** A rendered frame is shown. Answers the milliseconds of the newest chunk in it. */
  shown(rev: number, now: number): number | undefined {
    const included = this.#awaited.filter((chunk) => chunk.seq <= rev);
    const newest = included.at(-1);
    if (!newest) return undefined;
    this.#awaited = this.#awaited.filter((chunk) => chunk.seq > rev);
    return now - newest.drawnAt;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#awaited = [];
  }
}

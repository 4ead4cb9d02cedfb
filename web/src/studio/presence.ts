import type { Clock, Presence } from "../../client/src";

/** Twenty times a second. */
const EVERY_MS = 50;

/** Tells the others where this member's pointer is and what it sees: often enough, and the newest in the end. */
export class PresenceSender {
  readonly #clock: Clock;
  readonly #now: () => Presence | undefined;
  readonly #send: (presence: Presence) => void;
  #sentAt = -Infinity;
  #stop: (() => void) | undefined;

  /** `now` answers what is to be told at that moment; undefined while nobody would hear it. */
  constructor(clock: Clock, now: () => Presence | undefined, send: (presence: Presence) => void) {
    this.#clock = clock;
    this.#now = now;
    this.#send = send;
  }

  /** Something of it has changed. */
  changed(): void {
    if (this.#stop) return;
    const wait = this.#sentAt + EVERY_MS - this.#clock.now();
    if (wait <= 0) this.#tell();
    else this.#stop = this.#clock.after(wait, () => this.#tell());
  }

  #tell(): void {
    this.#stop = undefined;
    const presence = this.#now();
    if (!presence) return;
    this.#sentAt = this.#clock.now();
    this.#send(presence);
  }
}

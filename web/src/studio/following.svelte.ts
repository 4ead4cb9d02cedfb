import type { Rect } from "../../client/src";
import { framed, type Point, type View } from "../stage/view";

/** What following needs of the page. */
export interface Follower {
  view: () => View;
  /** The size of a part of the stage, in CSS pixels. */
  pane: () => Point;
  look: (view: View) => void;
  /** Calls back with the next frame of the screen; answers how to stop. */
  frame: (task: () => void) => () => void;
  /** Motion is unwelcome: the view jumps. */
  still: boolean;
}

/** How much of the way to the other's view is left after a frame. */
const LEFT = 0.78;

/** This member's view goes where another's is, until it is moved by hand. */
export class Following {
  /** Who is followed. */
  client = $state<string | undefined>(undefined);
  readonly #page: Follower;
  #goal: View | undefined;
  #stop: (() => void) | undefined;

  constructor(page: Follower) {
    this.#page = page;
  }

  /** Follows somebody, whose view may be known. */
  begin(client: string, view: Rect | undefined): void {
    this.end();
    this.client = client;
    if (view) this.saw(client, view);
  }

  /** The view is one's own again. */
  end(): void {
    this.client = undefined;
    this.#goal = undefined;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Somebody sees that part of the plane now. */
  saw(client: string, view: Rect): void {
    if (client !== this.client) return;
    this.#goal = framed(view, this.#page.pane());
    if (this.#page.still) this.#page.look(this.#goal);
    else if (!this.#stop) this.#glide();
  }

  #glide(): void {
    this.#stop = undefined;
    if (!this.#goal) return;
    const now = this.#page.view();
    const goal = this.#goal;
    const between = (from: number, to: number): number => to + (from - to) * LEFT;
    const next = { ...goal, scale: between(now.scale, goal.scale), x: between(now.x, goal.x), y: between(now.y, goal.y) };
    const isThere =
      Math.abs(next.scale / goal.scale - 1) < 0.002 && Math.hypot(next.x - goal.x, next.y - goal.y) < 0.5;
    this.#page.look(isThere ? goal : next);
    if (isThere) this.#goal = undefined;
    else this.#stop = this.#page.frame(() => this.#glide());
  }
}

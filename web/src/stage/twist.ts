import { angleBetween, pinched, restingAngle, turnedAt, type Point, type View } from "./view";

/** Two fingers turn the picture once they have turned so far, in degrees. */
const MEANT_FROM = 12;

/** Two fingers on the stage: what is between them stays there, grows as they part, and turns with them once that is meant. */
export class Twist {
  /** How far they have turned around each other, in degrees. */
  #turned = 0;
  /** The view's angle, unrounded, once they turn it. */
  #angle: number | undefined;

  /** They came down. */
  begin(): void {
    this.#turned = 0;
    this.#angle = undefined;
  }

  /** They moved; answers the view. */
  follow(view: View, from: [Point, Point], to: [Point, Point]): View {
    const moved = pinched(view, from, to);
    const along = { x: to[0].x + from[1].x - from[0].x, y: to[0].y + from[1].y - from[0].y };
    const step = angleBetween(to[0], along, to[1]);
    this.#turned += step;
    if (this.#angle === undefined) {
      // Fingers that zoom turn a little too.
      if (Math.abs(this.#turned) >= MEANT_FROM) this.#angle = view.angle;
      return moved;
    }
    this.#angle += step;
    const middle = { x: (to[0].x + to[1].x) / 2, y: (to[0].y + to[1].y) / 2 };
    return turnedAt(moved, middle, restingAngle(this.#angle, false));
  }
}

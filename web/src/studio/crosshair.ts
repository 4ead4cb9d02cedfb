import type { Studio } from "./studio.svelte";

const STEP = 8;
const FAR = 48;

const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Painting with the keyboard: arrows move a crosshair, Space paints while it is held, Enter dabs. */
export class Crosshair {
  readonly #studio: Studio;
  /** Space is held: something is drawn. */
  #drawing = false;
  /** The stroke in hand went somewhere: it is one for sure. */
  #moved = false;

  constructor(studio: Studio) {
    this.#studio = studio;
  }

  down(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    const at = this.#studio.crosshair;
    if (arrow) {
      this.#move(arrow, event.shiftKey ? FAR : STEP);
    } else if (at && event.key === " ") {
      this.#press(at);
    } else if (at && event.key === "Enter") {
      this.#press(at);
      this.#lift();
    } else if (at && event.key === "Escape") {
      if (!this.#studio.abandonShape()) this.leave();
      this.#drawing = false;
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  up(event: KeyboardEvent): void {
    if (event.key !== " " || !this.#drawing) return;
    event.preventDefault();
    event.stopPropagation();
    this.#lift();
  }

  /** The canvas lost the focus. */
  leave(): void {
    this.#lift();
    this.#studio.crosshair = undefined;
  }

  /** The pointer is used over the canvas, `pressed` or only moved: Space means the hand again. */
  giveWay(pressed: boolean): void {
    if (!this.#studio.crosshair || (this.#drawing && this.#moved && !pressed)) return;
    if (this.#drawing) {
      if (!this.#moved) {
        this.#studio.drawing.cancel();
        this.#drawing = false;
        this.#studio.room.judgeBlankSoon();
      }
      this.#lift();
      this.#studio.toolbox.momentary = "hand";
    }
    this.#studio.crosshair = undefined;
  }

  #move(arrow: readonly [number, number], step: number): void {
    const { room } = this.#studio;
    if (!room.picture) return;
    const { width, height } = room.picture;
    const [dx, dy] = this.#onCanvas(arrow);
    const at = this.#studio.crosshair ?? { x: width / 2, y: height / 2 };
    const next = {
      x: Math.min(width, Math.max(0, at.x + dx * step)),
      y: Math.min(height, Math.max(0, at.y + dy * step)),
    };
    this.#studio.crosshair = next;
    this.#studio.pointAt(next);
    if (this.#drawing) {
      this.#studio.drawing.commit();
      this.#studio.drawing.move([[next.x, next.y, 1]]);
    }
    this.#moved = true;
    this.#studio.notices.speak(`${Math.round(next.x)}, ${Math.round(next.y)}`);
  }

  /** An arrow points where the eye sees it, however the view is turned. */
  #onCanvas([dx, dy]: readonly [number, number]): readonly [number, number] {
    const { angle, mirrored } = this.#studio.viewport.view;
    if (angle === 0 && !mirrored) return [dx, dy];
    const from = this.#studio.viewport.canvasPoint({ x: 0, y: 0 });
    const to = this.#studio.viewport.canvasPoint({ x: dx, y: dy });
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    return [(to.x - from.x) / length, (to.y - from.y) / length];
  }

  /** Nothing is sent before the crosshair moves or Space is let go: a pointer may still come and pan. */
  #press(at: { x: number; y: number }): void {
    if (this.#drawing || !this.#studio.room.mayPaint) return;
    this.#drawing = true;
    this.#studio.drawing.begin([at.x, at.y, 1], true);
    this.#moved = false;
    this.#studio.room.blank = false;
  }

  #lift(): void {
    if (this.#drawing) this.#studio.drawing.end();
    this.#drawing = false;
  }
}

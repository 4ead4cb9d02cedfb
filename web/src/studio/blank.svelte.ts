import type { Clock } from "../../client/src";
import type { Picture } from "../stage/picture";

/** Whether the paper is white is judged so long after an undo. */
const JUDGE_MS = 600;

/** Whether the paper is white all over: where it is, the page offers something to begin with. */
export class BlankPaper {
  is = $state(false);
  /** Since something was taken back nobody has painted: the paper may be white again. */
  #takenBack = false;
  #stopJudging: (() => void) | undefined;
  readonly #clock: Clock;
  readonly #picture: () => Picture | undefined;

  constructor(clock: Clock, picture: () => Picture | undefined) {
    this.#clock = clock;
    this.#picture = picture;
  }

  /** Somebody paints. */
  painted(): void {
    this.#takenBack = false;
    this.is = false;
  }

  /** Looks once the pixels of what was taken back have come. */
  judgeSoon(): void {
    this.#takenBack = true;
    this.#stopJudging?.();
    this.#stopJudging = this.#clock.after(JUDGE_MS, () => this.judge());
  }

  /** Other pixels are shown. */
  shown(): void {
    if (this.is) this.judge();
    else if (this.#takenBack) this.judgeSoon();
  }

  /** Looks now. */
  judge(): void {
    const picture = this.#picture();
    this.is = picture !== undefined && picture.ink.isEmpty && picture.isBlank();
  }
}

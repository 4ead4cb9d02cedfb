import type { CanvasSize, Clock, Rect } from "../../client/src";
import { isEmpty } from "../paint/geometry";
import { Latency } from "../paint/latency";
import { FrameQueue, type DecodedFrame } from "../stage/decode";
import { Picture } from "../stage/picture";
import type { Renderer } from "../stage/renderer";
import { BlankPaper } from "./blank.svelte";
import type { Notices } from "./notices.svelte";

/** What a picture that is shown needs from outside. */
export interface ShownOptions {
  clock: Clock;
  notices: Notices;
  /** Whether strokes are rendered while they are painted. */
  live: () => boolean;
  /** The result has pixels that no better ones follow. */
  finalShown: () => void;
}

/** The room's picture as this page shows it: its frames as they come, and the ink until they do. */
export class Shown {
  picture = $state.raw<Picture | undefined>(undefined);
  /** The whole picture has come. */
  complete = $state(false);
  /** Milliseconds from the last point to its rendered pixels. */
  strokeToPixel = $state<number | undefined>(undefined);
  readonly paper: BlankPaper;
  renderer: Renderer | undefined;
  readonly #frames: FrameQueue;
  readonly #latency = new Latency();
  readonly #options: ShownOptions;

  constructor(options: ShownOptions) {
    this.#options = options;
    this.paper = new BlankPaper(options.clock, () => this.picture);
    this.#frames = new FrameQueue(
      (frame) => this.#show(frame),
      (message) => options.notices.trouble(`A part of the picture could not be shown: ${message}.`),
    );
  }

  /** A binary frame came. */
  push(bytes: ArrayBuffer): void {
    this.#frames.push(bytes);
  }

  /** The room was entered. `began` says that it counts from the beginning again. */
  welcome(canvas: CanvasSize, began: boolean): void {
    this.#latency.clear();
    const { width, height } = canvas;
    if (!this.picture || this.picture.width !== width || this.picture.height !== height) {
      this.#frames.reset();
      this.picture = new Picture(canvas);
      this.complete = false;
      this.renderer?.setPicture(this.picture);
    } else if (began) {
      this.#frames.reset();
      this.picture.forgetRevisions();
      this.refreshInk(this.picture.ink.clear());
    }
  }

  /** Draws ink anew and shows it with the next frame. */
  refreshInk(rect: Rect): void {
    if (isEmpty(rect)) return;
    this.picture?.refreshInk(rect);
    this.renderer?.invalidate(rect);
  }

  /** Everything up to `rev` is in the pixels that have come, under the rectangle or everywhere: its ink goes. */
  retire(rev: number, rect?: Rect): void {
    this.#frames.then(() => {
      if (this.picture) this.refreshInk(this.picture.ink.resultShown(rect ?? this.picture.bounds, rev));
    });
  }

  /** How long it takes is measured until the pixels of the op `seq` are shown. */
  await(seq: number, drawnAt: number): void {
    this.#latency.await(seq, drawnAt);
  }

  #show(frame: DecodedFrame): void {
    const picture = this.picture;
    if (!picture) return;
    const { layer, rev, step } = frame.header;
    const parts = picture.show(frame);
    if (layer === "result" && frame.header.final) this.#options.finalShown();
    for (const part of parts) {
      const dirty =
        layer === "result"
          ? picture.ink.resultShown(part, rev)
          : this.#options.live()
            ? ([0, 0, 0, 0] satisfies Rect)
            : picture.ink.sketchShown(part, rev);
      this.refreshInk(dirty);
      this.renderer?.invalidate(part);
    }
    if (layer === "result" && step > 0 && parts.length > 0) {
      const elapsed = this.#latency.shown(rev, this.#options.clock.now());
      if (elapsed !== undefined) this.strokeToPixel = elapsed;
    }
    this.paper.shown();
    if (!this.complete && picture.revisions.result.complete && picture.revisions.sketch.complete) {
      this.complete = true;
      this.paper.judge();
    }
  }
}

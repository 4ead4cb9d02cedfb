import { decodeFrame, type Frame, type FrameHeader } from "../../client/src";
import { sentenceOf } from "../wire/errors";

/** A binary message for the worker. */
export interface DecodeRequest {
  ticket: number;
  bytes: ArrayBuffer;
}

/** What became of it. */
export type DecodeAnswer =
  | { ticket: number; header: FrameHeader; bitmap: ImageBitmap }
  | { ticket: number; error: string };

/** A frame, ready to be drawn. */
export interface DecodedFrame {
  header: FrameHeader;
  bitmap: ImageBitmap;
}

/** Decodes a frame's image without touching its colours. */
export function bitmapOf(frame: Frame): Promise<ImageBitmap> {
  const blob = new Blob([frame.image], { type: `image/${frame.header.format}` });
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

/**
 * Decodes frames off the main thread and hands them on in the order in which
 * they came, together with whatever was queued between them.
 */
export class FrameQueue {
  #worker: Worker | undefined;
  #ticket = 0;
  #tail: Promise<void> = Promise.resolve();
  #generation = 0;
  readonly #waiting = new Map<number, (answer: DecodeAnswer) => void>();
  readonly #show: (frame: DecodedFrame) => void;
  readonly #failed: (message: string) => void;

  constructor(show: (frame: DecodedFrame) => void, failed: (message: string) => void) {
    this.#show = show;
    this.#failed = failed;
    this.#start();
  }

  /** Takes a binary message in; its buffer is given away. */
  push(bytes: ArrayBuffer): void {
    const decoded = this.#decode(bytes);
    const generation = this.#generation;
    this.#tail = this.#tail.then(async () => {
      const answer = await decoded;
      if ("error" in answer) this.#failed(answer.error);
      else if (generation === this.#generation) this.#show(answer);
      if ("bitmap" in answer) answer.bitmap.close();
    });
  }

  /** Runs a task once everything that came before is shown. */
  then(task: () => void): void {
    const generation = this.#generation;
    this.#tail = this.#tail.then(() => {
      if (generation === this.#generation) task();
    });
  }

  /** Forgets everything that is not shown yet: the picture starts anew. */
  reset(): void {
    this.#generation += 1;
  }

  #start(): void {
    try {
      const worker = new Worker(new URL("./decode.worker.ts", import.meta.url), { type: "module" });
      worker.onmessage = (event: MessageEvent<DecodeAnswer>) => {
        this.#waiting.get(event.data.ticket)?.(event.data);
        this.#waiting.delete(event.data.ticket);
      };
      worker.onerror = () => this.#withoutWorker();
      this.#worker = worker;
    } catch {
      this.#worker = undefined;
    }
  }

  /** The worker could not be loaded: the main thread decodes from now on. */
  #withoutWorker(): void {
    this.#worker = undefined;
    for (const [ticket, answer] of this.#waiting) {
      answer({ ticket, error: "the picture decoder stopped; reload the page if parts are missing" });
    }
    this.#waiting.clear();
  }

  #decode(bytes: ArrayBuffer): Promise<DecodeAnswer> {
    this.#ticket += 1;
    const ticket = this.#ticket;
    const worker = this.#worker;
    if (!worker) return decodeHere(ticket, bytes);
    return new Promise((resolve) => {
      this.#waiting.set(ticket, resolve);
      worker.postMessage({ ticket, bytes } satisfies DecodeRequest, [bytes]);
    });
  }
}

async function decodeHere(ticket: number, bytes: ArrayBuffer): Promise<DecodeAnswer> {
  try {
    const frame = decodeFrame(bytes);
    return { ticket, header: frame.header, bitmap: await bitmapOf(frame) };
  } catch (error) {
    return { ticket, error: sentenceOf(error) };
  }
}

import { type Clock, type Recording, type TimelapseQuery } from "../../client/src";
import { sentenceOf } from "../wire/errors";

/** How long a time-lapse may take, in seconds. */
export const LENGTHS = [5, 10, 20, 30] as const;
/** How large a file may be, in pixels on its longer side. */
export const SIDES = [256, 384, 512] as const;
/** Pictures in a second at most; the server says the same. */
const PICTURES_PER_SECOND = 15;
/** How much longer the last picture stays than the others, in milliseconds. */
const REST_MS = 1500;

/** A picture that is played. */
export interface Still {
  /** Its address in this page. */
  image: string;
  /** When it was recorded, in milliseconds since 1970. */
  at: number;
}

/** What a time-lapse needs from outside. */
export interface TimelapseOptions {
  clock: Clock;
  recording: (signal: AbortSignal) => Promise<Recording>;
  file: (query: TimelapseQuery, heard: (made: number, frames: number) => void, signal: AbortSignal) => Promise<Blob>;
  /** Gives a picture an address in this page, and takes it back. */
  show: (image: Blob) => string;
  hide: (address: string) => void;
}

/** A room's recording as it is played here, and the file that the server makes of it. */
export class Timelapse {
  stills = $state.raw<readonly Still[]>([]);
  /** How many there will be. */
  frames = $state(0);
  /** The place of the one that is shown. */
  place = $state(0);
  playing = $state(false);
  loading = $state(false);
  seconds = $state<number>(10);
  /** How far the file is; undefined while none is made. */
  made = $state.raw<{ pictures: number; frames: number } | undefined>(undefined);
  /** What went wrong, in a sentence. */
  trouble = $state("");
  readonly #options: TimelapseOptions;
  #loading: AbortController | undefined;
  #making: AbortController | undefined;
  #stop: (() => void) | undefined;

  constructor(options: TimelapseOptions) {
    this.#options = options;
  }

  /** The picture that is shown. */
  get still(): Still | undefined {
    return this.stills[this.place];
  }

  /** Gets the recording, and plays it as it comes. */
  async open(): Promise<void> {
    this.close();
    const loading = new AbortController();
    this.#loading = loading;
    this.loading = true;
    this.playing = true;
    try {
      const { frames, pictures } = await this.#options.recording(loading.signal);
      this.frames = frames;
      for await (const { image, at } of pictures) {
        if (loading.signal.aborted) return;
        this.stills = [...this.stills, { image: this.#options.show(image), at }];
        if (this.playing && !this.#stop) this.#next();
      }
    } catch (error) {
      if (loading.signal.aborted) return;
      this.trouble = sentenceOf(error);
      this.pause();
    } finally {
      if (this.#loading === loading) this.loading = false;
    }
  }

  /** Forgets everything, and stops what is on its way. */
  close(): void {
    this.#loading?.abort();
    this.#making?.abort();
    this.pause();
    for (const { image } of this.stills) this.#options.hide(image);
    this.stills = [];
    [this.frames, this.place, this.loading, this.made, this.trouble] = [0, 0, false, undefined, ""];
  }

  /** Plays on, from the beginning where it has come to the end. */
  play(): void {
    if (this.place >= this.stills.length - 1) this.place = 0;
    this.playing = true;
    this.#next();
  }

  pause(): void {
    this.playing = false;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Shows one, and waits there. */
  seek(place: number): void {
    this.pause();
    this.place = Math.min(Math.max(0, place), Math.max(0, this.stills.length - 1));
  }

  /** Has the server make a file; undefined where that came to nothing, or was ended. */
  async make(side: number): Promise<Blob | undefined> {
    const making = new AbortController();
    this.#making = making;
    this.trouble = "";
    this.made = { pictures: 0, frames: 0 };
    const heard = (pictures: number, frames: number): void => {
      if (!making.signal.aborted) this.made = { pictures, frames };
    };
    try {
      return await this.#options.file({ seconds: this.seconds, side }, heard, making.signal);
    } catch (error) {
      if (!making.signal.aborted) this.trouble = sentenceOf(error);
      return undefined;
    } finally {
      if (this.#making === making) this.made = undefined;
    }
  }

  /** Shows the next picture after a while; what has not come yet is waited for. */
  #next(): void {
    this.#stop?.();
    const count = Math.max(1, this.frames);
    const pause = Math.max(1000 / PICTURES_PER_SECOND, (this.seconds * 1000) / count);
    const isLast = this.place >= count - 1;
    this.#stop = this.#options.clock.after(isLast ? pause + REST_MS : pause, () => {
      this.#stop = undefined;
      if (isLast) this.place = 0;
      else if (this.place < this.stills.length - 1) this.place += 1;
      else if (!this.loading) this.place = 0;
      if (this.playing) this.#next();
    });
  }
}

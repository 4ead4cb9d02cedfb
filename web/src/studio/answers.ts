import type { ErrorMessage, OpMessage } from "../../client/src";
import type { Painter } from "../paint/painter";
import type { Layers } from "./layers.svelte";
import type { Notices } from "./notices.svelte";
import type { RoomSettings } from "./settings.svelte";
import type { Shown } from "./shown.svelte";
import type { Thumbnails } from "./thumbnails.svelte";

/** What answers change in the room. */
export interface AnswersOptions {
  notices: Notices;
  painter: Painter;
  layers: Layers;
  settings: RoomSettings;
  shown: Shown;
  thumbnails: Thumbnails;
  /** Everything up to the op `seq` is with the server. */
  saved: (seq: number) => void;
  /** The server inverts no photos: the image is placed as it is. */
  placePlain: (image: string) => void;
}

/** Who waits for what comes of a message. */
interface Asked {
  resolve: (seq: number) => void;
  reject: (reason: Error) => void;
}

/** What becomes of the ops that this page sends: the server takes or refuses them, or they are lost. */
export class Answers {
  readonly #asked = new Map<OpMessage, Asked>();
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** The `seq` of a message that is about to be sent, once the server has it; rejects where it is refused. */
  of(message: OpMessage): Promise<number> {
    return new Promise((resolve, reject) => this.#asked.set(message, { resolve, reject }));
  }

  /** The server has it, as the op `seq`. */
  accepted(message: OpMessage, seq: number): void {
    const { painter, settings, shown, saved } = this.#options;
    this.#answer(message)?.resolve(seq);
    saved(seq);
    if (message.type !== "stroke") return;
    const sent = painter.acknowledge(message.id, seq);
    if (sent && settings.local.live) shown.await(seq, sent.drawnAt);
  }

  /** The server takes it not: what was shown of it before goes. */
  refused(message: OpMessage, { code, message: reason }: ErrorMessage): void {
    const { layers, notices, painter, settings, thumbnails } = this.#options;
    const asked = this.#answer(message);
    if (asked) {
      asked.reject(new Error(reason));
      return;
    }
    if (message.type === "place" && message.mode === "invert" && code !== "unknown_image" && code !== "forbidden" && code !== "prompt_blocked") {
      this.#options.placePlain(message.image);
      notices.say("This server does not invert photos: it was placed as it is, to be painted over.");
      return;
    }
    notices.trouble(reason);
    if (message.type === "stroke") painter.refuse(message.id);
    if (message.type === "layer") layers.refused();
    if (message.type === "settings") {
      const { type: _type, ...patch } = message;
      settings.refused(patch);
    }
    if (message.type === "revert" && code === "invalid_value") thumbnails.forgetThrough(message.seq);
  }

  /** What waited will never be sent. */
  lost(messages: readonly OpMessage[]): void {
    const { notices, painter } = this.#options;
    const strokes = new Set(messages.flatMap((message) => (message.type === "stroke" ? [message.id] : [])));
    for (const id of strokes) painter.refuse(id);
    for (const message of messages) this.#answer(message)?.reject(new Error("The room is closed to you; open it again."));
    notices.trouble(lostWords(strokes.size));
  }

  /** Whoever waits for what comes of a message is told once. */
  #answer(message: OpMessage): Asked | undefined {
    const asked = this.#asked.get(message);
    this.#asked.delete(message);
    return asked;
  }
}

/** What was given up, for a person. */
function lostWords(strokes: number): string {
  if (strokes === 0) return "What you did last before the page was closed may not have reached the server: look whether it is there.";
  const what = strokes === 1 ? "A stroke" : `${strokes} strokes`;
  return `${what} could not be sent to this room any more.`;
}

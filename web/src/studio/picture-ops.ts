import { brushOf, type SequencedOp } from "../../client/src";
import { inkKey } from "../paint/ink";
import type { Painter } from "../paint/painter";
import type { History } from "./history.svelte";
import { isWhole } from "./mask.svelte";
import type { People } from "./people.svelte";
import type { InvertedPhotos } from "./photos.svelte";
import type { RoomSettings } from "./settings.svelte";
import type { Shown } from "./shown.svelte";

/** What ops change in the room, and what is to be known for that. */
export interface PictureOpsOptions {
  /** The id under which members know this page. */
  own: () => string;
  shown: Shown;
  people: People;
  settings: RoomSettings;
  painter: Painter;
  history: History;
  photos: InvertedPhotos;
  /** Whether something was done that the server has not acknowledged. */
  pending: () => boolean;
  /** One more undo or redo is asked for. */
  again: (type: "undo" | "redo") => void;
  /** This member placed a photo to be inverted, and the server took it. */
  photoPlaced: () => void;
}

/** What the ops of a room do to the picture that is shown, before its pixels come: ink above all. */
export class PictureOps {
  readonly #options: PictureOpsOptions;

  constructor(options: PictureOpsOptions) {
    this.#options = options;
  }

  /** An op came; its place in the history and the layers is known already. */
  hear(message: SequencedOp): void {
    const { seq, client, op } = message;
    const { own, shown, people, settings, painter, history, photos } = this.#options;
    const { picture } = shown;
    if (!picture) return;
    const { ink } = picture;
    const isOwn = client === own();
    switch (op.type) {
      case "settings": {
        const { type: _type, ...patch } = op;
        settings.accepted(patch, isOwn);
        return;
      }
      case "stroke": {
        shown.paper.painted();
        people.painted(client, op.done ?? false);
        if (painter.isOwn(client, op.id) || isWhole(op.id)) return;
        const key = inkKey(client, op.id);
        const brush = brushOf(op);
        if (brush) ink.begin(key, brush);
        const dirty = ink.extend(key, op.points);
        ink.cut(key);
        ink.acknowledge(key, seq);
        if (op.done) ink.finish(key);
        shown.refreshInk(dirty);
        return;
      }
      case "undo":
      case "redo":
      case "revert":
        for (const { entry, active } of message.switches ?? []) {
          shown.refreshInk(active ? ink.redo(entry, seq) : ink.undo(entry));
        }
        if (message.settings) settings.replace(message.settings);
        // What was done as one step is taken back as one; not where something was done meanwhile.
        if (isOwn && op.type !== "revert" && !this.#options.pending() && history.leavesHalf(message.switches ?? [])) {
          this.#options.again(op.type);
        }
        if (op.type !== "undo") shown.paper.is = false;
        shown.paper.judgeSoon();
        return;
      case "apply":
      case "place":
        shown.paper.painted();
        if (op.type === "place" && op.layer !== undefined) return;
        if (op.type === "place" && op.mode === "invert") {
          photos.place(seq);
          if (isOwn) this.#options.photoPlaced();
        }
        shown.refreshInk(ink.resultShown(picture.bounds, seq));
        return;
      default:
    }
  }
}

import type { LayerChange, LayerPatch, SequencedOp, SettingsPatch, Switch, Tool } from "../../client/src";
import { BLEND_NAMES } from "./layers.svelte";
import { FIELD_NAMES, fieldsOf } from "./settings.svelte";

/** One line of the room's history. */
export interface HistoryEntry {
  /** `seq` of its first op. */
  seq: number;
  client: string;
  label: string;
  color: string | undefined;
  taken: boolean;
  /** What it made the base of the picture, if it did. */
  base: "photo" | "picture" | undefined;
  /** The stroke that it is, if it is one. */
  stroke?: string;
}

const KEPT = 120;
/** Two strokes that are one step for whoever did them have ids that say so. */
const PAIR = /^(pair-.+-)([12])$/;

/** The ids of two strokes that are undone and redone together. */
export function pairIds(id: string): [first: string, second: string] {
  return [`pair-${id}-1`, `pair-${id}-2`];
}
const TOOL_NAMES: Record<Tool, string> = {
  brush: "Brush stroke",
  erase: "Erased",
  mask: "Mask",
  restore: "Restored",
  smudge: "Smudged",
};

/** What was done in the room since this page joined, newest last. */
export class History {
  entries = $state<HistoryEntry[]>([]);
  /** What was done last. */
  latest = $state("When you came");
  readonly #strokes = new Set<string>();
  /** The photo that lay under the strokes when this page joined. */
  #came = $state<HistoryEntry | undefined>(undefined);

  /** Takes an op in. */
  add({ seq, client, op, switches = [] }: SequencedOp): void {
    switch (op.type) {
      case "stroke": {
        const key = `${client}/${op.id}`;
        if (this.#strokes.has(key) || op.tool === undefined) return;
        this.#strokes.add(key);
        this.#pushEntry(seq, client, TOOL_NAMES[op.tool], { color: op.tool === "brush" ? op.color : undefined, stroke: op.id });
        return;
      }
      case "mask":
        this.#pushEntry(seq, client, TOOL_NAMES.mask);
        return;
      case "settings":
        this.#pushChange(seq, client, settingsLabel(op), op.continues === true);
        return;
      case "layer":
        this.#pushChange(seq, client, layerLabel(op), (op.action === "set" || op.action === "add") && op.continues === true);
        return;
      case "place":
        if (op.layer !== undefined) {
          this.#pushChange(seq, client, "Picture on a layer", op.continues === true);
          return;
        }
        this.#pushEntry(seq, client, op.mode === "invert" ? "Placed a photo" : "Placed a picture", {
          base: op.mode === "invert" ? "photo" : "picture",
        });
        return;
      case "apply":
        this.#pushEntry(seq, client, "Applied the result", { base: "picture" });
        return;
      case "undo":
      case "redo":
        this.latest = op.type === "undo" ? "Undo" : "Redo";
        this.#switch(switches);
        return;
      case "revert":
        this.#pushEntry(seq, client, "Went back");
        this.#switch(switches);
        return;
      default:
    }
  }

  /** On (re)joining: the op `photo` placed the inverted photo that lies under the strokes. */
  welcome(photo: number): void {
    if (this.entries.some((entry) => entry.seq === photo)) return;
    this.#came = { seq: photo, client: "", label: "", color: undefined, taken: false, base: "photo" };
  }

  /** What lies under the strokes; undefined where that is a picture from before this page joined. */
  get base(): HistoryEntry | undefined {
    const all = this.#came ? [this.#came, ...this.entries] : this.entries;
    return all.findLast((entry) => entry.base !== undefined && !entry.taken);
  }

  /** An undo or redo took one stroke of a pair along, and the other one has yet to follow. */
  leavesHalf(switches: readonly Switch[]): boolean {
    return switches.some(({ entry, active }) => {
      const one = this.entries.find(({ seq }) => seq === entry);
      const [, pair, half] = one?.stroke?.match(PAIR) ?? [];
      if (!one || pair === undefined || half !== (active ? "1" : "2")) return false;
      const other = this.entries.find(({ client, stroke }) => client === one.client && stroke === `${pair}${active ? 2 : 1}`);
      return other?.taken === active;
    });
  }

  /** The room began anew. */
  clear(): void {
    this.entries = [];
    this.#came = undefined;
    this.#strokes.clear();
  }

  /** The room says which entries went out of the picture, and which came back. */
  #switch(switches: Switch[]): void {
    const active = new Map(switches.map((switched) => [switched.entry, switched.active]));
    const switched = (entry: HistoryEntry): HistoryEntry => {
      const isActive = active.get(entry.seq);
      return isActive === undefined ? entry : { ...entry, taken: !isActive };
    };
    this.#came = this.#came && switched(this.#came);
    this.entries = this.entries.map(switched);
  }

  /** A line for something that can be taken back. */
  #pushEntry(seq: number, client: string, label: string, more: Partial<Pick<HistoryEntry, "color" | "base" | "stroke">> = {}): void {
    if (this.#came?.seq === seq) this.#came = undefined;
    this.#push(seq, client, label, more);
  }

  /** What goes on with the line before is told there: both are taken back at once. */
  #pushChange(seq: number, client: string, label: string, continues: boolean): void {
    const before = this.entries.findLast((entry) => entry.client === client && !entry.taken);
    if (!continues || !before) {
      this.#push(seq, client, label);
      return;
    }
    if (before.label.includes(": ")) before.label = label;
    this.latest = label;
  }

  #push(seq: number, client: string, label: string, more: Partial<Pick<HistoryEntry, "color" | "base" | "stroke">> = {}): void {
    this.entries = [...this.entries.slice(1 - KEPT), { seq, client, label, color: undefined, base: undefined, ...more, taken: false }];
    this.latest = label;
  }
}

function layerLabel(change: LayerChange): string {
  switch (change.action) {
    case "add":
      return "New layer";
    case "move":
      return "Moved a layer";
    case "remove":
      return "Deleted a layer";
    default:
      return lookLabel(change);
  }
}

function lookLabel({ name, visible, opacity, blend, locked, seen }: LayerPatch): string {
  if (opacity !== undefined) return `Layer opacity: ${Math.round(opacity * 100)} %`;
  if (blend !== undefined) return `Layer blend: ${BLEND_NAMES[blend]}`;
  if (name !== undefined) return "Renamed a layer";
  if (visible !== undefined) return visible ? "Showed a layer" : "Hid a layer";
  if (locked !== undefined) return locked ? "Locked a layer" : "Unlocked a layer";
  if (seen !== undefined) return seen ? "Showed a layer to the model" : "Kept a layer from the model";
  return "Changed a layer";
}

function settingsLabel(patch: SettingsPatch): string {
  const fields = fieldsOf(patch);
  const [first] = fields;
  if (fields.length !== 1 || first === undefined) return "Changed settings";
  const value = patch[first];
  if (first === "reference") return value === "" ? "Let go of the reference" : "Chose a reference";
  const shown = typeof value === "boolean" ? (value ? "on" : "off") : String(value);
  return `${FIELD_NAMES[first]}: ${shown === "" ? "none" : shown}`;
}

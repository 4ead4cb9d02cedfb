import type { SequencedOp, SettingsPatch, Tool } from "../protocol";

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
}

/** The op `seq` took an entry out of the picture, or brought it back. */
interface Change {
  seq: number;
  entry: number;
  taken: boolean;
}

const KEPT = 120;
const CHANGES_KEPT = 2000;
const TOOL_NAMES: Record<Tool, string> = {
  brush: "Brush stroke",
  erase: "Erased",
  mask: "Mask",
  restore: "Restored",
};

/** What was done in the room since this page joined, newest last. */
export class History {
  entries = $state<HistoryEntry[]>([]);
  /** What was done last. */
  latest = $state("When you came");
  readonly #strokes = new Set<string>();
  /** The photo that lay under the strokes when this page joined. */
  #came = $state<HistoryEntry | undefined>(undefined);
  #changes: Change[] = [];

  /** Takes an op in. */
  add({ seq, client, op }: SequencedOp): void {
    switch (op.type) {
      case "stroke": {
        const key = `${client}/${op.id}`;
        if (this.#strokes.has(key) || op.tool === undefined) return;
        this.#strokes.add(key);
        this.#pushEntry(seq, client, TOOL_NAMES[op.tool], { color: op.tool === "brush" ? op.color : undefined });
        return;
      }
      // Settings are not taken back.
      case "settings":
        this.#push(seq, client, settingsLabel(op));
        return;
      case "place":
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
        this.#switch(seq, this.#switchesOf(op.target, op.type === "undo"));
        return;
      case "revert": {
        const switches = this.#switchesBackTo(op.seq);
        this.#pushEntry(seq, client, "Went back");
        this.#switch(seq, switches);
        return;
      }
      default:
    }
  }

  /** On (re)joining: the op `photo` placed the inverted photo that lies under the strokes. */
  welcome(photo: number): void {
    if (this.entries.some((entry) => entry.seq === photo)) return;
    this.#came = { seq: photo, client: "", label: "", color: undefined, taken: false, base: "photo" };
    this.#remember({ seq: photo, entry: photo, taken: false });
  }

  /** What lies under the strokes; undefined where that is a picture from before this page joined. */
  get base(): HistoryEntry | undefined {
    const all = this.#came ? [this.#came, ...this.entries] : this.entries;
    return all.findLast((entry) => entry.base !== undefined && !entry.taken);
  }

  /** The room began anew. */
  clear(): void {
    this.entries = [];
    this.#came = undefined;
    this.#strokes.clear();
    this.#changes = [];
  }

  /** What one entry takes with it: a revert, everything that it switched. */
  #switchesOf(target: number, taken: boolean): Map<number, boolean> {
    const switches = new Map([[target, taken]]);
    for (const change of this.#changes) {
      if (change.seq === target && change.entry !== target) switches.set(change.entry, change.taken !== taken);
    }
    return switches;
  }

  /** How entries stood after the op `seq`, where they stand otherwise now. */
  #switchesBackTo(seq: number): Map<number, boolean> {
    const since = this.#changes.filter((change) => change.seq > seq).reverse();
    return new Map(since.map(({ entry, taken }) => [entry, !taken]));
  }

  #switch(seq: number, switches: Map<number, boolean>): void {
    const switched = (entry: HistoryEntry): HistoryEntry => {
      const taken = switches.get(entry.seq);
      if (taken === undefined || taken === entry.taken) return entry;
      this.#remember({ seq, entry: entry.seq, taken });
      return { ...entry, taken };
    };
    this.#came = this.#came && switched(this.#came);
    this.entries = this.entries.map(switched);
  }

  #remember(change: Change): void {
    this.#changes = [...this.#changes.slice(1 - CHANGES_KEPT), change];
  }

  /** A line for something that can be taken back. */
  #pushEntry(seq: number, client: string, label: string, more: Partial<Pick<HistoryEntry, "color" | "base">> = {}): void {
    if (this.#came?.seq === seq) this.#came = undefined;
    this.#push(seq, client, label, more);
    this.#remember({ seq, entry: seq, taken: false });
  }

  #push(seq: number, client: string, label: string, more: Partial<Pick<HistoryEntry, "color" | "base">> = {}): void {
    const last = this.entries.at(-1);
    const repeats = last?.client === client && last.label.split(":")[0] === label.split(":")[0] && label.includes(":");
    const kept = repeats ? this.entries.slice(0, -1) : this.entries;
    this.entries = [...kept.slice(1 - KEPT), { seq, client, label, color: undefined, base: undefined, ...more, taken: false }];
    this.latest = label;
  }
}

const FIELD_NAMES: Record<keyof SettingsPatch, string> = {
  prompt: "Prompt",
  negative_prompt: "Negative prompt",
  guidance_scale: "Guidance",
  guidance_rescale: "Guidance rescale",
  image_guidance_scale: "Image guidance",
  steps: "Steps",
  strength: "Strength",
  seed: "Seed",
  variation: "Variation",
  sampler: "Sampler",
  spread: "Spread",
  live: "Live",
  method: "Edit method",
  finish: "Finish",
  finish_strength: "Finish strength",
};

function settingsLabel(patch: SettingsPatch): string {
  const fields = (Object.keys(FIELD_NAMES) as (keyof SettingsPatch)[]).filter((field) => patch[field] !== undefined);
  const [first] = fields;
  if (fields.length !== 1 || first === undefined) return "Changed settings";
  const value = patch[first];
  const shown = typeof value === "boolean" ? (value ? "on" : "off") : String(value);
  return `${FIELD_NAMES[first]}: ${shown === "" ? "none" : shown}`;
}

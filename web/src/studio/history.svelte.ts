import type { SequencedOp, SettingsPatch, Tool } from "../protocol";

/** One line of the room's history. */
export interface HistoryEntry {
  /** `seq` of its first op. */
  seq: number;
  client: string;
  label: string;
  color: string | undefined;
  taken: boolean;
}

const KEPT = 120;
const TOOL_NAMES: Record<Tool, string> = {
  brush: "Brush stroke",
  erase: "Erased",
  mask: "Mask",
  restore: "Restored",
};

/** What was done in the room since this page joined, newest last. */
export class History {
  entries = $state<HistoryEntry[]>([]);
  readonly #strokes = new Set<string>();

  /** Takes an op in. */
  add({ seq, client, op }: SequencedOp): void {
    switch (op.type) {
      case "stroke": {
        const key = `${client}/${op.id}`;
        if (this.#strokes.has(key) || op.tool === undefined) return;
        this.#strokes.add(key);
        this.#push(seq, client, TOOL_NAMES[op.tool], op.tool === "brush" ? op.color : undefined);
        return;
      }
      case "settings":
        this.#push(seq, client, settingsLabel(op), undefined);
        return;
      case "place":
        this.#push(seq, client, "Placed a picture", undefined);
        return;
      case "apply":
        this.#push(seq, client, "Applied the result", undefined);
        return;
      case "undo":
      case "redo":
        this.entries = this.entries.map((entry) =>
          entry.seq === op.target ? { ...entry, taken: op.type === "undo" } : entry,
        );
        return;
      default:
    }
  }

  /** The room began anew. */
  clear(): void {
    this.entries = [];
    this.#strokes.clear();
  }

  #push(seq: number, client: string, label: string, color: string | undefined): void {
    const last = this.entries.at(-1);
    const repeats = last?.client === client && last.label.split(":")[0] === label.split(":")[0] && label.includes(":");
    const kept = repeats ? this.entries.slice(0, -1) : this.entries;
    this.entries = [...kept.slice(1 - KEPT), { seq, client, label, color, taken: false }];
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
  sampler: "Sampler",
  spread: "Spread",
  live: "Live",
};

function settingsLabel(patch: SettingsPatch): string {
  const fields = (Object.keys(FIELD_NAMES) as (keyof SettingsPatch)[]).filter((field) => patch[field] !== undefined);
  const [first] = fields;
  if (fields.length !== 1 || first === undefined) return "Changed settings";
  const value = patch[first];
  const shown = typeof value === "boolean" ? (value ? "on" : "off") : String(value);
  return `${FIELD_NAMES[first]}: ${shown === "" ? "none" : shown}`;
}

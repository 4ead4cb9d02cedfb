import type { Brush, Tool } from "../../client/src";
import { recall, remember } from "./storage";

/** What can be in hand. */
export type HandTool = Tool | "eyedropper" | "hand";

/** The limits of the drags. */
export const BRUSH_LIMITS = { least: 1, most: 512 } as const;

const DEFAULT_COLOUR = "#1f1b18";
const DEFAULT_SECOND = "#ffffff";

/** Colours that mix well: earths, a few brights, two greys. */
export const PALETTE: readonly { name: string; color: string }[] = [
  { name: "Ink", color: "#1f1b18" },
  { name: "Warm grey", color: "#8c857b" },
  { name: "Paper", color: "#ffffff" },
  { name: "Burnt umber", color: "#5b3a26" },
  { name: "Red ochre", color: "#a5482c" },
  { name: "Cadmium red", color: "#cf2f26" },
  { name: "Cadmium orange", color: "#ec7b29" },
  { name: "Naples yellow", color: "#f4d58a" },
  { name: "Lemon", color: "#f6d02f" },
  { name: "Sap green", color: "#4e7f33" },
  { name: "Viridian", color: "#2f7d6b" },
  { name: "Sky", color: "#9fcbe8" },
  { name: "Cobalt", color: "#2a62b5" },
  { name: "Ultramarine", color: "#2b2f7e" },
  { name: "Rose", color: "#d9688c" },
];

interface Kept {
  size: number;
  hardness: number;
  opacity: number;
  color: string;
  second: string;
  singleKeys: boolean;
}

/** The tool in hand and how it is set. */
export class Toolbox {
  tool = $state<HandTool>("brush");
  /** Diameter in canvas pixels. */
  size = $state(32);
  hardness = $state(0.8);
  opacity = $state(1);
  color = $state(DEFAULT_COLOUR);
  second = $state(DEFAULT_SECOND);
  /** What strokes should become, instead of the room's prompt; empty for the room's. */
  prompt = $state("");
  /** Keys without a modifier do something (WCAG 2.1.4). */
  singleKeys = $state(true);
  /** Space or Alt is held. */
  momentary = $state<"hand" | "eyedropper" | undefined>(undefined);
  /** Took the brush's place by itself. */
  #lent: HandTool | undefined;

  constructor() {
    const kept = recall<Partial<Kept>>("toolbox") ?? {};
    this.size = kept.size ?? this.size;
    this.hardness = kept.hardness ?? this.hardness;
    this.opacity = kept.opacity ?? this.opacity;
    this.color = kept.color ?? this.color;
    this.second = kept.second ?? this.second;
    this.singleKeys = kept.singleKeys ?? this.singleKeys;
  }

  /** What the hand does now. */
  get inHand(): HandTool {
    return this.momentary ?? this.tool;
  }

  /** The brush of a stroke that begins now. */
  get brush(): Brush {
    const tool = this.tool === "hand" || this.tool === "eyedropper" ? "brush" : this.tool;
    const prompt = tool === "brush" || tool === "mask" ? this.prompt.trim() : "";
    return {
      tool,
      size: this.size,
      hardness: this.hardness,
      opacity: this.opacity,
      color: this.color,
      ...(prompt === "" ? {} : { prompt }),
    };
  }

  /** Takes a tool in hand. */
  take(tool: HandTool): void {
    this.tool = tool;
    this.#lent = undefined;
  }

  /** Puts another tool in hand where the brush is, until `giveBack`; false where it is not. */
  lend(tool: HandTool): boolean {
    if (this.tool !== "brush") return false;
    this.take(tool);
    this.#lent = tool;
    return true;
  }

  /** The brush again, unless somebody took a tool meanwhile. */
  giveBack(): void {
    if (this.#lent !== undefined) this.take("brush");
  }

  /** Sets the diameter, within its limits. */
  resize(size: number): void {
    this.size = Math.round(Math.min(BRUSH_LIMITS.most, Math.max(BRUSH_LIMITS.least, size)));
    this.keep();
  }

  /** One notch smaller or larger. */
  step(direction: 1 | -1): void {
    const notch = this.size < 10 ? 1 : this.size < 50 ? 4 : this.size < 120 ? 10 : 24;
    this.resize(this.size + direction * notch);
  }

  /** One notch softer or harder. */
  stepHardness(direction: 1 | -1): void {
    this.hardness = Math.round(Math.min(1, Math.max(0, this.hardness + direction * 0.1)) * 100) / 100;
    this.keep();
  }

  /** Paints with another colour; a picked colour means that something is painted. */
  dip(color: string): void {
    this.color = color.toLowerCase();
    this.keep();
  }

  swap(): void {
    [this.color, this.second] = [this.second, this.color];
    this.keep();
  }

  defaultColours(): void {
    this.color = DEFAULT_COLOUR;
    this.second = DEFAULT_SECOND;
    this.keep();
  }

  /** Keeps the settings for the next visit. */
  keep(): void {
    remember("toolbox", {
      size: this.size,
      hardness: this.hardness,
      opacity: this.opacity,
      color: this.color,
      second: this.second,
      singleKeys: this.singleKeys,
    } satisfies Kept);
  }
}

import { type Brush, DEFAULT_SMUDGE_STRENGTH, type Tool } from "../../client/src";
import { isClosed, type Form } from "../paint/shapes";
import { RADIAL_LIMITS, type Symmetry, type SymmetryMode } from "../paint/symmetry";
import { Areas } from "./areas.svelte";
import { recall, remember } from "./storage";
import { Tips } from "./tips.svelte";

/** What can be in hand. */
export type HandTool = Tool | "eyedropper" | "hand";

/** The limits of the drags. */
export const BRUSH_LIMITS = { least: 1, most: 512 } as const;

const DEFAULT_COLOUR = "#1f1b18";
const DEFAULT_SECOND = "#ffffff";
/** How many colours are remembered. */
const RECENT = 8;

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
  strength: number;
  color: string;
  second: string;
  singleKeys: boolean;
  filled: boolean;
  steady: number;
  copies: number;
  recent: string[];
}

/** The tool in hand and how it is set. */
export class Toolbox {
  /** The brush's tip. */
  readonly tips = new Tips();
  /** Buckets, gradients and text. */
  readonly areas = new Areas();
  tool = $state<HandTool>("brush");
  /** Diameter in canvas pixels. */
  size = $state(32);
  hardness = $state(0.8);
  opacity = $state(1);
  /** How much of the paint on the tip a smudge carries on, 0 … 1. */
  strength = $state(DEFAULT_SMUDGE_STRENGTH);
  color = $state(DEFAULT_COLOUR);
  second = $state(DEFAULT_SECOND);
  /** Colours that were painted with, the last one first. */
  recent = $state.raw<readonly string[]>([]);
  /** What strokes should become, instead of the room's prompt; empty for the room's. */
  prompt = $state("");
  /** Keys without a modifier do something (WCAG 2.1.4). */
  singleKeys = $state(true);
  /** What a drag becomes. */
  form = $state<Form>("free");
  /** Shapes that paint are filled, and no outline; those of the mask always are. */
  filled = $state(false);
  /** Squares, circles and lines in steps of 45°; with Shift the other way round. */
  regular = $state(false);
  /** Shapes are drawn from their middle; with Alt the other way round. */
  centred = $state(false);
  symmetry = $state.raw<Symmetry>({ mode: "none", x: 0.5, y: 0.5, count: 6 });
  /** How much the hand is steadied, 0 … 1. */
  steady = $state(0);
  /** Space or Alt is held. */
  momentary = $state<"hand" | "eyedropper" | undefined>(undefined);
  /** T is held: a drag turns the view. */
  turning = $state(false);
  /** Took the brush's place by itself. */
  #lent: HandTool | undefined;
  /** The symmetry that was on last. */
  #mirror: SymmetryMode = "across";

  constructor() {
    const kept = recall<Partial<Kept>>("toolbox") ?? {};
    this.size = kept.size ?? this.size;
    this.hardness = kept.hardness ?? this.hardness;
    this.opacity = kept.opacity ?? this.opacity;
    this.strength = kept.strength ?? this.strength;
    this.color = kept.color ?? this.color;
    this.second = kept.second ?? this.second;
    this.singleKeys = kept.singleKeys ?? this.singleKeys;
    this.recent = kept.recent ?? this.recent;
    this.filled = kept.filled ?? this.filled;
    this.steady = kept.steady ?? this.steady;
    this.symmetry = { ...this.symmetry, count: kept.copies ?? this.symmetry.count };
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
      size: this.size * (tool === "mask" || tool === "restore" ? 1 : this.tips.wider),
      hardness: this.hardness,
      // A smudge has a strength instead.
      opacity: tool === "smudge" ? 1 : this.opacity,
      color: this.color,
      ...this.tips.of(tool),
      ...(tool === "smudge" ? { strength: this.strength } : {}),
      ...(prompt === "" ? {} : { prompt }),
    };
  }

  /** Takes a tool in hand, to be drawn with freely. */
  take(tool: HandTool): void {
    this.tool = tool;
    this.form = "free";
    this.#lent = undefined;
  }

  /** Takes another tool and keeps the form: what was to be masked is to be taken out, or back. */
  turnTo(tool: Tool): void {
    const { form } = this;
    this.take(tool);
    this.form = form;
  }

  /** Draws another form, with the tool in hand or the brush. */
  draw(form: Form): void {
    if (this.tool === "hand" || this.tool === "eyedropper" || this.tool === "smudge") this.take("brush");
    this.#lent = undefined;
    this.form = form;
  }

  /** The form that is drawn now has an inside, and it is filled. */
  get fills(): boolean {
    return isClosed(this.form) && (this.filled || this.tool === "mask" || this.tool === "restore");
  }

  /** Fills shapes, or draws their outline. */
  fill(on: boolean): void {
    this.filled = on;
    this.keep();
  }

  /** Sets how strokes are repeated. */
  repeat(patch: Partial<Symmetry>): void {
    const count = Math.round(Math.min(RADIAL_LIMITS.most, Math.max(RADIAL_LIMITS.least, patch.count ?? this.symmetry.count)));
    this.symmetry = { ...this.symmetry, ...patch, count };
    if (this.symmetry.mode !== "none") this.#mirror = this.symmetry.mode;
    this.keep();
  }

  /** Repeats strokes as it was last, or no more. */
  toggleSymmetry(): void {
    this.repeat({ mode: this.symmetry.mode === "none" ? this.#mirror : "none" });
  }

  /** Steadies the hand, 0 … 1. */
  steadyTo(steady: number): void {
    this.steady = Math.round(Math.min(1, Math.max(0, steady)) * 100) / 100;
    this.keep();
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

  /** A stroke of this colour begins. */
  painted(color: string): void {
    if (this.recent[0] === color) return;
    this.recent = [color, ...this.recent.filter((known) => known !== color)].slice(0, RECENT);
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
      strength: this.strength,
      color: this.color,
      second: this.second,
      singleKeys: this.singleKeys,
      filled: this.filled,
      steady: this.steady,
      copies: this.symmetry.count,
      recent: [...this.recent],
    } satisfies Kept);
  }
}

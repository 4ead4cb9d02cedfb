import type { Finish, ModelInfo, SettingsPatch, SigmasChoice, TimestepSpacingChoice } from "../../client/src";
import { FINISHES } from "./finishes";
import { schedulePossible, SIGMAS_NAMES, SPACING_NAMES } from "./schedule";
import { recall, remember } from "./storage";

/** A LoRA of a server, and how much of it is in the model. */
export interface LoraWeight {
  name: string;
  weight: number;
}

/** Settings under a name, to be taken in any room. */
export interface Style {
  name: string;
  /** Stands before what the prompt says. */
  before: string;
  /** Stands after what the prompt says. */
  after: string;
  negative_prompt?: string;
  sampler?: string;
  /** The sampler's; nothing without one. Styles of an older day say nothing of it. */
  timestep_spacing?: TimestepSpacingChoice;
  /** The same. */
  sigmas?: SigmasChoice;
  steps?: number;
  guidance_scale?: number;
  finish?: Finish;
  finish_strength?: number;
  /** What the server's LoRAs should weigh; whoever runs it decides. */
  loras?: LoraWeight[];
}

/** A style that is chosen, as settings, and what of it this server cannot have. */
export interface Taken {
  patch: SettingsPatch;
  /** One sentence for each thing that is missing. */
  missing: string[];
}

const NAME_MOST = 60;
const AFFIX_MOST = 300;
/** More than anybody looks through. */
const STYLES_MOST = 60;

/** Styles that a newcomer finds. */
export const FIRST_STYLES: readonly Style[] = [
  { name: "Oil painting", before: "", after: ", oil painting, thick brush strokes", finish: "oil", finish_strength: 0.7 },
  { name: "Watercolour", before: "", after: ", watercolour on rough paper", finish: "watercolour", finish_strength: 0.7 },
  { name: "Ink drawing", before: "", after: ", ink drawing, black lines", finish: "ink", finish_strength: 0.6 },
];

/** The prompt without what a style put around it. */
export function bare(prompt: string, style: Style | undefined): string {
  if (!style) return prompt;
  let rest = prompt;
  if (style.before !== "" && rest.startsWith(style.before)) rest = rest.slice(style.before.length);
  if (style.after !== "" && rest.endsWith(style.after)) rest = rest.slice(0, rest.length - style.after.length);
  return rest;
}

/** The prompt with what a style puts around it; words alone, where there are none. */
export function dressed(prompt: string, style: Style): string {
  return prompt.trim() === "" ? `${style.before}${style.after}`.replace(/^[\s,]+/, "") : `${style.before}${prompt}${style.after}`;
}

/** What choosing a style changes, in the place of the one before. */
export function taken(
  style: Style,
  before: Style | undefined,
  prompt: string,
  model: Pick<ModelInfo, "samplers" | "max_steps" | "schedules"> | undefined,
  loras: readonly LoraWeight[],
): Taken {
  const missing: string[] = [];
  const patch: SettingsPatch = { prompt: dressed(bare(prompt, before), style) };
  const { negative_prompt, sampler, steps, guidance_scale, finish, finish_strength } = style;
  if (negative_prompt !== undefined) patch.negative_prompt = negative_prompt;
  if (guidance_scale !== undefined) patch.guidance_scale = guidance_scale;
  if (finish !== undefined) patch.finish = finish;
  if (finish_strength !== undefined) patch.finish_strength = finish_strength;
  if (steps !== undefined) patch.steps = Math.min(steps, model?.max_steps ?? steps);
  if (sampler !== undefined && model && !model.samplers.includes(sampler)) {
    missing.push(`This server has no sampler ${sampler}: the one that is set stays.`);
  } else if (sampler !== undefined) {
    patch.sampler = sampler;
    const schedule = scheduleTaken(style, sampler, model);
    Object.assign(patch, schedule.patch);
    missing.push(...schedule.missing);
  }
  for (const { name, weight } of style.loras ?? []) {
    const here = loras.find((known) => known.name === name);
    if (!here) missing.push(`This server has no LoRA ${name}: the style is taken without it.`);
    else if (Math.abs(here.weight - weight) > 0.005) {
      missing.push(`The LoRA ${name} weighs ${here.weight} here and not ${weight}: whoever runs the server sets it.`);
    }
  }
  return { patch, missing };
}

/** What of a style's schedule its sampler can have here; the scheduler's own for the rest. */
function scheduleTaken({ timestep_spacing, sigmas }: Style, sampler: string, model: Pick<ModelInfo, "schedules"> | undefined): Taken {
  const asked: SettingsPatch = { ...(timestep_spacing && { timestep_spacing }), ...(sigmas && { sigmas }) };
  if (!model) return { patch: asked, missing: [] };
  const possible = schedulePossible(model, { sampler, timestep_spacing: timestep_spacing ?? "default", sigmas: sigmas ?? "default" });
  const missing: string[] = [];
  if (timestep_spacing && possible.timestep_spacing !== timestep_spacing) {
    missing.push(`With the sampler ${sampler} this server has no timestep spacing ${timestep_spacing}: it is as the model's scheduler says.`);
  }
  if (sigmas && possible.sigmas !== sigmas) {
    missing.push(`With the sampler ${sampler} this server has no sigmas ${sigmas}: they are as the model's scheduler says.`);
  }
  // Servers of an older day would not know the fields.
  if (!model.schedules) return { patch: {}, missing };
  const patch: SettingsPatch = {
    ...(timestep_spacing && { timestep_spacing: possible.timestep_spacing }),
    ...(sigmas && { sigmas: possible.sigmas }),
  };
  return { patch, missing };
}

/** Styles of a file or of the browser's memory, without what is none; throws a sentence where there is none at all. */
export function stylesIn(value: unknown): Style[] {
  const list = Array.isArray(value) ? value : (value as { styles?: unknown } | null)?.styles;
  if (!Array.isArray(list)) throw new Error("That file holds no styles: it should be a list of them, as this page saves it.");
  return list.slice(0, STYLES_MOST).flatMap((one: unknown) => styleOf(one) ?? []);
}

function styleOf(value: unknown): Style | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const known = value as Record<string, unknown>;
  const text = (field: string, most: number): string | undefined => {
    const found = known[field];
    return typeof found === "string" ? found.slice(0, most) : undefined;
  };
  const number = (field: string, least: number, most: number): number | undefined => {
    const found = known[field];
    return typeof found === "number" && found >= least && found <= most ? found : undefined;
  };
  const name = text("name", NAME_MOST)?.trim();
  if (!name) return undefined;
  const choice = <Choice extends string>(names: Record<Choice, string>, field: string): Choice | undefined =>
    (Object.keys(names) as Choice[]).find((value) => value === known[field]);
  const finish = FINISHES.find(({ value }) => value === known.finish)?.value;
  const optional = {
    negative_prompt: text("negative_prompt", AFFIX_MOST),
    sampler: text("sampler", 64),
    timestep_spacing: choice(SPACING_NAMES, "timestep_spacing"),
    sigmas: choice(SIGMAS_NAMES, "sigmas"),
    steps: number("steps", 1, 1000),
    guidance_scale: number("guidance_scale", 0, 30),
    finish,
    finish_strength: number("finish_strength", 0, 1),
    loras: Array.isArray(known.loras) ? known.loras.filter(isLora) : undefined,
  };
  const said = Object.fromEntries(Object.entries(optional).filter(([, found]) => found !== undefined));
  return { name, before: text("before", AFFIX_MOST) ?? "", after: text("after", AFFIX_MOST) ?? "", ...said };
}

function isLora(value: unknown): value is LoraWeight {
  const { name, weight } = (value ?? {}) as Partial<LoraWeight>;
  return typeof name === "string" && typeof weight === "number" && Number.isFinite(weight);
}

/** The styles that this browser keeps. */
export function keptStyles(): Style[] {
  try {
    return stylesIn(recall("styles"));
  } catch {
    return [...FIRST_STYLES];
  }
}

export function keepStyles(styles: readonly Style[]): void {
  remember("styles", styles);
}

import type { ModelInfo, SettingsPatch } from "../../client/src";
import { scheduleChoices } from "./schedule";
import { samplerNamed, spacingNamed } from "./sampler-names";

/** What a picture's file says that it was made with; what it does not say is left out. */
export interface Parameters {
  prompt: string;
  negativePrompt: string;
  steps?: number;
  sampler?: string;
  /** How the sampler's sigmas are spaced. */
  scheduleType?: string;
  guidanceScale?: number;
  seed?: number;
}

/** What the room takes. */
export interface Takes {
  samplers: readonly string[];
  schedules?: ModelInfo["schedules"];
  max_steps: number;
}

/** Settings for the room, and in words what of the file they leave out. */
export interface TakenSettings {
  patch: SettingsPatch;
  left: string[];
}

const NEGATIVE = "Negative prompt:";
/** A name, a colon, and a value that is JSON where it has a comma. Its parts are bounded: anybody may have written the text. */
const PAIR = /\s{0,4}(\w[\w \-/]{0,60}):\s{0,4}("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)/g;
/** Letters of the line of names and values at most. */
const LINE_MOST = 16 * 1024;
/** So few pairs may be a sentence of the prompt. */
const PAIRS_LEAST = 3;
/** What the server holds settings to. */
const MOST = { prompt: 1000, guidance: 30, seed: 2 ** 53 } as const;

/**
 * Reads the text that programs for Stable Diffusion keep in their pictures: the prompt, lines that begin
 * with `Negative prompt:`, and a line of names and values, which few programs write more behind.
 * Undefined for any other text.
 */
export function parseParameters(text: string): Parameters | undefined {
  const lines = text.replace(/\r\n?/g, "\n").trim().split("\n");
  const pairs = lines.map(pairsOf);
  const last = pairs.findLastIndex((values) => values.size >= PAIRS_LEAST && values.has("steps"));
  const values = pairs[last];
  if (!values) return undefined;
  const words = lines.slice(0, last);
  const turn = words.findIndex((line) => line.trimStart().startsWith(NEGATIVE));
  const [before, after] = turn < 0 ? [words, []] : [words.slice(0, turn), words.slice(turn)];
  const parameters: Parameters = {
    prompt: before.join("\n").trim(),
    negativePrompt: after.join("\n").trim().slice(NEGATIVE.length).trim(),
  };
  const sampler = values.get("sampler");
  if (sampler) parameters.sampler = sampler;
  const scheduleType = values.get("schedule type");
  if (scheduleType) parameters.scheduleType = scheduleType;
  for (const [name, field] of [["steps", "steps"], ["cfg scale", "guidanceScale"], ["seed", "seed"]] as const) {
    const number = Number(values.get(name) || Number.NaN);
    if (Number.isFinite(number)) parameters[field] = number;
  }
  return parameters;
}

/** What of a file's parameters a room can have. */
export function settingsFrom(found: Parameters, takes: Takes): TakenSettings {
  const patch: SettingsPatch = {};
  const left: string[] = [];
  const words = (text: string, name: string): string => {
    const letters = [...text];
    if (letters.length <= MOST.prompt) return text;
    left.push(`the end of the ${name}, which is too long`);
    return letters.slice(0, MOST.prompt).join("");
  };
  patch.prompt = words(found.prompt, "prompt");
  patch.negative_prompt = words(found.negativePrompt, "negative prompt");
  if (found.steps !== undefined) {
    const steps = Math.min(takes.max_steps, Math.max(1, Math.round(found.steps)));
    if (steps !== found.steps) left.push(`${found.steps} steps (${steps} here)`);
    patch.steps = steps;
  }
  if (found.guidanceScale !== undefined) {
    const guidance = Math.min(MOST.guidance, Math.max(0, found.guidanceScale));
    if (guidance !== found.guidanceScale) left.push(`guidance ${found.guidanceScale} (${guidance} here)`);
    patch.guidance_scale = guidance;
  }
  if (found.seed !== undefined) {
    if (Number.isInteger(found.seed) && found.seed >= 0 && found.seed < MOST.seed) patch.seed = found.seed;
    else left.push(`the seed ${found.seed}`);
  }
  if (found.sampler !== undefined) {
    const sampler = samplerNamed(found.sampler, takes.samplers);
    const sigmas = spacingNamed(found.scheduleType ?? found.sampler);
    if (sampler !== undefined) patch.sampler = sampler;
    if (sampler !== undefined && sigmas !== undefined && takes.schedules) {
      if (scheduleChoices(takes, sampler).sigmas.includes(sigmas)) patch.sigmas = sigmas;
      else left.push(`${sigmas} sigmas, which ${sampler} does not have here`);
    }
    if (sampler === undefined) left.push(`the sampler ${found.sampler}, which is not here`);
  }
  return { patch, left };
}

function pairsOf(line: string): Map<string, string> {
  const pairs = new Map<string, string>();
  if (line.length > LINE_MOST) return pairs;
  for (const [, name = "", value = ""] of line.matchAll(PAIR)) pairs.set(name.trim().toLowerCase(), unquoted(value.trim()));
  return pairs;
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

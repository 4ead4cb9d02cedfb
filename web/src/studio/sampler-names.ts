import type { SigmasChoice } from "../../client/src";

const SIGMAS = ["karras", "exponential", "beta"] as const;
/**
 * What other programs call samplers, in small letters, and our names for them. The first lines are what
 * exports say (`src/picture_file/parameters.rs`, which tests that they are here); the others only come in.
 */
const SAMPLERS: Readonly<Record<string, string>> = {
  "lcm": "lcm",
  "ddim": "ddim",
  "ddpm": "ddpm",
  "euler": "euler",
  "euler a": "euler-ancestral",
  "dpm++ 2m": "dpm-solver++",
  "dpm++ 2m sde": "dpm-solver++-sde",
  "unipc": "unipc",
  "deis": "deis",
  "plms": "pndm",
  "tcd": "tcd",
  "euler ancestral": "euler-ancestral",
  "dpm++ 3m": "dpm-solver++-3m",
  "dpmpp 2m": "dpm-solver++",
  "dpmpp 2m sde": "dpm-solver++-sde",
  "uni pc": "unipc",
  "uni pc bh2": "unipc",
};
/** Words that older files put behind a sampler for the spacing of its steps. */
const SPACING = / (karras|exponential|sgm uniform|simple|normal|beta)$/;

/** What of such a word, or of a newer file's schedule type, is a spacing of sigmas here; undefined otherwise. */
export function spacingNamed(name: string): Exclude<SigmasChoice, "default"> | undefined {
  const last = name.trim().toLowerCase().split(/[_\s]+/).at(-1);
  return SIGMAS.find((own) => own === last);
}

/** Our name for a sampler of a file, where the model has it; undefined otherwise. */
export function samplerNamed(name: string, samplers: readonly string[]): string | undefined {
  const plain = name.trim().toLowerCase();
  const known = plain.replace(/[_\s]+/g, " ").replace(SPACING, "");
  return [plain, SAMPLERS[known]].find((own) => own !== undefined && samplers.includes(own));
}

import { CallRefused, type CanvasSize, type ImageRequest, type ModelInfo, type Settings } from "../../client/src";
import { sentenceOf } from "../wire/errors";

/** How many pictures a sheet has. */
export const SHEET = 4;
/** How much of the seed's noise a sheet uses where the room uses none: otherwise all its pictures would be one. */
export const LEAST_VARIATION = 0.6;
/** Sides of pictures are multiples of this, in pixels. */
const GRID = 64;
const QUALITY = 85;

/** How large the pictures of a sheet are: the canvas's shape, within what the model sees as one picture. */
export function sheetSize(canvas: CanvasSize, model: Pick<ModelInfo, "native_size" | "largest_zoom"> | undefined): CanvasSize {
  const most = (model?.native_size ?? 512) * (model?.largest_zoom ?? 1);
  const scale = Math.min(1, most / Math.max(canvas.width, canvas.height));
  const side = (length: number): number => Math.max(GRID, Math.round((length * scale) / GRID) * GRID);
  return { width: side(canvas.width), height: side(canvas.height) };
}

/** How much of the seed's noise a sheet of these settings uses. */
export function sheetVariation({ variation }: Pick<Settings, "variation">): number {
  return variation > 0 ? variation : LEAST_VARIATION;
}

/** Seeds that are not the room's, each another. */
export function sheetSeeds(room: number, random: () => number): number[] {
  const seeds = new Set<number>();
  while (seeds.size < SHEET) {
    const seed = Math.floor(random() * 1_000_000);
    if (seed !== room) seeds.add(seed);
  }
  return [...seeds];
}

/** One picture of a sheet, over a sketch and its mask as `data:` URLs; over none where nothing was painted. */
export function sheetRequest(settings: Settings, seed: number, size: CanvasSize, pictures: { sketch?: string; mask?: string }): ImageRequest {
  const { prompt, negative_prompt, guidance_scale, guidance_rescale, image_guidance_scale, steps, strength, sampler, timestep_spacing, sigmas, finish, finish_strength } = settings;
  return {
    prompt,
    negative_prompt,
    guidance_scale,
    ...(guidance_rescale === undefined ? {} : { guidance_rescale }),
    ...(image_guidance_scale === undefined ? {} : { image_guidance_scale }),
    steps,
    strength,
    sampler,
    // Servers of an older day know nothing of them.
    ...(timestep_spacing === "default" ? {} : { timestep_spacing }),
    ...(sigmas === "default" ? {} : { sigmas }),
    finish,
    finish_strength,
    seed,
    variation: sheetVariation(settings),
    ...size,
    ...pictures,
    format: "jpeg",
    quality: QUALITY,
  };
}

/** Why there is no picture, in a sentence. */
export function sheetTrouble(error: unknown): string {
  if (error instanceof CallRefused && error.status === 401) {
    return "Only whoever runs this server makes sheets: roll the die instead, which is one picture at a time.";
  }
  return sentenceOf(error);
}

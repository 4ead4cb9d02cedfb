// What docs/protocol.md says about inverted photos, by hand, until the generated types have it:
// then this file goes, and its callers use the generated types directly (and `LOOK` in
// studio/thumbnails.svelte.ts gets "method").
import type { ClientMessage, Op, RenderNews, Settings, SettingsPatch } from "../protocol";

/** How windows over an inverted photo are edited. */
export type EditMethod = "ddim" | "edit-friendly" | "infedit";

/** News of an inversion: a `render` message with `work:"invert"`. */
export interface InversionNews extends Omit<RenderNews, "state"> {
  state: RenderNews["state"] | "progress";
  step?: number;
  psnr_db?: number;
}

/** Asks for a photo to be placed and inverted; `prompt` says what it shows. */
export function placeInverted(image: string, prompt: string): Extract<ClientMessage, { type: "place" }> {
  const message = { type: "place", image, mode: "invert", ...(prompt === "" ? {} : { prompt }) } as const;
  return message;
}

/** Stops a running inversion. */
export function cancelInversion(): ClientMessage {
  return { type: "cancel" } as unknown as ClientMessage;
}

/** The news, where it is of an inversion. */
export function inversionNews(news: RenderNews): InversionNews | undefined {
  return "work" in news && news.work === "invert" ? (news as InversionNews) : undefined;
}

/** The method in the room's settings. */
export function methodOf(settings: Settings): EditMethod {
  return (settings as { method?: EditMethod }).method ?? "ddim";
}

/** A change of the method. */
export function methodPatch(method: EditMethod): SettingsPatch {
  return { method } as SettingsPatch;
}

/** True for the op that placed a photo to be inverted. */
export function isInverting(op: Op): boolean {
  return op.type === "place" && op.mode === "invert";
}

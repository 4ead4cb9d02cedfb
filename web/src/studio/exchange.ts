import type { CanvasSize, Layer } from "../protocol";
import { callPath } from "../wire/identity";
import { addressToShare } from "./invite";
import { authorization, reasonOf, tokenOfPage } from "./pictures";
import type { Studio } from "./studio.svelte";

/** The kinds of files that the server makes, and how their names end. */
export const FORMATS = [
  { format: "png", ending: "png", name: "PNG", hint: "Lossless" },
  { format: "jpeg", ending: "jpg", name: "JPEG", hint: "Small" },
  { format: "webp", ending: "webp", name: "WebP", hint: "Lossless, smaller" },
  { format: "ora", ending: "ora", name: "Layers", hint: "OpenRaster, for Krita" },
] as const;
export type ExportFormat = (typeof FORMATS)[number]["format"];
/** How many times larger than the canvas a picture may be. */
export const SCALES = [1, 2, 3, 4] as const;
/** Pixels of a file at most; the server says the same. */
const PIXELS_MOST = 2 ** 25;

/** A file to take away. */
export interface ExportWish {
  format: ExportFormat;
  /** Of the pictures that are no layers. */
  layer: Layer;
  scale: number;
  settings: boolean;
}

/** Whether the server makes a picture so many times larger than this canvas. */
export function mayScale(canvas: CanvasSize, scale: number): boolean {
  return canvas.width * canvas.height * scale * scale <= PIXELS_MOST;
}

/** The call of a wish, beside the room's address. */
export function exportCall({ format, layer, scale, settings }: ExportWish): string {
  const query = new URLSearchParams({ format });
  if (format !== "ora") {
    if (layer !== "result") query.set("layer", layer);
    if (scale !== 1) query.set("scale", String(scale));
  }
  if (!settings) query.set("settings", "false");
  return `export?${query}`;
}

/** The name of a wish's file. */
export function exportName(room: string, { format, layer }: ExportWish): string {
  const ending = FORMATS.find((known) => known.format === format)?.ending ?? format;
  return `${room}${format !== "ora" && layer === "sketch" ? "-sketch" : ""}.${ending}`;
}

/**
 * Saves a file of the room's picture; throws the sentence with which the server refused. Where it cannot
 * be reached, a PNG is made of this page's own pixels.
 */
export async function exportPicture(studio: Studio, wish: ExportWish): Promise<void> {
  const { notices, room } = studio;
  const name = exportName(room.name, wish);
  let answer: Response | undefined;
  try {
    answer = await fetch(callPath(room.name, exportCall(wish)), { headers: authorization(tokenOfPage()) });
  } catch {
    const own = wish.format === "png" ? await fromHere(studio, wish.layer) : undefined;
    if (!own) throw new Error("The server cannot be reached; try again when the connection is back.");
    save(own, name);
    notices.say(`Exported ${name} from this page, without its settings: the server cannot be reached.`);
    return;
  }
  if (!answer.ok) throw new Error(await reasonOf(answer));
  save(await answer.blob(), name);
  notices.say(`Exported ${name}.`);
}

/** Copies the link to the room. */
export async function copyLink(studio: Studio): Promise<void> {
  const address = await addressToShare(new URL(location.href), studio.room.name);
  if (address === undefined) {
    studio.notices.trouble("No link could be made to share: try again in a moment.");
    return;
  }
  try {
    await navigator.clipboard.writeText(address);
    studio.notices.say("Link copied: whoever opens it paints with you.");
  } catch {
    // Without https there is no clipboard.
    studio.notices.say(`Copy this address to share the room: ${address}`);
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function fromHere(studio: Studio, layer: Layer): Promise<Blob | undefined> {
  const { picture } = studio.room;
  if (!picture) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    picture[layer].canvas.toBlob((blob) => resolve(blob ?? undefined), "image/png");
  });
}

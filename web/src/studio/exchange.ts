import { CallRefused, type CanvasSize, type ExportQuery, type Layer } from "../../client/src";
import { addressToShare } from "./invite";
import { serverFor, tokenOfPage } from "./pictures";
import type { Studio } from "./studio.svelte";

/** The kinds of files that the server makes, and how their names end. */
export const FORMATS = [
  { format: "png", ending: "png", name: "PNG", hint: "Lossless" },
  { format: "jpeg", ending: "jpg", name: "JPEG", hint: "Small" },
  { format: "webp", ending: "webp", name: "WebP", hint: "Lossless, smaller" },
  { format: "ora", ending: "ora", name: "Layers", hint: "OpenRaster, for Krita" },
  { format: "psd", ending: "psd", name: "PSD", hint: "Layers, for Photoshop" },
] as const;
export type ExportFormat = (typeof FORMATS)[number]["format"];
/** How many times larger than the canvas a picture may be. */
export const SCALES = [1, 2, 3, 4] as const;
/** Pixels of a file at most; the server says the same. */
const PIXELS_MOST = 2 ** 25;

/** What a JPEG's quality is where nobody chose one; the server says the same. */
export const JPEG_QUALITY = 92;
/** Resolutions that printers are asked for, in dots per inch; 0 says none. */
export const RESOLUTIONS = [0, 72, 150, 300, 600] as const;
const CENTIMETRES_OF_AN_INCH = 2.54;

/** How large a picture is printed, in centimetres. */
export function printedSize({ width, height }: CanvasSize, dpi: number): string {
  const centimetres = (pixels: number): string => ((pixels / dpi) * CENTIMETRES_OF_AN_INCH).toFixed(1);
  return `${centimetres(width)} × ${centimetres(height)} cm`;
}

/** Whether a format is one picture, and no layers. */
export function isOnePicture(format: ExportFormat): boolean {
  return format !== "ora" && format !== "psd";
}

/** A file to take away. */
export interface ExportRequest {
  format: ExportFormat;
  /** Of the pictures that are no layers. */
  layer: Layer;
  scale: number;
  /** Of a JPEG, 1 … 100. */
  quality: number;
  /** Dots per inch in print; 0 where it is not said. */
  dpi: number;
  settings: boolean;
}

/** Whether the server makes a picture so many times larger than this canvas. */
export function mayScale(canvas: CanvasSize, scale: number): boolean {
  return canvas.width * canvas.height * scale * scale <= PIXELS_MOST;
}

/** A request in as few words as say it. */
export function exportQuery({ format, layer, scale, quality, dpi, settings }: ExportRequest): ExportQuery {
  const isPicture = isOnePicture(format);
  return {
    // A PSD is made here, of the same layers.
    format: format === "psd" ? "ora" : format,
    ...(isPicture && layer !== "result" ? { layer } : {}),
    ...(isPicture && scale !== 1 ? { scale } : {}),
    ...(format === "jpeg" && quality !== JPEG_QUALITY ? { quality } : {}),
    ...(isPicture && dpi !== 0 ? { dpi } : {}),
    ...(settings ? {} : { settings }),
  };
}

/** The name of a request's file. */
export function exportName(room: string, { format, layer }: ExportRequest): string {
  const ending = FORMATS.find((known) => known.format === format)?.ending ?? format;
  return `${room}${isOnePicture(format) && layer === "sketch" ? "-sketch" : ""}.${ending}`;
}

/**
 * Saves a file of the room's picture; throws the sentence with which the server refused. Where it cannot
 * be reached, a PNG is made of this page's own pixels.
 */
export async function exportPicture(studio: Studio, request: ExportRequest): Promise<void> {
  const { notices, room } = studio;
  const name = exportName(room.name, request);
  try {
    const file = await serverFor(tokenOfPage()).export(room.name, exportQuery(request));
    save(request.format === "psd" ? await (await import("./psd")).psdOf(file) : file, name);
  } catch (error) {
    const isAway = error instanceof CallRefused && error.status === 0;
    const own = isAway && request.format === "png" ? await fromHere(studio, request.layer) : undefined;
    if (!own) throw error;
    save(own, name);
    notices.say(`Exported ${name} from this page, without its settings: the server cannot be reached.`);
    return;
  }
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

/** Has the browser save a file. */
export function save(blob: Blob, name: string): void {
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

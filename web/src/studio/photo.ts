import type { CanvasSize } from "../../client/src";
import { surface } from "../stage/picture";
import type { Parameters } from "./parameters";
import { isArchive, parametersIn } from "./picture-notes";
import { serverFor, tokenOfPage } from "./pictures";
import type { Studio } from "./studio.svelte";
import { sentenceOf } from "../wire/errors";

/** What the server reads; the browser turns others into one of these. */
const ACCEPTED = ["image/png", "image/jpeg", "image/webp"];
/** What the server takes at most; larger ones are made smaller here. */
export const MOST = { bytes: 16 * 2 ** 20, side: 4096 } as const;
/** Up to so many pixels a picture goes without loss: it then has 8 MiB at most. */
const LOSSLESS_PIXELS = 2 ** 21;
/** Shapes that differ by less lose a few rows, of which nobody is told. */
const SAME_SHAPE = 1.02;

/** What becomes of a picture: the base to paint over, or a photo whose brushed parts are edited. */
export type Placing = { as: "picture" } | { as: "photo"; shows: string };
/** Which picture of an OpenRaster file is meant, where it is not the whole. */
export type FileLayer = "sketch" | "photo";

/** A picture that came, and what its file has besides. */
export interface OfferedPicture {
  file: Blob;
  /** It is an OpenRaster file, which may have layers. */
  isLayered: boolean;
  /** What it was made with, where the file says so. */
  parameters: Parameters | undefined;
}

/** Takes a picture in: asks what is to become of it. */
export async function receiveImage(studio: Studio, file: Blob): Promise<void> {
  // Some systems know no type for a file: whether it is a picture shows when it is read.
  if (file.type !== "" && !file.type.startsWith("image/") && !isNamedOra(file)) {
    studio.notices.trouble("That is not a picture: choose a PNG, JPEG or WebP.");
    return;
  }
  if (!studio.room.mayPaint) {
    studio.notices.say(studio.room.whyNot);
    return;
  }
  const isLayered = await isArchive(file).catch(() => false);
  studio.offered = { file, isLayered, parameters: await parametersIn(file) };
}

/** Uploads a picture, or a layer of a file, and makes it the base of the canvas. */
export async function placeImage(studio: Studio, file: Blob, placing: Placing, layer?: FileLayer): Promise<void> {
  const { notices } = studio;
  const busy = notices.say("Placing the picture…");
  try {
    const body = await readyToSend(file);
    const image = await serverFor(tokenOfPage()).upload(studio.room.name, body, layer);
    studio.room.send(
      placing.as === "photo"
        ? { type: "place", image: image.image, mode: "invert", prompt: placing.shows.trim() || undefined }
        : { type: "place", image: image.image, mode: "plain" },
    );
    const cut = studio.room.picture && cutOff(image, studio.room.picture);
    if (cut !== undefined) notices.say(cut);
  } catch (error) {
    const reason = sentenceOf(error);
    notices.trouble(`The picture was not placed: ${inSentence(reason)}.`);
  } finally {
    notices.dismiss(busy);
  }
}

/** What is dragged over the page: files, a link, or nothing that belongs on the canvas. */
export function carried(types: readonly string[]): "files" | "link" | undefined {
  if (types.includes("Files")) return "files";
  return types.includes("text/uri-list") ? "link" : undefined;
}

/** The picture among dropped or pasted files; where there is none, the first file, whatever it is. */
export function pictureAmong(files: Iterable<File>): File | undefined {
  const all = [...files];
  return all.find(({ type }) => type.startsWith("image/")) ?? all[0];
}

/** The largest size of the same shape whose sides have `most` pixels at most. */
export function within(size: CanvasSize, most: number): CanvasSize {
  const factor = Math.min(1, most / Math.max(size.width, size.height));
  return {
    width: Math.max(1, Math.round(size.width * factor)),
    height: Math.max(1, Math.round(size.height * factor)),
  };
}

/** Says which edges of a picture the canvas has no room for; undefined where it is all there. */
export function cutOff(image: CanvasSize, canvas: CanvasSize): string | undefined {
  const wider = (image.width * canvas.height) / (image.height * canvas.width);
  if (wider > SAME_SHAPE) return "The picture is wider than the canvas: its left and right edges were cut off.";
  if (wider < 1 / SAME_SHAPE) return "The picture is taller than the canvas: its top and bottom were cut off.";
  return undefined;
}

/** Some systems take an OpenRaster file for the archive that it is. */
function isNamedOra(file: Blob): boolean {
  return file instanceof File && file.name.toLowerCase().endsWith(".ora");
}

/** The file as it is where the server takes it, and otherwise a smaller or a plainer one. */
export async function readyToSend(file: Blob, keepsAlpha = false): Promise<Blob> {
  if (await isArchive(file).catch(() => false)) return file;
  const accepted = ACCEPTED.includes(file.type);
  const bitmap = await createImageBitmap(file).catch(() => undefined);
  if (!bitmap) {
    // The server reads some files that browsers do not, and says what is wrong with the others.
    if (accepted || file.type === "") return file;
    throw new Error("this browser cannot read it; choose a PNG, JPEG or WebP");
  }
  try {
    const size = within(bitmap, MOST.side);
    if (accepted && size.width === bitmap.width && file.size <= MOST.bytes) return file;
    return await redrawn(size, keepsAlpha, (context) => context.drawImage(bitmap, 0, 0, size.width, size.height));
  } finally {
    bitmap.close();
  }
}

/** A picture that is drawn here, on white paper or with its transparency. */
export function redrawn(
  { width, height }: CanvasSize,
  keepsAlpha: boolean,
  draw: (context: CanvasRenderingContext2D) => void,
): Promise<Blob> {
  const { canvas, context } = surface(width, height);
  if (!keepsAlpha) {
    // As the server does: JPEG knows no transparency and would show black.
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = "high";
  draw(context);
  const lossy = keepsAlpha ? "image/webp" : "image/jpeg";
  const type = width * height <= LOSSLESS_PIXELS ? "image/png" : lossy;
  return new Promise((resolve, reject) => {
    const done = (blob: Blob | null): void =>
      blob ? resolve(blob) : reject(new Error("this browser cannot make it smaller; choose a smaller one"));
    canvas.toBlob(done, type, 0.95);
  });
}

/** A sentence as the end of another one. */
export function inSentence(text: string): string {
  const trimmed = text.replace(/\.+$/u, "");
  return trimmed.charAt(0).toLowerCase() + trimmed.slice(1);
}

import { parseParameters, type Parameters } from "./parameters";

/** Files over this are not looked into: no picture that the server takes is so large. */
const FILE_MOST = 64 * 2 ** 20;
/** Letters of a text at most; the programs that write them write some hundreds. */
const TEXT_MOST = 256 * 1024;
/** Under which name PNG keeps the text. */
const KEYWORD = "parameters";
const EXIF_POINTER = 0x8769;
const USER_COMMENT = 0x9286;

/** What a picture's file says that it was made with; undefined where it does not. */
export async function parametersIn(file: Blob): Promise<Parameters | undefined> {
  if (file.size > FILE_MOST) return undefined;
  try {
    const text = await textIn(new Uint8Array(await file.arrayBuffer()));
    return text === undefined ? undefined : parseParameters(text);
  } catch {
    // A broken file says nothing; what is wrong with it is said when it is placed.
    return undefined;
  }
}

/** True for an archive, as OpenRaster files are, whatever the system calls it. */
export async function isArchive(file: Blob): Promise<boolean> {
  return ascii(new Uint8Array(await file.slice(0, 4).arrayBuffer())) === "PK\x03\x04";
}

/** The text of a PNG, or EXIF's user comment of a JPEG or WebP. */
export async function textIn(bytes: Uint8Array): Promise<string | undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (ascii(bytes.subarray(0, 8)) === "\x89PNG\r\n\x1a\n") return pngText(bytes, view);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegText(bytes, view);
  if (ascii(bytes.subarray(0, 4)) === "RIFF" && ascii(bytes.subarray(8, 12)) === "WEBP") return webpText(bytes, view);
  return undefined;
}

/** A text of a PNG, by the name under which it is kept. */
export function pngTextOf(bytes: Uint8Array, keyword: string): Promise<string | undefined> {
  return pngText(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), keyword);
}

async function pngText(bytes: Uint8Array, view: DataView, keyword = KEYWORD): Promise<string | undefined> {
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = ascii(bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + length);
    const end = content.indexOf(0);
    if (["tEXt", "zTXt", "iTXt"].includes(kind) && ascii(content.subarray(0, Math.max(0, end))) === keyword) {
      const rest = content.subarray(end + 1);
      if (kind === "tEXt") return ascii(rest.subarray(0, TEXT_MOST));
      if (kind === "zTXt") return ascii(await inflated(rest.subarray(1)));
      const isPacked = rest[0] === 1;
      const language = rest.indexOf(0, 2);
      const text = rest.subarray(rest.indexOf(0, language + 1) + 1);
      return utf8(isPacked ? await inflated(text) : text.subarray(0, TEXT_MOST));
    }
    at += 12 + length;
  }
  return undefined;
}

function jpegText(bytes: Uint8Array, view: DataView): string | undefined {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const kind = bytes[at + 1];
    // The pixels begin: nothing stands behind them.
    if (kind === 0xda) return undefined;
    const length = view.getUint16(at + 2);
    const content = bytes.subarray(at + 4, at + 2 + length);
    if (kind === 0xe1 && ascii(content.subarray(0, 6)) === "Exif\0\0") {
      const text = commentOf(content.subarray(6));
      if (text !== undefined) return text;
    }
    at += 2 + length;
  }
  return undefined;
}

function webpText(bytes: Uint8Array, view: DataView): string | undefined {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (ascii(bytes.subarray(at, at + 4)) === "EXIF") {
      const content = bytes.subarray(at + 8, at + 8 + length);
      // Some programs put a JPEG's name for it here too.
      return commentOf(ascii(content.subarray(0, 6)) === "Exif\0\0" ? content.subarray(6) : content);
    }
    at += 8 + length + (length % 2);
  }
  return undefined;
}

/** The user comment of a TIFF structure, which EXIF is. */
function commentOf(tiff: Uint8Array): string | undefined {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const order = ascii(tiff.subarray(0, 2));
  if (order !== "II" && order !== "MM") return undefined;
  const little = order === "II";
  const entry = (folder: number, tag: number): number | undefined => {
    const count = view.getUint16(folder, little);
    for (let index = 0; index < count; index += 1) {
      const at = folder + 2 + 12 * index;
      if (view.getUint16(at, little) === tag) return at;
    }
    return undefined;
  };
  const pointer = entry(view.getUint32(4, little), EXIF_POINTER);
  if (pointer === undefined) return undefined;
  const comment = entry(view.getUint32(pointer + 8, little), USER_COMMENT);
  if (comment === undefined) return undefined;
  const length = view.getUint32(comment + 4, little);
  const from = length > 4 ? view.getUint32(comment + 8, little) : comment + 8;
  const content = tiff.subarray(from, from + Math.min(length, 2 * TEXT_MOST));
  const text = content.subarray(8);
  switch (ascii(content.subarray(0, 8))) {
    case "UNICODE\0":
      return new TextDecoder(isHighFirst(text) ? "utf-16be" : "utf-16le").decode(text);
    case "ASCII\0\0\0":
      return utf8(text);
    default:
      return undefined;
  }
}

/** Programs do not agree on the order of the bytes, but most letters have an empty one. */
function isHighFirst(text: Uint8Array): boolean {
  let even = 0;
  let odd = 0;
  for (let at = 0; at + 1 < text.length; at += 2) {
    if (text[at] === 0) even += 1;
    if (text[at + 1] === 0) odd += 1;
  }
  return even >= odd;
}

/** Unpacks up to the most that a text may have. */
async function inflated(packed: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  for (let size = 0; size < TEXT_MOST; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
  }
  await reader.cancel();
  return new Uint8Array(await new Blob(parts.map((part) => new Uint8Array(part))).arrayBuffer()).subarray(0, TEXT_MOST);
}

/** Latin-1, of which ASCII is a part. */
function ascii(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

import type { FrameHeader } from "./protocol/index.js";

/** A binary frame, taken apart. */
export interface Frame {
  header: FrameHeader;
  /** The encoded image. */
  image: Uint8Array<ArrayBuffer>;
}

/** Splits a binary message into its JSON header and its image; throws when it is not a frame. */
export function decodeFrame(message: ArrayBuffer): Frame {
  if (message.byteLength < 4) throw new Error("the frame ends inside its header");
  const end = 4 + new DataView(message).getUint32(0, true);
  if (end > message.byteLength) throw new Error("the frame ends inside its header");
  const text = new TextDecoder().decode(new Uint8Array(message, 4, end - 4));
  const header: unknown = JSON.parse(text);
  if (!isFrameHeader(header)) throw new Error("the frame's header is not valid");
  return { header, image: new Uint8Array(message, end) };
}

function isFrameHeader(value: unknown): value is FrameHeader {
  if (typeof value !== "object" || value === null) return false;
  const header = value as Partial<FrameHeader>;
  return (
    header.type === "frame" &&
    Number.isSafeInteger(header.rev) &&
    Array.isArray(header.rect) &&
    header.rect.length === 4 &&
    header.rect.every((number) => Number.isInteger(number) && number >= 0) &&
    (header.layer === "result" || header.layer === "sketch") &&
    (header.format === "png" || header.format === "jpeg" || header.format === "webp")
  );
}

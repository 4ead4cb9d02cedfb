/** The PNG of a rectangle of an RGB8 picture, with texts by their keywords. */
export function encodePng(
  pixels: Uint8Array,
  stride: number,
  rect: readonly [left: number, top: number, width: number, height: number],
  texts?: Record<string, string>,
): Buffer<ArrayBuffer>;

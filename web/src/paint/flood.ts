import type { CanvasSize } from "../../client/src";

/** Colours as RGBA bytes, row after row. */
export interface Colours extends CanvasSize {
  data: Uint8ClampedArray;
}

/** What a bucket looks for. */
export interface FloodRules {
  /** How far each channel may be from the colour at the beginning, 0 … 255. */
  tolerance: number;
  /** Only what hangs together with the beginning. */
  contiguous: boolean;
}

/** Inside, and at the edge, where the picture goes over into something else. */
export const [OUTSIDE, EDGE, INSIDE] = [0, 1, 2] as const;

/** What is as the pixel at `x`, `y`: one of `OUTSIDE`, `EDGE` and `INSIDE` for each pixel; undefined outside the picture. */
export function flooded(colours: Colours, x: number, y: number, rules: FloodRules): Uint8Array | undefined {
  const { data, width, height } = colours;
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (column < 0 || row < 0 || column >= width || row >= height) return undefined;
  const start = (row * width + column) * 4;
  const [red, green, blue] = [data[start] ?? 0, data[start + 1] ?? 0, data[start + 2] ?? 0];
  const isAlike = (at: number): boolean =>
    Math.abs((data[at * 4] ?? 0) - red) <= rules.tolerance &&
    Math.abs((data[at * 4 + 1] ?? 0) - green) <= rules.tolerance &&
    Math.abs((data[at * 4 + 2] ?? 0) - blue) <= rules.tolerance;
  const filled = new Uint8Array(width * height);
  if (rules.contiguous) spread(filled, width, height, row * width + column, isAlike);
  else for (let at = 0; at < filled.length; at += 1) if (isAlike(at)) filled[at] = INSIDE;
  markEdge(filled, width, height);
  return filled;
}

/** Row by row: a run of pixels that are alike is marked, and where others touch it above and below they come next. */
function spread(filled: Uint8Array, width: number, height: number, seed: number, isAlike: (at: number) => boolean): void {
  const waiting = [seed];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (filled[next] === INSIDE) continue;
    const row = Math.floor(next / width) * width;
    let from = next;
    let to = next;
    while (from > row && filled[from - 1] !== INSIDE && isAlike(from - 1)) from -= 1;
    while (to + 1 < row + width && filled[to + 1] !== INSIDE && isAlike(to + 1)) to += 1;
    filled.fill(INSIDE, from, to + 1);
    for (const step of [-width, width]) {
      if (row + step < 0 || row + step >= width * height) continue;
      let open = false;
      for (let at = from + step; at <= to + step; at += 1) {
        const fits = filled[at] !== INSIDE && isAlike(at);
        if (fits && !open) waiting.push(at);
        open = fits;
      }
    }
  }
}

/** What touches the inside is half of it: lines that were drawn softly keep no seam of the old colour. */
function markEdge(filled: Uint8Array, width: number, height: number): void {
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      if (filled[at] === INSIDE) continue;
      const touches =
        (x > 0 && filled[at - 1] === INSIDE) ||
        (x + 1 < width && filled[at + 1] === INSIDE) ||
        (y > 0 && filled[at - width] === INSIDE) ||
        (y + 1 < height && filled[at + width] === INSIDE);
      if (touches) filled[at] = EDGE;
    }
  }
}

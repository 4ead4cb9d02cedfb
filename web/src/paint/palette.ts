import { hexOf } from "./hsv";

type Rgb = [number, number, number];

/** How often the colours are moved to the middle of what they stand for. */
const ROUNDS = 8;
/** Two colours that are closer than this are one, as a distance in 0 … 255 RGB. */
const SAME = 12;

/**
 * The colours that stand best for a picture's pixels (RGBA bytes), the most
 * frequent first: `count` of them, or fewer where it has fewer. Boxes are cut
 * where that brings their halves closest together, then k-means refines; the same pixels always give the same colours.
 */
export function paletteOf(rgba: Uint8ClampedArray, count: number): string[] {
  const pixels: Rgb[] = [];
  for (let at = 0; at + 3 < rgba.length; at += 4) pixels.push([rgba[at] ?? 0, rgba[at + 1] ?? 0, rgba[at + 2] ?? 0]);
  let centres = boxesOf(pixels, count).map(middle);
  let shares: Rgb[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    shares = centres.map(() => []);
    for (const pixel of pixels) shares[nearest(centres, pixel)]?.push(pixel);
    centres = centres.map((centre, at) => (shares[at]?.length ? middle(shares[at]) : centre));
  }
  const found = centres
    .map((centre, at) => ({ centre, weight: shares[at]?.length ?? 0 }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  const kept: Rgb[] = [];
  for (const { centre } of found) if (kept.every((other) => distance(other, centre) > SAME ** 2)) kept.push(centre);
  return kept.map(hexOf);
}

/** Cuts the pixels in two where that helps most, until there are as many boxes as are wanted. */
function boxesOf(pixels: Rgb[], count: number): Rgb[][] {
  const boxes = pixels.length > 0 ? [{ box: pixels, cut: bestCut(pixels) }] : [];
  while (boxes.length < count) {
    const [widest] = [...boxes].sort((a, b) => b.cut.gain - a.cut.gain);
    if (!widest || widest.cut.gain <= 0) break;
    const { channel, below } = widest.cut;
    const halves = [true, false].map((isBelow) => widest.box.filter((pixel) => pixel[channel] <= below === isBelow));
    boxes.splice(boxes.indexOf(widest), 1, ...halves.map((box) => ({ box, cut: bestCut(box) })));
  }
  return boxes.map(({ box }) => box);
}

/** The channel and the value at which a cut takes most of the squared distances within a box away; no gain where all are the same. */
function bestCut(box: readonly Rgb[]): { channel: 0 | 1 | 2; below: number; gain: number } {
  let best: { channel: 0 | 1 | 2; below: number; gain: number } = { channel: 0, below: 0, gain: 0 };
  for (const channel of [0, 1, 2] as const) {
    const values = box.map((pixel) => pixel[channel]).sort((a, b) => a - b);
    const all = values.reduce((sum, value) => sum + value, 0);
    let sum = 0;
    for (let at = 1; at < values.length; at += 1) {
      const below = values[at - 1] ?? 0;
      sum += below;
      if (below === values[at]) continue;
      const apart = sum / at - (all - sum) / (values.length - at);
      const gain = (at * (values.length - at) * apart ** 2) / values.length;
      if (gain > best.gain) best = { channel, below, gain };
    }
  }
  return best;
}

function nearest(centres: readonly Rgb[], pixel: Rgb): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  centres.forEach((centre, at) => {
    const far = distance(centre, pixel);
    if (far < least) [best, least] = [at, far];
  });
  return best;
}

function distance(a: Rgb, b: Rgb): number {
  return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
}

function middle(pixels: readonly Rgb[]): Rgb {
  const sum: Rgb = [0, 0, 0];
  for (const pixel of pixels) for (const channel of [0, 1, 2] as const) sum[channel] += pixel[channel];
  return sum.map((value) => value / Math.max(1, pixels.length)) as Rgb;
}

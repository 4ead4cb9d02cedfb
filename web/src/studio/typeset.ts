import { surface } from "../stage/picture";

/** Letters as coverage, 0 … 255, row after row. */
export interface Typeset {
  coverage: Uint8Array;
  width: number;
  height: number;
  /** Where its corner lies from where the text begins, in pixels. */
  left: number;
  top: number;
}

/** From one line's top to the next one's, in sizes of the font. */
export const LINE_HEIGHT = 1.25;
/** What letters may stand out of their line, in sizes of the font. */
const MARGIN = 0.4;

/** Draws lines of text, the first one's top at 0; undefined where nothing is seen of them. */
export function typeset(text: string, font: string, size: number): Typeset | undefined {
  const lines = text.split("\n");
  const margin = Math.ceil(size * MARGIN);
  const ruler = surface(1, 1).context;
  ruler.font = font;
  const longest = Math.max(0, ...lines.map((line) => ruler.measureText(line).width));
  const width = Math.ceil(longest) + 2 * margin;
  const height = Math.ceil(lines.length * size * LINE_HEIGHT) + 2 * margin;
  const { context } = surface(width, height, true);
  context.font = font;
  context.textBaseline = "middle";
  lines.forEach((line, at) => context.fillText(line, margin, margin + (at + 0.5) * size * LINE_HEIGHT));
  const { data } = context.getImageData(0, 0, width, height);
  const coverage = Uint8Array.from({ length: width * height }, (_, at) => data[at * 4 + 3] ?? 0);
  return coverage.some((value) => value > 0) ? { coverage, width, height, left: -margin, top: -margin } : undefined;
}

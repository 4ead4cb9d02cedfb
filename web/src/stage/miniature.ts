import type { CanvasSize } from "../../client/src";
import { surface, type Surface } from "./picture";

/** The longer side of a small picture, in pixels: sharp at twice the size in which it is shown. */
const LONGEST = 224;

/** A layer made small, as a data URL. */
export function miniature(layer: Surface, { width, height }: CanvasSize): string {
  const factor = Math.min(1, LONGEST / Math.max(width, height));
  const small = surface(Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor)));
  small.context.imageSmoothingQuality = "high";
  small.context.drawImage(layer.canvas, 0, 0, small.canvas.width, small.canvas.height);
  return small.canvas.toDataURL("image/webp", 0.85);
}

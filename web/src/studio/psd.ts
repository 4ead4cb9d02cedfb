import { type BlendMode, type Layer as PsdLayer, writePsd } from "ag-psd";
import { type Parts, partsOf } from "./archive";
import { pngTextOf } from "./picture-notes";

/** Where OpenRaster keeps what all layers make together, with its notes. */
const MERGED = "mergedimage.png";
const STACK = "stack.xml";
/** Under which name PNG keeps XMP. */
const XMP = "XML:com.adobe.xmp";

/** OpenRaster's names of what a layer does with those below it, and Photoshop's. */
const BLENDS: Record<string, BlendMode> = {
  "svg:src-over": "normal",
  "svg:multiply": "multiply",
  "svg:screen": "screen",
  "svg:overlay": "overlay",
  "svg:soft-light": "soft light",
  "svg:hard-light": "hard light",
  "svg:darken": "darken",
  "svg:lighten": "lighten",
  "svg:color-dodge": "color dodge",
  "svg:color-burn": "color burn",
  "svg:difference": "difference",
};

/** A layer as `stack.xml` says it. */
export interface StackLayer {
  name: string;
  src: string;
  x: number;
  y: number;
  /** 0 … 1. */
  opacity: number;
  visible: boolean;
  blend: BlendMode;
}

/** The layers of a stack, the topmost first, as they stand in it. */
export function layersOf(stack: string): StackLayer[] {
  const document = new DOMParser().parseFromString(stack, "application/xml");
  return [...document.querySelectorAll("layer")].map((layer): StackLayer => {
    const number = (name: string, otherwise: number): number => {
      const value = Number(layer.getAttribute(name) ?? otherwise);
      return Number.isFinite(value) ? value : otherwise;
    };
    return {
      name: layer.getAttribute("name") ?? "Layer",
      src: layer.getAttribute("src") ?? "",
      x: number("x", 0),
      y: number("y", 0),
      opacity: Math.min(1, Math.max(0, number("opacity", 1))),
      visible: layer.getAttribute("visibility") !== "hidden",
      blend: BLENDS[layer.getAttribute("composite-op") ?? ""] ?? "normal",
    };
  });
}

/**
 * An OpenRaster file of the server's as a Photoshop document: the same layers, and what the file says of
 * where its pixels come from.
 */
export async function psdOf(file: Blob): Promise<Blob> {
  const parts = await partsOf(file);
  const merged = await pixelsIn(parts, MERGED);
  const layers: PsdLayer[] = [];
  for (const { name, src, x, y, opacity, visible, blend } of layersOf(new TextDecoder().decode(part(parts, STACK)))) {
    const imageData = await pixelsIn(parts, src);
    layers.push({ name, left: x, top: y, opacity, hidden: !visible, blendMode: blend, imageData });
  }
  const xmpMetadata = await pngTextOf(part(parts, MERGED), XMP);
  const psd = writePsd({
    width: merged.width,
    height: merged.height,
    imageData: merged,
    // The bottom one is first.
    children: layers.reverse(),
    imageResources: xmpMetadata === undefined ? {} : { xmpMetadata },
  });
  return new Blob([psd], { type: "image/vnd.adobe.photoshop" });
}

function part(parts: Parts, name: string): Uint8Array {
  const found = parts.get(name);
  if (!found) throw new Error(`The file that the server made has no part ${name}; try again.`);
  return found;
}

async function pixelsIn(parts: Parts, name: string): Promise<ImageData> {
  const png = new Blob([new Uint8Array(part(parts, name))], { type: "image/png" });
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  if (!context) throw new Error("This browser has no canvas to read layers with.");
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
  bitmap.close();
  return pixels;
}

import { type BlendMode, type Layer as PsdLayer, writePsd } from "ag-psd";
import { Archive } from "./archive";
import { stackOf } from "./open-raster";
import { pngTextOf } from "./picture-notes";

/** Where OpenRaster keeps what all layers make together, with its notes. */
const MERGED = "mergedimage.png";
/** More than any part of the server's files unpacks to. */
const PART_MOST = 2 ** 27;
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

/**
 * An OpenRaster file of the server's as a Photoshop document: the same layers, and what the file says of
 * where its pixels come from.
 */
export async function psdOf(file: Blob): Promise<Blob> {
  const archive = await Archive.open(file);
  const merged = await pixelsIn(archive, MERGED);
  const layers: PsdLayer[] = [];
  for (const { name, src, x, y, opacity, visible, composite } of (await stackOf(archive)).layers) {
    const imageData = await pixelsIn(archive, src);
    layers.push({ name, left: x, top: y, opacity, hidden: !visible, blendMode: BLENDS[composite] ?? "normal", imageData });
  }
  const xmpMetadata = await pngTextOf(await archive.part(MERGED, PART_MOST), XMP);
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

async function pixelsIn(archive: Archive, name: string): Promise<ImageData> {
  const png = new Blob([await archive.part(name, PART_MOST)], { type: "image/png" });
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  if (!context) throw new Error("This browser has no canvas to read layers with.");
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
  bitmap.close();
  return pixels;
}

import type { CanvasSize, OpMessage } from "../../client/src";
import { sentenceOf } from "../wire/errors";
import { Archive } from "./archive";
import { LAYER_NAME_MOST, LAYERS_MOST, type LayerLook } from "./layers.svelte";
import { blendOf, stackOf, type StackLayer } from "./open-raster";
import { inSentence, MOST } from "./photo";
import { serverFor, tokenOfPage } from "./pictures";
import type { Studio } from "./studio.svelte";

/** What a PNG begins with, up to the name of its first chunk. */
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Where its width and height stand. */
const [PNG_WIDTH, PNG_HEIGHT, PNG_HEAD] = [16, 20, 24];
/** Of more layers than these one undo may not take all back: some are too old by then. */
const UNDONE_MOST = 30;
/** So many names are told, and how many others there are. */
const NAMES_TOLD = 4;

/** A layer of a file, as it may be brought in. */
export interface FileLayer extends StackLayer {
  /** What it is called here. */
  title: string;
  /** Why it cannot be brought in; undefined where it can. */
  trouble: string | undefined;
}

/** The layers of an OpenRaster file. */
export interface FileLayers extends CanvasSize {
  archive: Archive;
  /** The topmost first. */
  layers: FileLayer[];
  /** Names of groups that are not what their layers alone are. */
  groups: string[];
}

/** Reads what a file has; throws a sentence where nothing of it can be read. */
export async function fileLayersIn(file: Blob): Promise<FileLayers> {
  const archive = await Archive.open(file);
  const { layers, ...stack } = await stackOf(archive);
  if (stack.width > MOST.side || stack.height > MOST.side) {
    throw new Error(`The file is ${stack.width} × ${stack.height} pixels; make it ${MOST.side} a side at most.`);
  }
  const looked: FileLayer[] = [];
  // One after the other: hundreds that are unpacked at once may be gigabytes.
  for (const [at, layer] of layers.entries()) {
    const title = [...layer.name].slice(0, LAYER_NAME_MOST).join("") || `Layer ${layers.length - at} of the file`;
    looked.push({ ...layer, title, trouble: await troubleWith(archive, layer) });
  }
  return { ...stack, archive, layers: looked };
}

/** What will be another than in the file, in sentences, before anybody says yes. */
export function differencesOf({ width, height, groups }: FileLayers, chosen: readonly FileLayer[], canvas: CanvasSize): string[] {
  const mixed = chosen.filter(({ composite }) => blendOf(composite) === undefined);
  const names = mixed.map(({ title, composite }) => `“${title}” (${composite.replace(/^svg:/u, "")})`);
  const told: string[] = [];
  if (names.length > 0) told.push(`Rooms cannot mix these as the file does, and take them as Normal: ${listOf(names)}.`);
  if (groups.length > 0) told.push(`Groups become their layers, and may look different: ${listOf(groups.map((name) => `“${name}”`))}.`);
  if (width !== canvas.width || height !== canvas.height) {
    told.push(`The file is ${width} × ${height} pixels, the canvas ${canvas.width} × ${canvas.height}: its layers are scaled to fit.`);
  }
  return told;
}

/** Why these cannot be brought in; undefined where they can. */
export function whyNotAll(chosen: readonly FileLayer[], inRoom: number): string | undefined {
  const places = LAYERS_MOST - inRoom;
  if (chosen.length === 0) return "Choose at least one layer.";
  if (chosen.length <= places) return undefined;
  return `A room has ${LAYERS_MOST} layers at most, and this one has place for ${places}: leave some out, or delete some here.`;
}

/**
 * Makes each of these layers one of the room's, the lowest first; one undo takes all back. Throws a sentence where
 * that does not come about, after what had come is taken back.
 */
export async function bringIn(
  studio: Studio,
  { archive, width, height }: FileLayers,
  chosen: readonly FileLayer[],
  heard: (done: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { room } = studio;
  const ask = (message: OpMessage): Promise<number> => room.ask(message);
  let done = 0;
  let begun = false;
  try {
    for (const layer of [...chosen].reverse()) {
      const png = new Blob([await archive.part(layer.src, MOST.bytes)], { type: "image/png" });
      const within = { x: layer.x, y: layer.y, width, height };
      const { image } = await serverFor(tokenOfPage()).uploadForLayer(room.name, png, undefined, within);
      signal.throwIfAborted();
      const id = await ask({ type: "layer", action: "add", name: layer.title, ...(begun ? { continues: true } : {}) });
      begun = true;
      const look = lookOf(layer);
      if (Object.keys(look).length > 0) await ask({ type: "layer", action: "set", layer: id, ...look, continues: true });
      await ask({ type: "place", image, mode: "plain", layer: id, continues: true });
      done += 1;
      heard(done);
      signal.throwIfAborted();
    }
  } catch (error) {
    if (!begun) throw error;
    const reason = inSentence(sentenceOf(error));
    if (done > UNDONE_MOST) throw new Error(`Only ${done} of ${chosen.length} layers came: ${reason}.`);
    await ask({ type: "undo" });
    throw new Error(`The layers were taken back: ${reason}.`);
  }
}

/** What of a layer is another than of a new one. */
function lookOf({ opacity, visible, composite }: StackLayer): LayerLook {
  const blend = blendOf(composite) ?? "normal";
  return {
    ...(visible ? {} : { visible }),
    ...(opacity < 1 ? { opacity } : {}),
    ...(blend === "normal" ? {} : { blend }),
  };
}

async function troubleWith(archive: Archive, { src }: StackLayer): Promise<string | undefined> {
  if (src === "" || !archive.has(src)) return "The file does not have its picture.";
  try {
    const png = await archive.part(src, MOST.bytes);
    const isPng = png.length >= PNG_HEAD && PNG.every((byte, at) => png[at] === byte);
    if (!isPng) return "Its picture is no PNG.";
    const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
    const [width, height] = [view.getUint32(PNG_WIDTH), view.getUint32(PNG_HEIGHT)];
    return width > MOST.side || height > MOST.side ? `It has more than ${MOST.side} pixels a side.` : undefined;
  } catch (error) {
    return sentenceOf(error);
  }
}

function listOf(names: readonly string[]): string {
  const told = names.slice(0, NAMES_TOLD).join(", ");
  const others = names.length - NAMES_TOLD;
  return others > 0 ? `${told} and ${others} more` : told;
}

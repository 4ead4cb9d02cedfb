import type { OpMessage } from "../../client/src";
import { sentenceOf } from "../wire/errors";
import { drawArranged, isUnmoved, type Arrangement } from "../stage/arrangement";
import { LAYER_NAME_MOST } from "./layers.svelte";
import { inSentence, readyToSend, redrawn, type FileLayer } from "./photo";
import { serverFor, tokenOfPage } from "./pictures";
import type { Studio } from "./studio.svelte";

/** The layer that a picture goes on. */
export type LayerTarget = "new" | "in-hand";

/** Uploads a picture and lays it on a layer, with its transparency; one undo takes back all that comes of it. */
export async function placeOnLayer(
  studio: Studio,
  file: Blob,
  target: LayerTarget,
  arrangement: Arrangement,
  layer?: FileLayer,
): Promise<void> {
  const { notices, room } = studio;
  // The layer that was in hand when it was asked for, whatever is chosen meanwhile.
  const inHand = room.layers.inHand.id;
  const busy = notices.say("Placing the picture…");
  try {
    const body = await arranged(studio, file, arrangement);
    const { image } = await serverFor(tokenOfPage()).uploadForLayer(room.name, body, layer);
    const add: OpMessage = { type: "layer", action: "add", above: inHand, name: nameOf(file) };
    const id = target === "new" ? await room.ask(add) : inHand;
    const continues = target === "new" ? { continues: true } : {};
    await room.ask({ type: "place", image, mode: "plain", layer: id, ...continues });
  } catch (error) {
    notices.trouble(`The picture was not placed: ${inSentence(sentenceOf(error))}.`);
  } finally {
    notices.dismiss(busy);
  }
}

/** The picture as large as the canvas, with nothing around it; as it is where it was not moved. */
async function arranged(studio: Studio, file: Blob, arrangement: Arrangement): Promise<Blob> {
  const canvas = studio.room.picture;
  if (!canvas || isUnmoved(arrangement)) return readyToSend(file, true);
  const bitmap = await createImageBitmap(file);
  try {
    const { width, height } = canvas;
    return await redrawn({ width, height }, true, (context) => drawArranged(context, bitmap, bitmap, canvas, arrangement));
  } finally {
    bitmap.close();
  }
}

/** What a file's layer is called: as the file, where that has a name. */
function nameOf(file: Blob): string | undefined {
  const name = file instanceof File ? file.name.replace(/\.[^.]*$/u, "").trim() : "";
  return name === "" ? undefined : [...name].slice(0, LAYER_NAME_MOST).join("");
}

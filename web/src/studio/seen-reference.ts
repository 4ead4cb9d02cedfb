import { inSentence, readyToSend } from "./photo";
import { layerOf, pictureOf, serverFor, tokenOfPage } from "./pictures";
import type { Studio } from "./studio.svelte";
import { sentenceOf } from "../wire/errors";

/** What was uploaded last: the room has it a moment later. */
let last: { image: string; picture: Blob } | undefined;

/** Uploads a picture, and has the model see it beside the prompt. */
export async function seeReference(studio: Studio, file: Blob): Promise<void> {
  const { notices, room } = studio;
  const busy = notices.say("Taking the reference picture…");
  try {
    const picture = await readyToSend(file);
    const { image } = await serverFor(tokenOfPage()).uploadReference(room.name, picture);
    last = { image, picture };
    room.settings.set({ reference: image });
  } catch (error) {
    notices.trouble(`The reference picture was not taken: ${inSentence(sentenceOf(error))}.`);
  } finally {
    notices.dismiss(busy);
  }
}

/** Has the model see what is painted on the layer in hand. */
export async function seeLayer(studio: Studio): Promise<void> {
  const { notices, room } = studio;
  const layer = await layerOf(room.name, room.layers.inHand.id);
  if (layer) await seeReference(studio, layer);
  else notices.trouble("The layer cannot be read now: try again in a moment.");
}

/** The picture of the room's reference, where there is one. */
export async function seenReference(room: string, image: string): Promise<Blob | undefined> {
  if (image === "") return undefined;
  return last?.image === image ? last.picture : pictureOf(room, "reference");
}

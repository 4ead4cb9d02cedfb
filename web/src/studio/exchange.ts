import type { Layer } from "../protocol";
import { addressToShare } from "./invite";
import { pictureOf } from "./pictures";
import type { Studio } from "./studio.svelte";

/** Saves a layer as PNG: the server's pixels, or this page's where it cannot be reached. */
export async function exportPng(studio: Studio, layer: Layer): Promise<void> {
  const blob = (await pictureOf(studio.room.name, layer)) ?? (await fromHere(studio, layer));
  if (!blob) {
    studio.notices.trouble("There is no picture yet to export.");
    return;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${studio.room.name}${layer === "sketch" ? "-sketch" : ""}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  studio.notices.say(`Exported ${link.download}.`);
}

/** Copies the link to the room. */
export async function copyLink(studio: Studio): Promise<void> {
  const address = await addressToShare(new URL(location.href), studio.room.name);
  if (address === undefined) {
    studio.notices.trouble("No link could be made to share: try again in a moment.");
    return;
  }
  try {
    await navigator.clipboard.writeText(address);
    studio.notices.say("Link copied: whoever opens it paints with you.");
  } catch {
    // Without https there is no clipboard.
    studio.notices.say(`Copy this address to share the room: ${address}`);
  }
}

function fromHere(studio: Studio, layer: Layer): Promise<Blob | undefined> {
  const { picture } = studio.room;
  if (!picture) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    picture[layer].canvas.toBlob((blob) => resolve(blob ?? undefined), "image/png");
  });
}

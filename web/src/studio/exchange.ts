import type { Layer } from "../protocol";
import type { Invites } from "./new-canvas";
import { pictureOf } from "./pictures";
import { recall } from "./storage";
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

/** The link that lets others paint here: with an editor's invite where this page made the room, else its own address. */
export function linkToShare(page: URL, room: string): string {
  const invites = recall<Invites>(`invites.${room}`);
  if (!invites) return page.href;
  const shared = new URL(page);
  shared.hash = `token=${invites.editor}`;
  return shared.href;
}

/** Copies the link to the room. */
export async function copyLink(studio: Studio): Promise<void> {
  const address = linkToShare(new URL(location.href), studio.room.name);
  try {
    await navigator.clipboard.writeText(address);
    studio.notices.say("Link copied: whoever opens it paints with you.");
  } catch {
    // Without https there is no clipboard: the address bar has the same link.
    studio.notices.say("Copy the address of this page to share the room.");
  }
}

function fromHere(studio: Studio, layer: Layer): Promise<Blob | undefined> {
  const { picture } = studio.room;
  if (!picture) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    picture[layer].canvas.toBlob((blob) => resolve(blob ?? undefined), "image/png");
  });
}

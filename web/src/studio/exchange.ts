import type { Layer } from "../protocol";
import { callPath } from "../wire/identity";
import { addressToShare } from "./invite";
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

/** Copies the room's address. */
export async function copyLink(studio: Studio): Promise<void> {
  const address = await addressToShare(new URL(location.href), studio.room);
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

/** A picture of the room; undefined where the server has none or cannot be reached. */
export async function pictureOf(
  room: string,
  layer: Layer | "noise" | "reconstruction",
): Promise<Blob | undefined> {
  try {
    const answer = await fetch(callPath(room, `image?layer=${layer}`), {
      headers: authorization(),
    });
    return answer.ok ? await answer.blob() : undefined;
  } catch {
    return undefined;
  }
}

function fromHere(studio: Studio, layer: Layer): Promise<Blob | undefined> {
  const { picture } = studio.room;
  if (!picture) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    picture[layer].canvas.toBlob((blob) => resolve(blob ?? undefined), "image/png");
  });
}

/** The headers that show this page's invite, where its address has one, and who was let in by it. */
export function authorization(): Record<string, string> {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return {};
  const client = recall<string>("client", () => sessionStorage);
  return { authorization: `Bearer ${token}`, ...(client === undefined ? {} : { "impasto-client": client }) };
}

/** The sentence with which the server refused. */
export async function reasonOf(answer: Response): Promise<string> {
  try {
    const body = (await answer.json()) as { error?: { message?: string } };
    return body.error?.message ?? answer.statusText;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

import type { Layer } from "../protocol";
import { surface } from "../stage/picture";
import { callPath } from "../wire/identity";
import type { MaskBytes } from "./mask.svelte";
import { recall } from "./storage";

/** A picture of the room; undefined where the server has none or cannot be reached. */
export async function pictureOf(
  room: string,
  layer: Layer | "mask" | "noise" | "reconstruction",
): Promise<Blob | undefined> {
  try {
    const answer = await fetch(callPath(room, `image?layer=${layer}`), {
      headers: authorization(tokenOfPage()),
    });
    return answer.ok ? await answer.blob() : undefined;
  } catch {
    return undefined;
  }
}

/** The room's mask as bytes; undefined where the server cannot be reached or tells none. */
export async function maskOf(room: string): Promise<MaskBytes | undefined> {
  const blob = await pictureOf(room, "mask");
  if (!blob) return undefined;
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const { context } = surface(width, height, true);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const bytes = new Uint8Array(width * height);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = data[at * 4] ?? 0;
  return { width, height, bytes };
}

/** The invite in this page's address. */
export function tokenOfPage(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  return token ? token : undefined;
}

/** The headers that show an invite, where there is one, and who was let in by it. */
export function authorization(token: string | undefined): Record<string, string> {
  if (token === undefined) return {};
  const client = recall<string>("client", () => sessionStorage) ?? recall<string>("client");
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

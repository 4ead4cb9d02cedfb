import { Server, type PictureLayer } from "../../client/src";
import { surface } from "../stage/picture";
import type { MaskBytes } from "./mask.svelte";
import { recall } from "./storage";

/** This page's server, as the bearer of a token. Calls are beside the page: a proxy may serve both under a path. */
export function serverFor(token: string | undefined): Server {
  const client = recall<string>("client", () => sessionStorage) ?? recall<string>("client");
  return new Server("", { token, client });
}

/** A picture of the room; undefined where the server has none or cannot be reached. */
export async function pictureOf(room: string, layer: PictureLayer): Promise<Blob | undefined> {
  try {
    return await serverFor(tokenOfPage()).picture(room, layer);
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

/** What is painted on a layer; undefined where the server cannot be reached or has no such layer. */
export async function layerOf(room: string, layer: number): Promise<Blob | undefined> {
  try {
    return await serverFor(tokenOfPage()).layer(room, layer);
  } catch {
    return undefined;
  }
}

/** A small picture of a layer; undefined where the server cannot be reached or has no such layer. */
export async function layerThumbnailOf(room: string, layer: number): Promise<Blob | undefined> {
  try {
    return await serverFor(tokenOfPage()).layerThumbnail(room, layer);
  } catch {
    return undefined;
  }
}

/** The invite in this page's address. */
export function tokenOfPage(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  return token ? token : undefined;
}

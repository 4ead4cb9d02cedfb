import type { CanvasSize } from "../../client/src";
import { newRoomName, roomAddress } from "../wire/identity";
import { serverFor } from "./pictures";

/** The sides that the server makes, in pixels. */
export const SIDES = { least: 64, most: 4096, step: 64 } as const;

/** Sizes that are offered by name. */
export const SIZES: readonly (CanvasSize & { name: string })[] = [
  { name: "Small square", width: 512, height: 512 },
  { name: "Square", width: 768, height: 768 },
  { name: "Large square", width: 1024, height: 1024 },
  { name: "Landscape", width: 1536, height: 1024 },
  { name: "Portrait", width: 1024, height: 1536 },
  { name: "Huge square", width: 2048, height: 2048 },
];

/** A side as the server makes it: a multiple of 64 within its limits; undefined where it is no number. */
export function sideOf(typed: string): number | undefined {
  const side = Number(typed);
  if (typed.trim() === "" || !Number.isFinite(side) || side < SIDES.least || side > SIDES.most) return undefined;
  return Math.ceil(side / SIDES.step) * SIDES.step;
}

/** Makes a room with a canvas of this size as the bearer of a token, and answers the address of its page. */
export async function makeCanvas(
  page: URL,
  size: CanvasSize,
  token: string | undefined,
  random: () => number,
): Promise<string> {
  const { width, height } = size;
  const { room, invites } = await serverFor(token).makeRoom({ name: newRoomName(random), width, height });
  return roomAddress(page, room, invites.owner);
}

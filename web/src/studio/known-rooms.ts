import type { Role } from "../../client/src";
import { recall, remember } from "./storage";

/** A room that this browser has been in, and what opens it. */
export interface KnownRoom {
  room: string;
  /** The invite of its address; none where the server asks for none. */
  token?: string | undefined;
  role: Role;
  /** What it was called when it was last asked for. */
  title?: string | undefined;
  /** When it was last opened here, in milliseconds since 1970. */
  opened: number;
}

/** The most rooms that are remembered; those opened longest ago go first. */
export const MOST_KNOWN = 200;

const RANK: Record<Role, number> = { viewer: 0, editor: 1, owner: 2 };

/** The list with a room that has just been opened: in front, and with the invite that gives more. */
export function withOpened(known: readonly KnownRoom[], opened: KnownRoom): KnownRoom[] {
  const before = known.find(({ room }) => room === opened.room);
  const keepsInvite = before !== undefined && (opened.token === undefined || RANK[before.role] > RANK[opened.role]);
  const { token, role } = keepsInvite ? before : opened;
  const title = opened.title ?? before?.title;
  const others = known.filter(({ room }) => room !== opened.room);
  return [{ ...opened, token, role, title }, ...others].slice(0, MOST_KNOWN);
}

/** The list without a room. */
export function without(known: readonly KnownRoom[], room: string): KnownRoom[] {
  return known.filter((one) => one.room !== room);
}

/** The list with what a room is called now. */
export function withTitle(known: readonly KnownRoom[], room: string, title: string | undefined): KnownRoom[] {
  return known.map((one) => (one.room === room ? { ...one, title } : one));
}

/** The rooms that this browser has been in, the last one first. */
export function knownRooms(): KnownRoom[] {
  const kept: unknown = recall("rooms");
  return Array.isArray(kept) ? kept.filter(isKnownRoom) : [];
}

/** Changes what is remembered; another window may have changed it meanwhile. */
export function changeKnown(change: (known: readonly KnownRoom[]) => KnownRoom[]): void {
  remember("rooms", change(knownRooms()));
}

function isKnownRoom(value: unknown): value is KnownRoom {
  if (typeof value !== "object" || value === null) return false;
  const { room, token, role, title, opened } = value as Record<string, unknown>;
  const isText = (text: unknown): boolean => text === undefined || typeof text === "string";
  return typeof room === "string" && room !== "" && isText(token) && isText(title) && typeof role === "string" && role in RANK && typeof opened === "number";
}

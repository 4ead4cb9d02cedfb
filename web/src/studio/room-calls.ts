import type { CanvasSize, Role } from "../protocol";
import { callPath, roomPath } from "../wire/identity";
import { authorization, reasonOf } from "./pictures";

/** What the server tells of a room. */
export interface RoomFacts {
  room: string;
  /** The title that it was given, otherwise its prompt. */
  title?: string;
  canvas: CanvasSize;
  /** When its picture last changed, in seconds since 1970; unknown where nothing keeps it. */
  changed_at?: number;
  members: number;
  /** It outlives the server. */
  kept: boolean;
  role: Role;
  /** The token makes rooms, too. */
  makes_rooms: boolean;
  /** The server asks for tokens; where it does not, whoever shows none may do everything. */
  auth: boolean;
}

/** A new room, and what opens it. */
export interface RoomMade {
  room: string;
  invites: { owner: string };
}

/** Why a call came to nothing. */
export class CallRefused extends Error {
  /** The HTTP status; 0 where the server was not reached. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Asks the server something as the bearer of a token. */
async function call(path: string, token: string | undefined, method = "GET", body?: object): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...authorization(token), ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new CallRefused(0, "The server cannot be reached; try again when the connection is back.");
  }
  if (!answer.ok) throw new CallRefused(answer.status, await reasonOf(answer));
  return answer;
}

/** What there is to know of a room. */
export async function roomFacts(room: string, token: string | undefined): Promise<RoomFacts> {
  return (await (await call(roomPath(room), token)).json()) as RoomFacts;
}

/** Every room of the server, the one that changed last first; the operator's to see. */
export async function allRooms(token: string | undefined): Promise<string[]> {
  const { rooms } = (await (await call("v1/rooms", token)).json()) as { rooms: { room: string }[] };
  return rooms.map(({ room }) => room);
}

/** Gives a room another title; an empty one takes it away. */
export async function renameRoom(room: string, token: string | undefined, title: string): Promise<RoomFacts> {
  return (await (await call(roomPath(room), token, "PATCH", { title })).json()) as RoomFacts;
}

/** Makes a copy of a room. */
export async function duplicateRoom(room: string, token: string | undefined): Promise<RoomMade> {
  return (await (await call(callPath(room, "duplicate"), token, "POST", {})).json()) as RoomMade;
}

/** Deletes a room for good. */
export async function deleteRoom(room: string, token: string | undefined): Promise<void> {
  await call(roomPath(room), token, "DELETE");
}

/** A small picture of a room. */
export async function roomThumbnail(room: string, token: string | undefined): Promise<Blob> {
  return (await call(callPath(room, "thumbnail"), token)).blob();
}

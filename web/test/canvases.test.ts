import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Canvases } from "../src/studio/canvases.svelte";
import { knownRooms, type KnownRoom } from "../src/studio/known-rooms";

const known: KnownRoom[] = [
  { room: "sea", token: "owners", role: "owner", opened: 3 },
  { room: "old", role: "owner", title: "Long ago", opened: 2 },
  { room: "shut", token: "over", role: "viewer", opened: 1 },
];

interface Asked {
  path: string;
  method: string;
  token: string | undefined;
}
let asked: Asked[];

/** A server whose answers are by method and path. */
function serve(answers: Record<string, [number, unknown]>): void {
  asked = [];
  vi.stubGlobal("fetch", async (path: string, { method = "GET", headers }: { method?: string; headers: Record<string, string> }) => {
    asked.push({ path, method, token: headers["authorization"]?.slice("Bearer ".length) });
    const [status, body] = answers[`${method} ${path}`] ?? [404, { error: { message: "There is no such room." } }];
    return new Response(status === 204 ? null : JSON.stringify(body), { status });
  });
}

const facts = (room: string, more: object = {}) => ({
  room, title: `About ${room}`, canvas: { width: 512, height: 512 }, changed_at: 5, members: 0, kept: true, role: "owner", makes_rooms: false, auth: true, ...more,
});

beforeEach(() => {
  const kept = new Map([["impasto.rooms", JSON.stringify(known)]]);
  const storage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => kept.set(name, text),
  };
  vi.stubGlobal("localStorage", storage);
  vi.stubGlobal("sessionStorage", { getItem: () => null, setItem: () => undefined });
});
afterEach(() => vi.unstubAllGlobals());

test("each room is asked for with its own invite, and says what became of it", async () => {
  serve({
    "GET v1/rooms/sea": [200, facts("sea")],
    "GET v1/rooms/shut": [401, { error: { message: "This invite has expired." } }],
  });
  const canvases = new Canvases(undefined);
  await canvases.refresh();
  expect(canvases.cards.map(({ room, state, title }) => [room, state, title])).toEqual([
    ["sea", "here", "About sea"],
    ["old", "gone", "Long ago"],
    ["shut", "closed", undefined],
  ]);
  expect(canvases.cards[2]?.reason).toBe("This invite has expired.");
  expect(asked.map(({ path, token }) => [path, token])).toEqual([
    ["v1/rooms/sea", "owners"],
    ["v1/rooms/old", undefined],
    ["v1/rooms/shut", "over"],
  ]);
  expect(canvases.maker).toBe(false);
  expect(knownRooms()[0]?.title).toBe("About sea");
});

test("whoever makes rooms sees the others of the server too", async () => {
  serve({
    "GET v1/rooms/sea": [200, facts("sea", { makes_rooms: true })],
    "GET v1/rooms": [200, { rooms: [{ room: "sea" }, { room: "strange" }] }],
    "GET v1/rooms/strange": [200, facts("strange")],
  });
  const canvases = new Canvases(undefined);
  await canvases.refresh();
  expect(canvases.maker).toEqual({ token: "owners" });
  expect(canvases.cards.map(({ room }) => room)).toEqual(["sea", "old", "shut", "strange"]);
  expect(canvases.cards[3]).toMatchObject({ token: "owners", state: "here" });
  expect(knownRooms().length).toBe(3);
});

test("where no token is asked for, an invite of one room is not shown for the others", async () => {
  serve({
    "GET v1/rooms/sea": [200, facts("sea", { makes_rooms: true, auth: false })],
    "GET v1/rooms": [200, { rooms: [{ room: "sea" }, { room: "strange" }] }],
    "GET v1/rooms/strange": [200, facts("strange", { auth: false })],
  });
  const canvases = new Canvases("owners");
  await canvases.refresh();
  expect(canvases.maker).toEqual({ token: undefined });
  expect(asked.find(({ path }) => path === "v1/rooms/strange")?.token).toBeUndefined();
  expect(canvases.cards[3]).toMatchObject({ token: undefined, state: "here" });
});

test("a copy is beside what it was made of", async () => {
  serve({
    "POST v1/rooms/old/duplicate": [201, { room: "copy", invites: { owner: "new" } }],
    "GET v1/rooms/copy": [200, facts("copy")],
  });
  const canvases = new Canvases(undefined);
  const old = canvases.cards[1];
  if (!old) throw new Error("no card");
  const copy = await canvases.duplicate(old);
  expect(copy).toMatchObject({ room: "copy", token: "new", state: "here" });
  expect(canvases.cards.map(({ room }) => room)).toEqual(["sea", "copy", "old", "shut"]);
  expect(knownRooms()[0]).toMatchObject({ room: "copy", token: "new", role: "owner" });
});

test("what the server does not delete stays on the list", async () => {
  serve({ "DELETE v1/rooms/sea": [204, undefined], "DELETE v1/rooms/old": [403, { error: { message: "Ask the owner." } }] });
  const canvases = new Canvases(undefined);
  const [sea, old] = canvases.cards;
  if (!sea || !old) throw new Error("no cards");
  await canvases.delete(sea);
  await expect(canvases.delete(old)).rejects.toThrow("Ask the owner.");
  expect(canvases.cards.map(({ room }) => room)).toEqual(["old", "shut"]);
  expect(knownRooms().map(({ room }) => room)).toEqual(["old", "shut"]);
});

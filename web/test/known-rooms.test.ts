import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { changeKnown, knownRooms, MOST_KNOWN, withOpened, without, withTitle, type KnownRoom } from "../src/studio/known-rooms";

const room = (name: string, more: Partial<KnownRoom> = {}): KnownRoom => ({ room: name, role: "owner", opened: 1, ...more });

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => kept.set(name, text),
  });
});
afterEach(() => vi.unstubAllGlobals());

test("a room that is opened again comes to the front, once", () => {
  const known = [room("a"), room("b"), room("c")];
  const next = withOpened(known, room("b", { opened: 9 }));
  expect(next.map((one) => one.room)).toEqual(["b", "a", "c"]);
  expect(next[0]?.opened).toBe(9);
});

test("the invite that gives more is kept, and so is the title", () => {
  const mine = room("a", { token: "owners", title: "Sea" });
  expect(withOpened([mine], room("a", { token: "viewers", role: "viewer", opened: 2 }))).toEqual([{ ...mine, opened: 2 }]);
  expect(withOpened([mine], room("a", { opened: 2 }))[0]?.token).toBe("owners");
  const watched = room("a", { token: "viewers", role: "viewer" });
  expect(withOpened([watched], room("a", { token: "editors", role: "editor" }))[0]).toMatchObject({ token: "editors", role: "editor" });
});

test("what was opened longest ago is forgotten first", () => {
  let known: KnownRoom[] = [];
  for (let at = 0; at <= MOST_KNOWN; at += 1) known = withOpened(known, room(`room-${at}`));
  expect(known.length).toBe(MOST_KNOWN);
  expect(known.at(-1)?.room).toBe("room-1");
});

test("rooms are renamed and taken off the list", () => {
  const known = [room("a"), room("b")];
  expect(withTitle(known, "b", "Sea")[1]?.title).toBe("Sea");
  expect(without(known, "a")).toEqual([room("b")]);
});

test("what is kept comes back, and what is not a room is passed over", () => {
  expect(knownRooms()).toEqual([]);
  changeKnown((known) => withOpened(known, room("a", { token: "t" })));
  expect(knownRooms()).toEqual([room("a", { token: "t" })]);
  localStorage.setItem("impasto.rooms", JSON.stringify([room("a"), null, 7, { room: "b" }, { ...room("c"), role: "king" }]));
  expect(knownRooms()).toEqual([room("a")]);
  localStorage.setItem("impasto.rooms", "{");
  expect(knownRooms()).toEqual([]);
});

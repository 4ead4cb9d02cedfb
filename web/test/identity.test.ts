import { expect, test } from "vitest";
import { newId, socketAddress } from "../client/src";
import { initials, newMemberName, newRoomName, placeFromAddress } from "../src/wire/identity";
import { seeded } from "./fakes";

test("a room and a token are read from the address", () => {
  expect(placeFromAddress(new URL("http://host/?room=my%20room#token=abc"))).toEqual({ room: "my room", token: "abc" });
  expect(placeFromAddress(new URL("http://host/?room=#token="))).toEqual({ room: undefined, token: undefined });
});

test("the socket lives beside the page", () => {
  expect(socketAddress(new URL("http://host:7860/?room=x"), "a b/c")).toBe("ws://host:7860/v1/rooms/a%20b%2Fc/ws");
  expect(socketAddress(new URL("https://paint.example/"), "x")).toBe("wss://paint.example/v1/rooms/x/ws");
  expect(socketAddress(new URL("https://paint.example/impasto/?room=x#token=t"), "x")).toBe("wss://paint.example/impasto/v1/rooms/x/ws");
  expect(socketAddress(new URL("http://host/impasto/index.html"), "x")).toBe("ws://host/impasto/v1/rooms/x/ws");
});

test("new names are readable, ids are uuids", () => {
  const random = seeded(1);
  expect(newRoomName(random)).toMatch(/^[a-z]+-[a-z]+-\d{3}$/);
  expect(newMemberName(random)).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/);
  expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test.each([["Ada Lovelace", "AL"], ["ada", "AD"], ["", "?"], ["王 小明", "王小"], ["  x  ", "X"]])("initials of %o", (name, letters) => {
  expect(initials(name)).toBe(letters);
});

import { beforeEach, expect, test } from "vitest";
import {
  type ClientMessage,
  Connection,
  type OpMessage,
  type Phase,
  type ServerMessage,
  type SocketLike,
} from "../client/src";
import { FakeClock } from "./fakes";

class FakeSocket implements SocketLike {
  binaryType = "blob";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  sent: ClientMessage[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientMessage);
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.(undefined as never);
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  drop(): void {
    this.onclose?.({ code: 1006, reason: "" });
  }
}

const ME = "11111111-1111-4111-8111-111111111111";
let clock: FakeClock;
let sockets: FakeSocket[];
let phases: Phase[];
let refusals: [OpMessage, string][];
let accepted: [OpMessage, number][];
let messages: ServerMessage[];
let connection: Connection;

function socket(): FakeSocket {
  const last = sockets.at(-1);
  if (!last) throw new Error("no socket yet");
  return last;
}

function welcome(seq: number): object {
  return { type: "welcome", protocol: 1, room: "r", client: ME, role: "owner", seq };
}

function kinds(from: FakeSocket): string[] {
  return from.sent.map(({ type }) => type);
}

beforeEach(() => {
  clock = new FakeClock();
  [sockets, phases, accepted, refusals, messages] = [[], [], [], [], []];
  connection = new Connection({
    url: "ws://host/v1/rooms/r/ws",
    identity: () => ({ client: ME, name: "Ada", token: "t" }),
    open: (_url, subprotocol) => {
      expect(subprotocol).toBe("impasto.v1");
      const made = new FakeSocket();
      sockets.push(made);
      return made;
    },
    clock,
    random: () => 1,
    handlers: {
      phase: (phase) => phases.push(phase),
      message: (message) => messages.push(message),
      frame: () => {},
      accepted: (message, seq) => accepted.push([message, seq]),
      refused: (message, error) => refusals.push([message, error.code]),
      pending: () => {},
    },
  });
  connection.connect();
});

test("says hello first, and speaks only after the welcome", () => {
  connection.send({ type: "apply" });
  connection.send({ type: "presence", x: 1, y: 2 });
  expect(socket().sent).toEqual([]);
  socket().open();
  expect(socket().sent).toEqual([{ type: "hello", protocol: 1, client: ME, name: "Ada", token: "t" }]);
  socket().say(welcome(0));
  expect(connection.phase.name).toBe("open");
  expect(kinds(socket())).toEqual(["hello", "apply"]);
});

test("an op is kept until it is acknowledged, once, by ack or by its own op", () => {
  socket().open();
  socket().say(welcome(0));
  connection.send({ type: "undo" });
  connection.send({ type: "undo" });
  socket().say({ type: "ack", seq: 1 });
  socket().say({ type: "op", seq: 1, client: ME, op: { type: "undo", target: 1 } });
  expect(connection.outbox.entries).toHaveLength(1);
  socket().say({ type: "op", seq: 2, client: ME, op: { type: "undo", target: 1 } });
  socket().say({ type: "ack", seq: 2 });
  expect(connection.outbox.entries).toHaveLength(0);
  expect(accepted.map(([, seq]) => seq)).toEqual([1, 2]);
});

test("comes back with growing pauses, and sends again what was not acknowledged, with the same ids", () => {
  socket().open();
  socket().say(welcome(4));
  connection.send({ type: "stroke", id: "s", points: [[1, 1, 1]], done: false, tool: "brush", size: 9, hardness: 1, opacity: 1, color: "#000000" });
  connection.send({ type: "stroke", id: "s", points: [[2, 2, 1]], done: true });
  socket().say({ type: "ack", id: "s", seq: 5 });
  socket().drop();
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const phase = connection.phase;
    if (phase.name !== "waiting") throw new Error(phase.name);
    pauses.push(phase.until - clock.now());
    clock.pass(phase.until - clock.now());
    expect(sockets).toHaveLength(attempt + 2);
    if (attempt < 3) socket().drop();
  }
  expect(pauses).toEqual([250, 500, 1000, 2000]);
  socket().open();
  socket().say(welcome(5));
  clock.pass(600);
  const again = socket().sent.filter(({ type }) => type === "stroke");
  expect(again).toEqual([{ type: "stroke", id: "s", points: [[2, 2, 1]], done: true }]);
});

test("what the server replays as ours is not sent again", () => {
  socket().open();
  socket().say(welcome(4));
  connection.send({ type: "stroke", id: "s", points: [[1, 1, 1]], done: true, tool: "mask", size: 9, hardness: 1, opacity: 1, color: "#000000" });
  connection.send({ type: "settings", steps: 3 });
  socket().drop();
  clock.pass(300);
  socket().open();
  expect(socket().sent[0]).toMatchObject({ type: "hello", last_seq: 4 });
  socket().say(welcome(6));
  expect(kinds(socket())).toEqual(["hello"]);
  socket().say({ type: "op", seq: 5, client: ME, op: { type: "stroke", id: "s", points: [[1, 1, 1]], done: true } });
  socket().say({ type: "op", seq: 6, client: "other", op: { type: "apply" } });
  expect(kinds(socket())).toEqual(["hello", "settings"]);
  expect(connection.outbox.entries).toHaveLength(1);
});

test("a server that replays nothing does not hold the hand up", () => {
  socket().open();
  socket().say(welcome(4));
  connection.send({ type: "apply" });
  socket().drop();
  clock.pass(300);
  socket().open();
  socket().say(welcome(9));
  expect(kinds(socket())).toEqual(["hello"]);
  clock.pass(600);
  expect(kinds(socket())).toEqual(["hello", "apply"]);
});

test("goaway is honoured: the next try waits at least as long", () => {
  socket().open();
  socket().say(welcome(0));
  socket().say({ type: "goaway", reason: "restart", retry_after_ms: 3000 });
  socket().drop();
  clock.pass(3200);
  expect(sockets).toHaveLength(1);
  clock.pass(100);
  expect(sockets).toHaveLength(2);
});

test("nobody comes back to a room that was deleted", () => {
  socket().open();
  socket().say(welcome(0));
  socket().say({ type: "error", code: "room_deleted", message: "The room was deleted." });
  expect(connection.phase).toEqual({ name: "refused", code: "room_deleted", message: "The room was deleted." });
  clock.pass(60_000);
  expect(sockets).toHaveLength(1);
});

test("whoever was removed does not come back by itself, and may ask", () => {
  socket().open();
  socket().say(welcome(0));
  socket().say({ type: "error", code: "removed", message: "An owner removed you." });
  expect(connection.phase).toEqual({ name: "refused", code: "removed", message: "An owner removed you." });
  clock.pass(60_000);
  expect(sockets).toHaveLength(1);
  connection.connect();
  expect(sockets).toHaveLength(2);
});

test("what a locked room refuses comes back, and what waits behind it stays", () => {
  socket().open();
  socket().say(welcome(0));
  connection.send({ type: "undo" });
  connection.send({ type: "apply" });
  socket().say({ type: "error", code: "room_locked", message: "The room is locked." });
  expect(refusals).toEqual([[{ type: "undo" }, "room_locked"]]);
  expect(connection.outbox.entries).toEqual([{ type: "apply" }]);
});

test("a refused hello is not tried again by itself", () => {
  socket().open();
  socket().say({ type: "error", code: "invalid_token", message: "Ask for a new link." });
  expect(connection.phase).toEqual({ name: "refused", code: "invalid_token", message: "Ask for a new link." });
  clock.pass(60_000);
  expect(sockets).toHaveLength(1);
  connection.connect();
  expect(sockets).toHaveLength(2);
});

test("a refusal comes back with what was refused, once", () => {
  socket().open();
  socket().say(welcome(9));
  connection.send({ type: "revert", seq: 2 });
  socket().say({ type: "error", code: "nothing_to_undo", message: "It is as it was." });
  socket().say({ type: "error", code: "rate_limited", message: "Slower." });
  expect(refusals).toEqual([[{ type: "revert", seq: 2 }, "nothing_to_undo"]]);
  expect(connection.outbox.entries).toHaveLength(0);
  expect(messages.map((message) => "code" in message && message.code)).toEqual([false, "rate_limited"]);
});

test("a device without a place takes nothing back: it is told, and the connection goes on", () => {
  socket().open();
  socket().say(welcome(0));
  connection.send({ type: "settings", prompt: "a boat" });
  socket().say({ type: "error", code: "busy", message: "The device has too much to do now.", retry_after_ms: 1000 });
  expect(refusals).toEqual([]);
  expect(messages.at(-1)).toMatchObject({ type: "error", code: "busy" });
  expect(connection.phase).toEqual({ name: "open" });
  socket().say({ type: "ack", seq: 1 });
  expect(accepted).toHaveLength(1);
});

test("a server that knows no revert is not asked again", () => {
  socket().open();
  socket().say(welcome(9));
  connection.send({ type: "revert", seq: 2 });
  socket().say({ type: "error", code: "unknown_type", message: "No such message." });
  expect(connection.outbox.entries).toHaveLength(0);
});

test("a full room is tried again", () => {
  socket().open();
  socket().say({ type: "error", code: "room_full", message: "Try later.", retry_after_ms: 1000 });
  socket().drop();
  clock.pass(1300);
  expect(sockets).toHaveLength(2);
});

test("a silent socket is given up", () => {
  socket().open();
  socket().say(welcome(0));
  clock.pass(10_000);
  expect(kinds(socket())).toEqual(["hello", "ping"]);
  socket().say({ type: "pong", t: 1 });
  clock.pass(40_000);
  expect(sockets.length).toBeGreaterThan(1);
});

test("a room that began anew counts from the beginning", () => {
  socket().open();
  socket().say(welcome(40));
  connection.send({ type: "apply" });
  socket().say({ type: "ack", seq: 41 });
  socket().drop();
  clock.pass(300);
  socket().open();
  socket().say(welcome(0));
  connection.send({ type: "apply" });
  socket().say({ type: "ack", seq: 1 });
  expect(connection.outbox.entries).toHaveLength(0);
});

test("rubbish does no harm", () => {
  socket().open();
  for (const data of ["{", "null", "7", '"x"', "{}", new Blob([])]) socket().onmessage?.({ data });
  socket().say(welcome(0));
  expect(connection.phase.name).toBe("open");
  expect(messages.map(({ type }) => type)).toEqual(["welcome"]);
});

test("comes in again under another name, with what was not acknowledged", () => {
  connection.connect();
  socket().open();
  socket().say(welcome(4));
  connection.send({ type: "undo" });
  const first = socket();
  connection.comeAgain();
  expect(first.closed).toBe(true);
  expect(sockets).toHaveLength(2);
  first.drop();
  first.say(welcome(9));
  expect(connection.phase.name).toBe("connecting");
  socket().open();
  expect(socket().sent[0]).toMatchObject({ type: "hello", client: ME, last_seq: 4 });
  socket().say(welcome(4));
  expect(kinds(socket())).toEqual(["hello", "undo"]);
});

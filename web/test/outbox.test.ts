import { expect, test } from "vitest";
import { type ClientMessage, Connection, type OpMessage, Outbox, type OutboxStore, type Phase, type SocketLike } from "../client/src";
import { FakeClock } from "./fakes";

const ME = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";

/** What outlives a page. */
class Disk implements OutboxStore {
  readonly kept = new Map<number, OpMessage>();
  settled = 0;

  async load(): Promise<{ messages: { number: number; message: OpMessage }[]; settled: number }> {
    const messages = [...this.kept].sort(([a], [b]) => a - b).map(([number, message]) => ({ number, message }));
    return { messages, settled: this.settled };
  }

  put(number: number, message: OpMessage): void {
    this.kept.set(number, structuredClone(message));
  }

  drop(numbers: readonly number[], settled: number): void {
    for (const number of numbers) this.kept.delete(number);
    this.settled = settled;
  }
}

class Socket implements SocketLike {
  binaryType = "blob";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: ClientMessage[] = [];

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientMessage);
  }

  close(): void {}

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  get ops(): ClientMessage[] {
    return this.sent.filter(({ type }) => type !== "hello");
  }
}

interface Page {
  connection: Connection;
  socket: () => Socket;
  clock: FakeClock;
  lost: OpMessage[];
  refused: OpMessage[];
  pending: () => number;
}

/** A page that has the room open; a second one on the same disk is the page after a reload. */
async function page(disk: Disk): Promise<Page> {
  const sockets: Socket[] = [];
  const clock = new FakeClock();
  const [lost, refused]: [OpMessage[], OpMessage[]] = [[], []];
  let pending = 0;
  const connection = new Connection({
    url: "ws://host/v1/rooms/r/ws",
    identity: () => ({ client: "secret", name: "Ada" }),
    open: () => {
      const socket = new Socket();
      sockets.push(socket);
      return socket;
    },
    clock,
    random: () => 1,
    store: disk,
    handlers: {
      phase: (_phase: Phase) => {},
      message: () => {},
      frame: () => {},
      accepted: () => {},
      refused: (message) => refused.push(message),
      lost: (messages) => lost.push(...messages),
      pending: (count) => (pending = count),
    },
  });
  await connection.restore();
  connection.connect();
  const socket = (): Socket => {
    const last = sockets.at(-1);
    if (!last) throw new Error("no socket");
    return last;
  };
  socket().onopen?.(undefined as never);
  return { connection, socket, clock, lost, refused, pending: () => pending };
}

const welcome = (seq: number): object => ({ type: "welcome", protocol: 1, room: "r", client: ME, role: "owner", seq });
const stroke = (id: string, done = true): OpMessage => ({
  type: "stroke", id, tool: "brush", size: 9, hardness: 1, opacity: 1, color: "#000000", points: [[1, 1, 1]], done,
});

test("what was not acknowledged is sent by the page after this one, in order and with the same ids", async () => {
  const disk = new Disk();
  const before = await page(disk);
  before.socket().say(welcome(7));
  for (const id of ["a", "b", "c"]) before.connection.send(stroke(id));
  before.connection.send({ type: "undo" });
  before.socket().say({ type: "ack", id: "a", seq: 8 });
  expect(disk.kept.size).toBe(3);

  const after = await page(disk);
  expect(after.pending()).toBe(3);
  expect(after.socket().sent).toEqual([{ type: "hello", protocol: 1, client: "secret", name: "Ada", last_seq: 8 }]);
  after.socket().say(welcome(8));
  expect(after.socket().ops).toEqual([stroke("b"), stroke("c"), { type: "undo" }]);
  after.socket().say({ type: "ack", id: "b", seq: 9 });
  after.socket().say({ type: "ack", id: "c", seq: 10 });
  after.socket().say({ type: "ack", seq: 11 });
  expect([after.pending(), disk.kept.size, disk.settled]).toEqual([0, 0, 11]);
});

test("what the server had taken before the page went is not sent again", async () => {
  const disk = new Disk();
  const before = await page(disk);
  before.socket().say(welcome(3));
  before.connection.send(stroke("a"));
  before.connection.send({ type: "undo" });
  before.connection.send(stroke("b"));

  // Taken as 4 and 5; the page went before it heard of it, and somebody else's op came after them.
  const after = await page(disk);
  after.socket().say(welcome(6));
  expect(after.socket().ops).toEqual([]);
  after.socket().say({ type: "op", seq: 4, client: ME, op: { ...stroke("a"), type: "stroke" } });
  after.socket().say({ type: "op", seq: 5, client: ME, op: { type: "undo", target: 4 } });
  after.socket().say({ type: "op", seq: 6, client: OTHER, op: { type: "undo", target: 2 } });
  expect(after.socket().ops).toEqual([stroke("b")]);
  expect(disk.kept.size).toBe(1);
});

test("an op that was acknowledged long ago is not taken for one that waits", async () => {
  const disk = new Disk();
  const before = await page(disk);
  before.socket().say(welcome(0));
  before.connection.send({ type: "undo" });
  before.socket().say({ type: "ack", seq: 1 });
  before.connection.send({ type: "undo" });

  const after = await page(disk);
  after.socket().say(welcome(1));
  after.socket().say({ type: "op", seq: 1, client: ME, op: { type: "undo", target: 1 } });
  expect(after.socket().ops).toEqual([{ type: "undo" }]);
  expect(after.pending()).toBe(1);
});

test("a stroke whose hand was down when the page went is ended, once", async () => {
  const disk = new Disk();
  const before = await page(disk);
  before.socket().say(welcome(0));
  before.connection.send(stroke("a", false));
  const end = { type: "stroke", id: "a", points: [], done: true };
  const after = await page(disk);
  const last = await page(disk);
  after.socket().say(welcome(0));
  last.socket().say(welcome(0));
  expect(last.socket().ops).toEqual([stroke("a", false), end]);
  expect(disk.kept.size).toBe(2);
});

test("where the server cannot tell what it took, strokes are sent and nothing is done twice", async () => {
  for (const seq of [300, 0]) {
    const disk = new Disk();
    const before = await page(disk);
    before.socket().say(welcome(3));
    before.connection.send(stroke("a"));
    before.connection.send({ type: "undo" });
    const after = await page(disk);
    after.socket().say(welcome(seq));
    after.clock.pass(600);
    expect(after.socket().ops).toEqual([stroke("a")]);
    expect(after.lost).toEqual([{ type: "undo" }]);
    expect(after.pending()).toBe(1);
  }
});

test("what is refused is dropped and told, and so is all of it where the room is closed to us", async () => {
  const disk = new Disk();
  const before = await page(disk);
  before.socket().say(welcome(0));
  for (const id of ["a", "b"]) before.connection.send(stroke(id));
  const after = await page(disk);
  after.socket().say(welcome(0));
  after.socket().say({ type: "error", code: "room_locked", message: "Locked.", id: "a" });
  expect(after.refused).toEqual([stroke("a")]);
  expect(disk.kept.size).toBe(1);

  const last = await page(disk);
  last.socket().say({ type: "error", code: "removed", message: "You were removed." });
  expect(last.lost).toEqual([stroke("b")]);
  expect([last.pending(), disk.kept.size]).toEqual([0, 0]);
});

test("without a store an outbox works as before, and restores nothing", async () => {
  const outbox = new Outbox();
  await outbox.restore();
  outbox.add(stroke("a"));
  expect(outbox.acknowledge(1, "a")).toEqual(stroke("a"));
  expect(outbox.entries).toEqual([]);
});

test("a picture whose layer is locked, gone or full is no longer waited for, and a placed one is", () => {
  for (const code of ["layer_locked", "unknown_layer", "too_large"] as const) {
    const outbox = new Outbox();
    const base: OpMessage = { type: "place", image: "a", mode: "plain" };
    const laid: OpMessage = { ...base, layer: 4 };
    outbox.add(base);
    outbox.add(laid);
    expect(outbox.refuse({ code, message: "" })).toBe(laid);
    expect(outbox.entries).toEqual([base]);
  }
});

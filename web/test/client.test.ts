import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
// @ts-expect-error The package has no types.
import { WebSocket } from "ws";
import { CallRefused, Refused, Room, Server, type SocketLike } from "../client/src";
// @ts-expect-error It is plain JavaScript.
import { startMock } from "../e2e/mock-server.mjs";

interface Mock {
  url: string;
  cut(): void;
  stop(): void;
}

let mock: Mock;
let opened: string[];
let rooms: Room[];

function open(url: string, protocol: string): SocketLike {
  opened.push(url);
  return new WebSocket(url, protocol) as SocketLike;
}

async function joined(room: string, more: object = {}): Promise<Room> {
  const member = await Room.join({ server: `${mock.url}/`, room, open, ...more });
  rooms.push(member);
  return member;
}

beforeEach(async () => {
  mock = (await startMock({ width: 256, height: 256, delay: 20 })) as Mock;
  [opened, rooms] = [[], []];
});
afterEach(() => {
  for (const room of rooms) room.leave();
  mock.stop();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a stroke is painted, acknowledged and rendered", async () => {
  const room = await joined("a room");
  expect(opened).toEqual([`${mock.url.replace("http", "ws")}/v1/rooms/a%20room/ws`]);
  expect(room.welcome.canvas).toEqual({ width: 256, height: 256 });
  const op = room.next("op", ({ op }) => op.type === "stroke");
  const rendered = room.next("frame", ({ header }) => header.layer === "result" && header.step > 0);
  const seq = await room.paint([[60, 60, 1], [90, 70, 1]], { color: "#ff0000" });
  expect(await op).toMatchObject({ seq, client: room.welcome.client, op: { tool: "brush", color: "#ff0000", size: 24, done: true } });
  const { header, image } = await rendered;
  expect(header.rev).toBeGreaterThanOrEqual(seq);
  expect(new TextDecoder("latin1").decode(image.subarray(1, 4))).toBe("PNG");
  expect(room.seq).toBe(seq);
});

test("a long stroke goes in parts, and is one stroke", async () => {
  const room = await joined("long");
  const parts: boolean[] = [];
  room.on("op", ({ op }) => op.type === "stroke" && parts.push(op.done));
  await room.paint(Array.from({ length: 2500 }, (_, at): [number, number, number] => [at / 10, 60, 1]));
  await vi.waitFor(() => expect(parts).toEqual([false, false, true]));
});

test("after a lost connection it comes back, hears what it missed, and sends what was not acknowledged", async () => {
  const [ada, bob] = [await joined("shared", { name: "Ada" }), await joined("shared", { name: "Bob" })];
  await ada.paint([[20, 20, 1]]);
  const back = [ada, bob].map((room) => room.next("welcome"));
  mock.cut();
  // Said while nobody listens.
  await ada.next("phase", ({ name }) => name === "waiting");
  const heard: string[] = [];
  bob.on("op", ({ op }) => heard.push(op.type));
  const waiting = ada.settings({ prompt: "sea" });
  await Promise.all(back);
  const seq = await waiting;
  await vi.waitFor(() => expect(heard).toEqual(["settings"]));
  expect(bob.seq).toBe(seq);
  expect(opened).toHaveLength(4);
});

test("a refusal rejects what it is about, and leaving rejects what waits", async () => {
  const room = await joined("refusals");
  await expect(room.undo()).rejects.toMatchObject({ name: "Refused", code: "nothing_to_undo" });
  mock.cut();
  await room.next("phase", ({ name }) => name === "waiting");
  const waiting = room.apply();
  room.leave();
  await expect(waiting).rejects.toThrow("left");
});

test("whoever is not let in is told why", async () => {
  const server = new Server(`${mock.url}/`);
  await server.makeRoom({ name: "over" });
  await server.delete("over");
  const joining = Room.join({ server: `${mock.url}/`, room: "over", open });
  await expect(joining).rejects.toBeInstanceOf(Refused);
  await expect(server.facts("over")).rejects.toMatchObject({ name: "CallRefused", status: 410 });
});

test("a picture without a room comes with its seed and its times", async () => {
  const answer = new Response("pixels", { headers: { "impasto-seed": "42", "server-timing": "denoise;dur=12.50, total;dur=20.00" } });
  const fetch = vi.fn(async (_path: string, _request: RequestInit) => answer);
  vi.stubGlobal("fetch", fetch);
  const server = new Server("https://paint.example/impasto/", { token: "operators" });
  const { image, seed, timings } = await server.generate({ prompt: "sea", steps: 2 });
  expect([await image.text(), seed, timings]).toEqual(["pixels", 42, { denoise: 12.5, total: 20 }]);
  const [path, request] = fetch.mock.calls[0] ?? [];
  expect(path).toBe("https://paint.example/impasto/v1/images");
  expect(request).toMatchObject({ method: "POST", body: '{"prompt":"sea","steps":2}', headers: { authorization: "Bearer operators" } });

  const busy = { error: { code: "unavailable", message: "Try again in a moment." } };
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(busy), { status: 503, headers: { "retry-after": "5" } }));
  const refused = await server.generate({ prompt: "sea" }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(CallRefused);
  expect(refused).toMatchObject({ status: 503, code: "unavailable", retryAfterSeconds: 5, message: "Try again in a moment." });
});

test("the examples run as they are", async () => {
  const folder = await mkdtemp(join(tmpdir(), "impasto-client-"));
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((text: string) => void said.push(text));
  vi.stubGlobal("WebSocket", WebSocket);
  const example = (name: string, ...words: string[]): Promise<unknown> => {
    vi.spyOn(process, "argv", "get").mockReturnValue(["node", name, `${mock.url}/`, ...words]);
    return import(`../client/examples/${name}.ts`);
  };
  try {
    const picture = join(folder, "picture.png");
    const watching = example("watch", "shown");
    await vi.waitFor(() => expect(said).toContain("shown: 256 × 256, 1 members, 0 ops"));
    await example("paint", "shown", picture);
    await watching;
    expect(said.some((line) => /^result \d+ × \d+ at \d+, \d+: \d+ bytes of png$/.test(line))).toBe(true);
    expect(said).toContain("op 2: stroke");
    expect((await readFile(picture)).subarray(1, 4).toString("latin1")).toBe("PNG");
    const photo = join(folder, "photo.png");
    await writeFile(photo, await readFile(picture));
    const changed = join(folder, "changed.png");
    await example("photo", "photos", photo, "a door", changed);
    expect(said).toContain("placed 256 × 256 pixels");
    expect((await readFile(changed)).subarray(1, 4).toString("latin1")).toBe("PNG");
  } finally {
    await rm(folder, { recursive: true });
  }
});

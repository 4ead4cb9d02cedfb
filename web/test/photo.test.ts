import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { carried, cutOff, pictureAmong, placeImage, receiveImage, within, type Placing } from "../src/studio/photo";
import type { Studio } from "../src/studio/studio.svelte";

const sent: unknown[] = [];
const said: string[] = [];
const troubles: string[] = [];
const studio = (mayPaint = true, invertsPhotos = false): Studio =>
  ({
    room: { name: "a room", mayPaint, invertsPhotos, picture: { width: 512, height: 512 }, whyNot: "Ask for another link.", send: (message: unknown) => sent.push(message) },
    notices: { say: (text: string) => said.push(text), trouble: (text: string) => troubles.push(text), dismiss: () => {} },
  }) as unknown as Studio;
const photo = (type = "image/jpeg", bytes = 10): File => new File([new Uint8Array(bytes)], "photo", { type });
const answers = (status: number, body: unknown) =>
  vi.fn(async (_path: string, _request: RequestInit) => new Response(JSON.stringify(body), { status }));
const plain: Placing = { as: "picture" };
const kept = { image: "id", width: 640, height: 640 };

beforeEach(() => {
  vi.stubGlobal("location", { hash: "#token=secret" });
  vi.stubGlobal("createImageBitmap", async () => ({ width: 640, height: 480, close: () => {} }));
  for (const list of [sent, said, troubles]) list.length = 0;
});
afterEach(() => vi.unstubAllGlobals());

test("a photo goes up as it is, with the invite, and becomes the base", async () => {
  const fetch = answers(201, kept);
  vi.stubGlobal("fetch", fetch);
  const file = photo();
  await placeImage(studio(), file, plain);
  const [path, request] = fetch.mock.calls[0] ?? [];
  expect(path).toBe("v1/rooms/a%20room/images");
  expect(request?.body).toBe(file);
  expect(request?.headers).toEqual({ "content-type": "image/jpeg", authorization: "Bearer secret" });
  expect(sent).toEqual([{ type: "place", image: "id", mode: "plain" }]);
  expect(troubles).toEqual([]);
});

test("a photo is inverted with what it shows, where that was said", async () => {
  vi.stubGlobal("fetch", answers(201, kept));
  await placeImage(studio(), photo(), { as: "photo", shows: " a red barn " });
  await placeImage(studio(), photo(), { as: "photo", shows: "" });
  expect(sent).toEqual([
    { type: "place", image: "id", mode: "invert", prompt: "a red barn" },
    { type: "place", image: "id", mode: "invert" },
  ]);
});

test("what becomes of a picture is asked", async () => {
  const fetch = answers(201, kept);
  vi.stubGlobal("fetch", fetch);
  const file = photo();
  for (const asks of [studio(true, true), studio(true, false)]) {
    await receiveImage(asks, file);
    expect(asks.offered).toEqual({ file, isLayered: false, parameters: undefined });
  }
  expect(fetch).not.toHaveBeenCalled();
});

test("a file with layers goes up as it is, and the layer is named", async () => {
  const fetch = answers(201, kept);
  vi.stubGlobal("fetch", fetch);
  vi.stubGlobal("createImageBitmap", async () => Promise.reject(new Error("InvalidStateError")));
  const file = new File(["PK\x03\x04…"], "sea.ora", { type: "application/zip" });
  const asks = studio(true, false);
  await receiveImage(asks, file);
  expect(asks.offered).toEqual({ file, isLayered: true, parameters: undefined });
  await placeImage(asks, file, plain, "sketch");
  await placeImage(asks, file, plain);
  expect(fetch.mock.calls.map(([path]) => path)).toEqual(["v1/rooms/a%20room/images?layer=sketch", "v1/rooms/a%20room/images"]);
  expect(fetch.mock.calls[0]?.[1].body).toBe(file);
  expect(troubles).toEqual([]);
});

test("what the server refuses is told in one sentence, and nothing is placed", async () => {
  const message = "The image is damaged (it ends before its last part); export it again.";
  vi.stubGlobal("fetch", answers(422, { error: { code: "invalid_image", message } }));
  await placeImage(studio(), photo(), plain);
  expect(sent).toEqual([]);
  expect(troubles).toEqual([
    "The picture was not placed: the image is damaged (it ends before its last part); export it again.",
  ]);
});

test("a server that cannot be reached is told as such", async () => {
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
  await placeImage(studio(), photo(), plain);
  expect(troubles).toEqual([
    "The picture was not placed: the server cannot be reached; try again when the connection is back.",
  ]);
});

test("files that are no pictures, and people who only watch, send nothing", async () => {
  const fetch = answers(201, kept);
  vi.stubGlobal("fetch", fetch);
  await receiveImage(studio(), photo("application/pdf"));
  expect(troubles).toEqual(["That is not a picture: choose a PNG, JPEG or WebP."]);
  await receiveImage(studio(false), photo());
  expect(said).toEqual(["Ask for another link."]);
  expect(fetch).not.toHaveBeenCalled();
});

test("what this browser cannot read is left to the server where that might", async () => {
  vi.stubGlobal("createImageBitmap", async () => Promise.reject(new Error("InvalidStateError")));
  const fetch = answers(201, kept);
  vi.stubGlobal("fetch", fetch);
  await placeImage(studio(), photo("image/jpeg"), plain);
  expect(fetch).toHaveBeenCalledTimes(1);
  await placeImage(studio(), photo("image/heic"), plain);
  expect(fetch).toHaveBeenCalledTimes(1);
  expect(troubles).toEqual(["The picture was not placed: this browser cannot read it; choose a PNG, JPEG or WebP."]);
});

test.each([
  ["8000 × 4000 pixels", { width: 8000, height: 4000 }, 10, [4096, 2048], "image/jpeg"],
  ["more than 16 MiB", { width: 1000, height: 1000 }, 2 ** 24 + 1, [1000, 1000], "image/png"],
])("a picture of %s is made smaller before it goes up", async (_name, size, bytes, canvasSize, type) => {
  const canvas = {
    width: 0,
    height: 0,
    getContext: () => ({ fillRect: () => {}, drawImage: () => {} }),
    toBlob: (done: (blob: Blob) => void, wanted: string) => done(new Blob(["smaller"], { type: wanted })),
  };
  vi.stubGlobal("document", { createElement: () => canvas });
  vi.stubGlobal("createImageBitmap", async () => ({ ...size, close: () => {} }));
  const fetch = answers(201, kept);
  vi.stubGlobal("fetch", fetch);
  await placeImage(studio(), photo("image/png", bytes), plain);
  expect([canvas.width, canvas.height]).toEqual(canvasSize);
  const body = fetch.mock.calls[0]?.[1].body as Blob;
  expect([await body.text(), body.type]).toEqual(["smaller", type]);
});

test("a picture of another shape loses edges, and says which", async () => {
  const canvas = { width: 512, height: 512 };
  expect(cutOff({ width: 4032, height: 3024 }, canvas)).toContain("left and right");
  expect(cutOff({ width: 3024, height: 4032 }, canvas)).toContain("top and bottom");
  expect(cutOff({ width: 1024, height: 1020 }, canvas)).toBeUndefined();
  vi.stubGlobal("fetch", answers(201, { image: "id", width: 640, height: 480 }));
  await placeImage(studio(), photo(), plain);
  expect(said.at(-1)).toContain("left and right");
});

test("of what is dropped the picture is taken", () => {
  const [text, image] = [photo("text/plain"), photo("image/png")];
  expect(pictureAmong([text, image])).toBe(image);
  expect(pictureAmong([text])).toBe(text);
  expect(pictureAmong([])).toBeUndefined();
  expect(carried(["text/html", "text/uri-list", "Files"])).toBe("files");
  expect(carried(["text/uri-list", "text/plain"])).toBe("link");
  expect(carried(["text/plain"])).toBeUndefined();
});

test("pictures are made smaller in their own shape", () => {
  expect(within({ width: 800, height: 600 }, 4096)).toEqual({ width: 800, height: 600 });
  expect(within({ width: 8192, height: 4096 }, 4096)).toEqual({ width: 4096, height: 2048 });
  expect(within({ width: 90000, height: 3 }, 4096)).toEqual({ width: 4096, height: 1 });
});

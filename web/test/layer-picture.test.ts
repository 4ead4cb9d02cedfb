import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { UNMOVED } from "../src/stage/arrangement";
import { placeOnLayer } from "../src/studio/layer-picture";
import type { Studio } from "../src/studio/studio.svelte";

const asked: unknown[] = [];
const troubles: string[] = [];
const paths: string[] = [];

/** A room whose second layer, 7, is in hand; the next op that it accepts is 12. */
function studio(refuses?: (message: { type: string }) => string | undefined): Studio {
  const ask = async (message: { type: string }): Promise<number> => {
    const reason = refuses?.(message);
    if (reason !== undefined) throw new Error(reason);
    return 11 + asked.push(message);
  };
  return {
    room: { name: "r", picture: { width: 512, height: 512 }, layers: { inHand: { id: 7 } }, ask },
    notices: { say: () => 1, trouble: (text: string) => troubles.push(text), dismiss: () => {} },
  } as unknown as Studio;
}
const file = (name: string): File => new File([new Uint8Array(9)], name, { type: "image/png" });

beforeEach(() => {
  vi.stubGlobal("location", { hash: "" });
  vi.stubGlobal("createImageBitmap", async () => ({ width: 64, height: 48, close: () => {} }));
  vi.stubGlobal("fetch", async (path: string) => {
    paths.push(path);
    return new Response(JSON.stringify({ image: "id", width: 64, height: 48 }), { status: 201 });
  });
  for (const list of [asked, troubles, paths]) list.length = 0;
});
afterEach(() => vi.unstubAllGlobals());

test("a new layer is called as the file, lies on the one in hand, and goes with its picture", async () => {
  await placeOnLayer(studio(), file("a red.barn.png"), "new", UNMOVED);
  expect(paths).toEqual(["v1/rooms/r/images?target=layer"]);
  expect(asked).toEqual([
    { type: "layer", action: "add", above: 7, name: "a red.barn" },
    { type: "place", image: "id", mode: "plain", layer: 12, continues: true },
  ]);
  expect(troubles).toEqual([]);
});

test("a picture for the layer in hand is a step of its own", async () => {
  await placeOnLayer(studio(), file("barn.png"), "in-hand", UNMOVED);
  expect(asked).toEqual([{ type: "place", image: "id", mode: "plain", layer: 7 }]);
});

test("a layer of a file is named to the server", async () => {
  await placeOnLayer(studio(), new File(["PK\x03\x04"], "sea.ora"), "in-hand", UNMOVED, "sketch");
  expect(paths).toEqual(["v1/rooms/r/images?target=layer&layer=sketch"]);
});

test("a picture that was moved is drawn as large as the canvas, with nothing under it", async () => {
  const calls: string[] = [];
  const context = new Proxy({}, { get: (_target, name) => (..._all: unknown[]) => calls.push(String(name)), set: () => true });
  const canvas = { getContext: () => context, toBlob: (done: (blob: Blob) => void, type: string) => done(new Blob(["x"], { type })) };
  vi.stubGlobal("document", { createElement: () => canvas });
  const sent: Blob[] = [];
  vi.stubGlobal("fetch", async (_path: string, { body }: { body: Blob }) => {
    sent.push(body);
    return new Response(JSON.stringify({ image: "id", width: 512, height: 512 }), { status: 201 });
  });
  await placeOnLayer(studio(), file("barn.png"), "in-hand", { ...UNMOVED, turn: 5 });
  expect(canvas).toMatchObject({ width: 512, height: 512 });
  expect(calls).toContain("drawImage");
  expect(calls).not.toContain("fillRect");
  expect(sent[0]?.type).toBe("image/png");
});

test("what is refused is told in one sentence, and nothing is laid", async () => {
  const locked = "The layer is locked; unlock it, or choose another one.";
  await placeOnLayer(studio(({ type }) => (type === "place" ? locked : undefined)), file("barn.png"), "in-hand", UNMOVED);
  expect(troubles).toEqual(["The picture was not placed: the layer is locked; unlock it, or choose another one."]);
  expect(asked).toEqual([]);
});

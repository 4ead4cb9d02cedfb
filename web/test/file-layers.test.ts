import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodePng } from "../e2e/png.mjs";
import { zipOf } from "../e2e/zip.mjs";
import { Archive } from "../src/studio/archive";
import { bringIn, differencesOf, type FileLayer, type FileLayers, whyNotAll } from "../src/studio/file-layers";
import type { Studio } from "../src/studio/studio.svelte";

const png = encodePng(new Uint8Array(12), 2, [0, 0, 2, 2]);
const canvas = { width: 512, height: 512 };
type Sent = { type: string; layer?: number };
let [sent, paths]: [Sent[], string[]] = [[], []];

function layer(title: string, more: Partial<FileLayer> = {}): FileLayer {
  return { title, name: title, src: "a.png", x: 0, y: 0, opacity: 1, visible: true, composite: "svg:src-over", trouble: undefined, ...more };
}

async function fileOf(layers: FileLayer[]): Promise<FileLayers> {
  const archive = await Archive.open(new Blob([zipOf([["a.png", png]])]));
  return { ...canvas, archive, layers, groups: [] };
}

/** A room that refuses what is said of a message, if anything. */
function studio(refusal: (message: Sent) => string | undefined = () => undefined): Studio {
  const ask = async (message: Sent): Promise<number> => {
    const reason = refusal(message);
    if (reason) throw new Error(reason);
    return 40 + sent.push(message);
  };
  return { room: { name: "r", ask } } as unknown as Studio;
}

beforeEach(() => {
  [sent, paths] = [[], []];
  vi.stubGlobal("location", { hash: "" });
  vi.stubGlobal("fetch", async (path: string) => {
    paths.push(path);
    return new Response(JSON.stringify({ image: `image ${paths.length}`, width: 2, height: 2 }), { status: 201 });
  });
});
afterEach(() => vi.unstubAllGlobals());

test("layers come from the lowest to the topmost, each with its look and its picture, as one step", async () => {
  const file = await fileOf([layer("light", { composite: "svg:screen", opacity: 0.5, visible: false }), layer("ground", { x: -3, y: 7 })]);
  const heard: number[] = [];
  await bringIn(studio(), file, file.layers, (done) => heard.push(done), new AbortController().signal);
  expect(paths).toEqual(["v1/rooms/r/images?target=layer&x=-3&y=7&width=512&height=512", "v1/rooms/r/images?target=layer&x=0&y=0&width=512&height=512"]);
  expect(sent).toEqual([
    { type: "layer", action: "add", name: "ground" },
    { type: "place", image: "image 1", mode: "plain", layer: 41, continues: true },
    { type: "layer", action: "add", name: "light", continues: true },
    { type: "layer", action: "set", layer: 43, visible: false, opacity: 0.5, blend: "screen", continues: true },
    { type: "place", image: "image 2", mode: "plain", layer: 43, continues: true },
  ]);
  expect(heard).toEqual([1, 2]);
});

test("where one does not come, those that came are taken back, and the reason is told", async () => {
  const file = await fileOf([layer("second"), layer("first")]);
  const full = ({ type, layer: id = 0 }: Sent) => (type === "place" && id > 41 ? "The layers of this room hold as much paint as they may; remove one, or apply." : undefined);
  const none = new AbortController().signal;
  await expect(bringIn(studio(full), file, file.layers, () => {}, none)).rejects.toThrow(
    "The layers were taken back: the layers of this room hold as much paint as they may; remove one, or apply.",
  );
  expect(sent.at(-1)).toEqual({ type: "undo" });
  sent = [];
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify({ error: { code: "too_large", message: "The image is too large." } }), { status: 413 }));
  await expect(bringIn(studio(), file, file.layers, () => {}, none)).rejects.toThrow("The image is too large.");
  expect(sent, "nothing came, so nothing is taken back").toEqual([]);
});

test("who stops it keeps nothing of it", async () => {
  const file = await fileOf([layer("second"), layer("first")]);
  const stop = new AbortController();
  const heard = () => stop.abort(new Error("You stopped it."));
  await expect(bringIn(studio(), file, file.layers, heard, stop.signal)).rejects.toThrow("The layers were taken back: you stopped it.");
  expect(sent.map(({ type }) => type)).toEqual(["layer", "place", "undo"]);
});

test("what a room does not have is said by name before", async () => {
  const glow = layer("Glow", { composite: "svg:color-dodge" });
  const file = { ...(await fileOf([glow, layer("ground")])), groups: ["Sky"] };
  expect(differencesOf(file, file.layers, canvas)).toEqual([
    "Rooms cannot mix these as the file does, and take them as Normal: “Glow” (color-dodge).",
    "Groups become their layers, and may look different: “Sky”.",
  ]);
  expect(differencesOf({ ...file, groups: [] }, file.layers.slice(1), canvas)).toEqual([]);
  const many = Array.from({ length: 6 }, (_, at) => layer(`${at}`, { composite: "krita:erase" }));
  expect(differencesOf({ ...file, groups: [] }, many, canvas)[0]).toContain("“3” (krita:erase) and 2 more.");
  expect(differencesOf({ ...file, groups: [], width: 640 }, [layer("a")], canvas)).toEqual([
    "The file is 640 × 512 pixels, the canvas 512 × 512: its layers are scaled to fit.",
  ]);
});

test("more layers than the room has place for are not begun", () => {
  const layers = Array.from({ length: 63 }, (_, at) => layer(`${at}`));
  expect(whyNotAll(layers, 1)).toBeUndefined();
  expect(whyNotAll(layers, 3)).toContain("this one has place for 61");
  expect(whyNotAll([], 1)).toBe("Choose at least one layer.");
});

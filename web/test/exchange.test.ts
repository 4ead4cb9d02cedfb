import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { exportName, exportPicture, exportQuery, mayScale, printedSize, type ExportRequest } from "../src/studio/exchange";
import type { Studio } from "../src/studio/studio.svelte";

const said: string[] = [];
const saved: { name: string; text: Promise<string> }[] = [];
const studio = { room: { name: "sea" }, notices: { say: (text: string) => said.push(text) } } as unknown as Studio;
const request: ExportRequest = { format: "png", layer: "result", scale: 1, quality: 92, dpi: 0, settings: true };

beforeEach(() => {
  let last: Blob | undefined;
  vi.stubGlobal("location", { hash: "#token=secret" });
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    last = blob as Blob;
    return "blob:one";
  });
  const link = { href: "", download: "", click: () => last && saved.push({ name: link.download, text: last.text() }) };
  vi.stubGlobal("document", { createElement: () => link });
  said.length = saved.length = 0;
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a request is asked for in as few words as say it", () => {
  expect(exportQuery(request)).toEqual({ format: "png" });
  const whole: ExportRequest = { format: "jpeg", layer: "sketch", scale: 2, quality: 70, dpi: 300, settings: false };
  expect(exportQuery(whole)).toEqual(whole);
  for (const format of ["ora", "psd"] as const) expect(exportQuery({ ...whole, format, settings: true })).toEqual({ format: "ora" });
  expect(exportQuery({ ...request, quality: 70, dpi: 150 }), "only a JPEG has a quality").toEqual({ format: "png", dpi: 150 });
  expect(exportName("sea", { ...request, layer: "sketch", format: "jpeg" })).toBe("sea-sketch.jpg");
  expect(exportName("sea", { ...request, layer: "sketch", format: "ora" })).toBe("sea.ora");
  expect(exportName("sea", { ...request, layer: "sketch", format: "psd" })).toBe("sea.psd");
});

test("a print is as large as its dots are small", () => {
  expect(printedSize({ width: 3000, height: 1500 }, 300)).toBe("25.4 × 12.7 cm");
});

test("only scales that the server makes are offered", () => {
  expect(mayScale({ width: 2048, height: 1024 }, 4)).toBe(true);
  expect(mayScale({ width: 2048, height: 1088 }, 4)).toBe(false);
  expect(mayScale({ width: 4096, height: 4096 }, 1)).toBe(true);
});

test("a file is saved under the room's name, and what is refused is told", async () => {
  const fetch = vi.fn(async (_path: string, _request: RequestInit) => new Response("a file"));
  vi.stubGlobal("fetch", fetch);
  await exportPicture(studio, { ...request, format: "webp" });
  const [path, init] = fetch.mock.calls[0] ?? [];
  expect(path).toBe("v1/rooms/sea/export?format=webp");
  expect(init?.headers).toEqual({ authorization: "Bearer secret" });
  expect(saved.map(({ name }) => name)).toEqual(["sea.webp"]);
  expect(await saved[0]?.text).toBe("a file");
  expect(said).toEqual(["Exported sea.webp."]);

  const error = { error: { code: "unavailable", message: "Many pictures wait for the server: try again soon." } };
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(error), { status: 503 }));
  await expect(exportPicture(studio, request)).rejects.toThrow("Many pictures wait for the server: try again soon.");
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(exportPicture(studio, request)).rejects.toThrow("The server cannot be reached");
  expect(saved).toHaveLength(1);
});

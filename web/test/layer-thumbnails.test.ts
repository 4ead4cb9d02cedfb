import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Op, PaintLayer } from "../client/src";
import { LayerThumbnails, THUMBNAIL_REFRESH_MS } from "../src/studio/layer-thumbnails.svelte";
import { FakeClock } from "./fakes";

const layer = (id: number): PaintLayer => ({
  id, name: `${id}`, visible: true, opacity: 1, blend: "normal", locked: false, alpha_locked: false, seen: true,
});
const two = [layer(0), layer(4)];
const stroke = (id: string, more: object = {}): Op => ({ type: "stroke", id, points: [], done: false, ...more }) as Op;
const brush = { tool: "brush", size: 9, hardness: 1, opacity: 1, color: "#000000" };

let asked: number[] = [];
let revoked: string[] = [];
let clock: FakeClock;
let thumbnails: LayerThumbnails;

const hear = (op: Op, layers = two, switches?: { entry: number; active: boolean }[]): void =>
  thumbnails.heard({ seq: 9, client: "me", op, ...(switches ? { switches } : {}) }, layers);
/** Time passes, and what is asked for comes. */
async function later(): Promise<number[]> {
  clock.pass(THUMBNAIL_REFRESH_MS);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  return asked.splice(0).sort();
}

beforeEach(() => {
  [asked, revoked, clock] = [[], [], new FakeClock()];
  let made = 0;
  vi.stubGlobal("URL", { createObjectURL: () => `blob:${(made += 1)}`, revokeObjectURL: (url: string) => revoked.push(url) });
  thumbnails = new LayerThumbnails(async (id) => { asked.push(id); return new Blob(["x"]); }, clock);
  thumbnails.welcome(two);
});
afterEach(() => vi.unstubAllGlobals());

test("nothing is fetched before somebody looks, and then all of it once", async () => {
  expect(await later()).toEqual([]);
  const stop = thumbnails.watch();
  expect(await later()).toEqual([0, 4]);
  expect([...thumbnails.urls.keys()].sort()).toEqual([0, 4]);
  expect(await later()).toEqual([]);
  stop();
  hear(stroke("a", { ...brush, done: true }));
  expect(await later()).toEqual([]);
  thumbnails.watch();
  expect(await later()).toEqual([0]);
});

test("only layers whose pixels may be others are fetched again", async () => {
  thumbnails.watch();
  await later();
  for (const [op, expected] of [
    [stroke("a", { ...brush, layer: 4 }), [4]],
    [stroke("a"), [4]],
    [stroke("a", { done: true }), [4]],
    [stroke("nobody knows it"), [0, 4]],
    [{ type: "place", image: "i", mode: "plain", layer: 0 }, [0]],
    [{ type: "place", image: "i", mode: "plain" }, [0, 4]],
    [{ type: "apply" }, [0, 4]],
    [{ type: "layer", action: "set", layer: 4, opacity: 0.5 }, []],
    [{ type: "settings", seed: 7 }, []],
    [{ type: "mask", rect: [0, 0, 9, 9] }, []],
  ] as [Op, number[]][]) {
    hear(op);
    expect(await later(), JSON.stringify(op)).toEqual(expected);
  }
  hear({ type: "undo", target: 3 }, two, [{ entry: 3, active: false }]);
  expect(await later()).toEqual([0, 4]);
});

test("what is replaced or gone gives its memory back", async () => {
  thumbnails.watch();
  await later();
  hear(stroke("a", { ...brush, layer: 4, done: true }));
  await later();
  expect(revoked).toHaveLength(1);
  hear({ type: "layer", action: "remove", layer: 4 }, [layer(0)]);
  expect(revoked).toHaveLength(2);
  expect([...thumbnails.urls.keys()]).toEqual([0]);
  hear({ type: "layer", action: "add" }, [layer(0), layer(12)]);
  expect(await later()).toEqual([12]);
});

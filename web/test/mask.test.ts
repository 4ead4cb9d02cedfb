import { describe, expect, test } from "vitest";
import { Coverage } from "../src/paint/coverage";
import { everywhere, inversionOf, isWhole, MaskView, REFRESH_MS, type MaskBytes } from "../src/studio/mask.svelte";
import type { Op, StrokeChunk } from "../client/src";
import { FakeClock } from "./fakes";

const stroke = (tool: StrokeChunk["tool"], id = "a"): Op => ({ type: "stroke", id, tool, size: 8, hardness: 1, opacity: 1, color: "#000000", points: [[1, 1, 1]], done: true });
const bytes = (value: number): MaskBytes => ({ width: 4, height: 2, bytes: new Uint8Array(8).fill(value) });

describe("a stroke over everything", () => {
  test.each([[64, 64], [512, 512], [1536, 1024], [64, 4096], [4096, 64]])("leaves no pixel of %i × %i out", (width, height) => {
    const chunk = everywhere("mask", { width, height }, "x");
    expect(chunk.points.length).toBeLessThanOrEqual(2000);
    expect(isWhole(chunk.id)).toBe(true);
    const coverage = new Coverage(width, height);
    const brush = { tool: "mask" as const, size: chunk.size ?? 0, hardness: 1, opacity: 1, color: "#000000" };
    chunk.points.forEach((point, at) => coverage.sweep(chunk.points[at - 1] ?? point, point, brush));
    expect(coverage.tiles.size).toBe(Math.ceil(width / 64) * Math.ceil(height / 64));
    for (const tile of coverage.tiles.values()) expect(tile.every((value) => value === 255)).toBe(true);
  });
});

describe("an inverted mask", () => {
  test("has every pixel that was not masked, and no other", () => {
    const [width, height] = [160, 96];
    const mask: MaskBytes = { width, height, bytes: new Uint8Array(width * height) };
    mask.bytes.forEach((_value, at) => (mask.bytes[at] = Math.hypot((at % width) - 70, Math.floor(at / width) - 50) < 38 ? 255 : (at * 31) % 100));
    const { masked, restored } = inversionOf(mask);
    const [added, taken] = [masked, restored].map(({ brush, points }) => {
      const coverage = new Coverage(width, height);
      points.forEach((point, at) => coverage.sweep(points[at - 1] ?? point, point, brush));
      return coverage;
    });
    mask.bytes.forEach((value, at) => {
      const [x, y] = [at % width, Math.floor(at / width)];
      // Taken out first: what is left of the mask is nothing there.
      const left = Math.min(value, 255 - (taken?.at(x, y) ?? 0));
      expect(Math.max(left, added?.at(x, y) ?? 0)).toBe(value >= 128 ? 0 : 255);
    });
  });

  test("of nothing and of everything is one stroke", () => {
    expect(inversionOf(bytes(0)).restored.points).toEqual([]);
    expect(inversionOf(bytes(255)).masked.points).toEqual([]);
  });
});

describe("what is known of the mask", () => {
  test("follows the ops, and asks where they do not tell", async () => {
    let asked = 0;
    let held = bytes(0);
    const mask = new MaskView(() => { asked += 1; return Promise.resolve(held); }, new FakeClock());
    expect(await mask.isEmpty()).toBe(true);
    expect(await mask.isEmpty()).toBe(true);
    expect(asked).toBe(1);
    mask.heard({ type: "settings", prompt: "sea" });
    mask.heard(stroke("erase"));
    expect(mask.empty).toBe(true);
    mask.heard(stroke("brush"));
    expect(mask.empty).toBe(false);
    mask.heard({ type: "place", image: "a", mode: "plain", layer: 3 });
    expect(mask.empty).toBe(false);
    mask.heard({ type: "apply" });
    expect(mask.empty).toBe(true);
    mask.heard(stroke("mask"));
    mask.heard(stroke("restore", "all-1"));
    expect(mask.empty).toBe(true);
    mask.heard({ type: "undo", target: 3 });
    expect(mask.empty).toBeUndefined();
    held = bytes(9);
    expect(await mask.isEmpty()).toBe(false);
    expect(asked).toBe(2);
  });

  test("an answer that ops overtook is not believed", async () => {
    let answer: (mask: MaskBytes) => void = () => {};
    const mask = new MaskView(() => new Promise((resolve) => (answer = resolve)), new FakeClock());
    const asked = mask.isEmpty();
    mask.heard(stroke("brush"));
    answer(bytes(0));
    expect(await asked).toBe(false);
  });

  test("nothing is known where the server does not tell", async () => {
    const mask = new MaskView(() => Promise.reject(new Error("gone")), new FakeClock());
    expect(await mask.isEmpty()).toBeUndefined();
  });

  test("while it is shown it is fetched again once the ops rest", async () => {
    const clock = new FakeClock();
    let held = bytes(0);
    const mask = new MaskView(() => Promise.resolve(held), clock);
    mask.show(true);
    await Promise.resolve().then(() => {}).then(() => {});
    expect(mask.picture?.bytes[0]).toBe(0);
    held = bytes(255);
    mask.heard(stroke("mask"));
    clock.pass(REFRESH_MS);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(mask.picture?.bytes[0]).toBe(255);
    mask.show(false);
    expect(mask.picture).toBeUndefined();
  });
});

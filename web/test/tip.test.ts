import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Brush, StrokePoint } from "../client/src";
import { Coverage } from "../src/paint/coverage";
import { Ink } from "../src/paint/ink";
import { tilesIn } from "../src/paint/geometry";
import { Way } from "../src/paint/tip";

interface Sheet {
  side: number;
  every: number;
  strokes: { brush: Brush; points: StrokePoint[]; covered: number[] }[];
}

/** What the server paints: written by `src/canvas/tests/tips.rs`. */
const sheet = JSON.parse(readFileSync(new URL("fixtures/tips.json", import.meta.url), "utf8")) as Sheet;

test.each(sheet.strokes.map((stroke) => [`${stroke.brush.kind ?? "round"} at flow ${stroke.brush.flow ?? 1}`, stroke] as const))(
  "the page draws what the server does: %s",
  (_name, { brush, points, covered }) => {
    const coverage = new Coverage(sheet.side, sheet.side);
    const way = new Way(brush);
    for (const point of points) for (const [from, to] of way.to(point)) coverage.sweep(from, to, brush);
    let at = 0;
    let off = 0;
    for (let y = 0; y < sheet.side; y += sheet.every) {
      for (let x = 0; x < sheet.side; x += sheet.every, at += 1) {
        const difference = Math.abs(coverage.at(x, y) - (covered[at] ?? 0));
        // A level of rounding is a few where dabs lie over each other.
        expect(difference, `${x}, ${y}`).toBeLessThanOrEqual(8);
        off += difference > 2 ? 1 : 0;
      }
    }
    expect(covered.some((value) => value > 20)).toBe(true);
    expect(off).toBeLessThan(covered.length / 100);
  },
);

test("how a stroke with flow is cut into chunks changes nothing", () => {
  const brush: Brush = { tool: "brush", size: 30, hardness: 0.5, opacity: 1, color: "#ff0000", flow: 0.2 };
  const points: StrokePoint[] = [[20, 20, 1], [60, 40, 0.5], [100, 90, 1], [30, 110, 0.8]];
  const drawn = (cuts: number[]): number[] => {
    const ink = new Ink(128, 128);
    ink.begin("me/a", brush);
    let from = 0;
    for (const to of [...cuts, points.length]) {
      ink.extend("me/a", points.slice(from, to));
      from = to;
    }
    return [...tilesIn([0, 0, 128, 128], 128, 128)].flatMap((tile) => {
      const bytes = new Uint8ClampedArray(64 * 64 * 4);
      return ink.paintTile(tile, bytes) ? [...bytes] : [];
    });
  };
  expect(drawn([1, 2])).toEqual(drawn([]));
});

test("a gradient's ink runs from its colour to its end", () => {
  const ink = new Ink(128, 64);
  const gradient = { kind: "linear", from: [0, 0], to: [128, 0], color: "#0000ff" } as const;
  ink.begin("me/a", { tool: "brush", size: 400, hardness: 1, opacity: 1, color: "#ff0000", gradient: { ...gradient, from: [0, 0], to: [128, 0] } });
  ink.extend("me/a", [[64, 32, 1]]);
  const colours = [...tilesIn([0, 0, 128, 64], 128, 64)].map((tile) => {
    const bytes = new Uint8ClampedArray(64 * 64 * 4);
    ink.paintTile(tile, bytes);
    return [...bytes.slice(0, 4)];
  });
  expect(colours[0]).toEqual([254, 0, 1, 255]);
  expect(colours[1]?.[0]).toBeGreaterThan(120);
  expect(colours[1]?.[2]).toBeGreaterThan(120);
});

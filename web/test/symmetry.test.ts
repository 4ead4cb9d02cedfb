import { expect, test } from "vitest";
import type { Brush, StrokeChunk, StrokePoint } from "../client/src";
import { Coverage } from "../src/paint/coverage";
import { Ink } from "../src/paint/ink";
import { Painter } from "../src/paint/painter";
import { copiesOf, repeated, type Symmetry } from "../src/paint/symmetry";
import { FakeClock } from "./fakes";

const CANVAS = { width: 200, height: 160 };
const BRUSH: Brush = { tool: "brush", size: 10, hardness: 1, opacity: 1, color: "#336699" };
const symmetry = (more: Partial<Symmetry>): Symmetry => ({ mode: "none", x: 0.5, y: 0.5, count: 6, ...more });
const placed = (more: Partial<Symmetry>, x: number, y: number): number[][] =>
  copiesOf(symmetry(more), CANVAS).map((copy) => copy(x, y).map((value) => Math.round(value * 1000) / 1000 + 0));

test("copies are mirrored at the line, both lines, or turned around the point", () => {
  expect(placed({ mode: "none" }, 30, 20)).toEqual([[30, 20]]);
  expect(placed({ mode: "across" }, 30, 20)).toEqual([[30, 20], [170, 20]]);
  expect(placed({ mode: "across", x: 0.25 }, 30, 20)).toEqual([[30, 20], [70, 20]]);
  expect(placed({ mode: "down" }, 30, 20)).toEqual([[30, 20], [30, 140]]);
  expect(placed({ mode: "both" }, 30, 20)).toEqual([[30, 20], [170, 20], [30, 140], [170, 140]]);
  expect(placed({ mode: "radial", count: 4 }, 150, 80)).toEqual([[150, 80], [100, 130], [50, 80], [100, 30]]);
  expect(placed({ mode: "radial", count: 12 }, 150, 80)).toHaveLength(12);
});

/** Draws with a painter and answers what its messages cover, as the server would. */
function drawn(more: Partial<Symmetry>, moves: StrokePoint[][]): { sent: StrokeChunk[]; coverage: Coverage; ink: Ink } {
  const clock = new FakeClock();
  const ink = new Ink(CANVAS.width, CANVAS.height);
  const sent: StrokeChunk[] = [];
  const painter = new Painter({
    client: () => "me", ink: () => ink, send: (chunk) => sent.push(chunk), inked: () => {}, undo: () => {}, newId: () => "s1", clock,
  });
  const hand = repeated(painter.begin(BRUSH), copiesOf(symmetry(more), CANVAS));
  for (const points of moves) {
    hand.add(points);
    clock.pass(30);
  }
  hand.end();
  const coverage = new Coverage(CANVAS.width, CANVAS.height);
  const points = sent.flatMap((chunk) => chunk.points);
  points.forEach((point, at) => coverage.sweep(points[at - 1] ?? point, point, BRUSH));
  return { sent, coverage, ink };
}

test.each([{ mode: "across" }, { mode: "both" }, { mode: "radial", count: 5 }] satisfies Partial<Symmetry>[])(
  "a stroke with $mode symmetry is one stroke that covers just what its copies would",
  (more) => {
    const moves: StrokePoint[][] = [[[30, 30, 1]], [[40, 36, 0.8], [48, 50, 0.6]], [[60, 52, 1]], [[62, 70, 1], [40, 75, 0.3]]];
    const { sent, coverage } = drawn(more, moves);
    expect(new Set(sent.map(({ id }) => id)).size, "so that one undo takes it back").toBe(1);
    expect(sent.length, "sent while it is drawn").toBeGreaterThan(1);
    const wanted = new Coverage(CANVAS.width, CANVAS.height);
    for (const copy of copiesOf(symmetry(more), CANVAS)) {
      const way = moves.flat().map(([x, y, p]): StrokePoint => [...(copy(x, y).map((value) => Math.round(value * 100) / 100) as [number, number]), p]);
      way.forEach((point, at) => wanted.sweep(way[at - 1] ?? point, point, BRUSH));
    }
    const wrong: unknown[] = [];
    for (let y = 0; y < CANVAS.height; y += 1) {
      for (let x = 0; x < CANVAS.width; x += 1) if (coverage.at(x, y) !== wanted.at(x, y)) wrong.push([x, y, coverage.at(x, y), wanted.at(x, y)]);
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  },
);

test("without symmetry a stroke stays as it is", () => {
  const { sent } = drawn({ mode: "none" }, [[[1, 1, 1]], [[5, 5, 1]]]);
  // The last message says that the stroke is done, and repeats the last point.
  expect(sent.flatMap(({ points }) => points)).toEqual([[1, 1, 1], [5, 5, 1], [5, 5, 1]]);
});

test("all copies' ink goes with the result that has them", () => {
  const { sent, ink } = drawn({ mode: "both" }, [[[30, 30, 1]], [[60, 52, 1]]]);
  sent.forEach((_chunk, at) => ink.acknowledge("me/s1", at + 1));
  ink.resultShown([0, 0, CANVAS.width, CANVAS.height], sent.length);
  expect(ink.waiting).toBe(0);
});

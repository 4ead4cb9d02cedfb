import { expect, test } from "vitest";
import {
  type Brush,
  CHUNK_INTERVAL_MS,
  CHUNK_POINTS,
  type StrokeChunk,
  StrokeChunker,
  type StrokePoint,
} from "../client/src";
import { FakeClock } from "./fakes";

const BRUSH: Brush = { tool: "brush", size: 20, hardness: 0.8, opacity: 1, color: "#102030" };

function stroke(held = false): { chunker: StrokeChunker; sent: StrokeChunk[]; clock: FakeClock } {
  const clock = new FakeClock();
  const sent: StrokeChunk[] = [];
  return { chunker: new StrokeChunker("s1", BRUSH, (chunk) => sent.push(chunk), clock, held), sent, clock };
}

const line = (count: number): StrokePoint[] => Array.from({ length: count }, (_, index) => [index, 2, 1]);

test("points leave after 50 ms at the latest, and the brush stands in the first message only", () => {
  const { chunker, sent, clock } = stroke();
  chunker.add(line(2));
  clock.pass(CHUNK_INTERVAL_MS - 1);
  expect(sent).toEqual([]);
  clock.pass(1);
  expect(sent).toEqual([{ id: "s1", ...BRUSH, points: [[0, 2, 1], [1, 2, 1]], done: false }]);
  chunker.add([[9, 9, 0.5]]);
  chunker.end();
  expect(sent[1]).toEqual({ id: "s1", points: [[9, 9, 0.5]], done: true });
});

test("no message is empty: an ending without new points repeats the last one", () => {
  const { chunker, sent, clock } = stroke();
  chunker.add([[4, 5, 1]]);
  clock.pass(60);
  chunker.end();
  expect(sent.map(({ points, done }) => ({ points, done }))).toEqual([
    { points: [[4, 5, 1]], done: false },
    { points: [[4, 5, 1]], done: true },
  ]);
  clock.pass(1000);
  chunker.add(line(3));
  expect(sent).toHaveLength(2);
});

test("a message holds a thousand points at most, and none is lost", () => {
  const { chunker, sent } = stroke();
  chunker.add(line(CHUNK_POINTS * 2 + 5));
  chunker.end();
  expect(sent.every(({ points }) => points.length > 0 && points.length <= CHUNK_POINTS)).toBe(true);
  // The ending came without new points, so it repeats the last one.
  expect(sent.flatMap(({ points }) => points).slice(0, -1)).toEqual(line(CHUNK_POINTS * 2 + 5));
  expect(sent.map(({ done }) => done)).toEqual([...sent.slice(1).map(() => false), true]);
});

test("a held stroke says nothing until it is released, and nothing at all when it is cancelled", () => {
  const one = stroke(true);
  one.chunker.add(line(3));
  one.clock.pass(500);
  expect(one.sent).toEqual([]);
  one.chunker.release();
  one.clock.pass(CHUNK_INTERVAL_MS);
  expect(one.sent).toHaveLength(1);

  const other = stroke(true);
  other.chunker.add(line(3));
  expect(other.chunker.cancel()).toBe(true);
  other.clock.pass(500);
  expect(other.sent).toEqual([]);
});

test("numbers are rounded to what matters", () => {
  const { chunker, sent } = stroke();
  chunker.add([[1.23456, 7.891, 0.33333]]);
  chunker.end();
  expect(sent[0]?.points).toEqual([[1.23, 7.89, 0.333]]);
});

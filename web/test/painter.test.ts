import { expect, test } from "vitest";
import type { Brush, StrokeChunk } from "../client/src";
import { Ink } from "../src/paint/ink";
import { Latency } from "../src/paint/latency";
import { Painter } from "../src/paint/painter";
import { FakeClock } from "./fakes";

const BRUSH: Brush = { tool: "brush", size: 16, hardness: 1, opacity: 1, color: "#336699" };

function studio() {
  const clock = new FakeClock();
  const ink = new Ink(256, 256);
  const sent: StrokeChunk[] = [];
  let undone = 0;
  let ids = 0;
  const painter = new Painter({
    client: () => "me",
    ink: () => ink,
    send: (chunk) => sent.push(chunk),
    inked: () => {},
    undo: () => (undone += 1),
    newId: () => `s${(ids += 1)}`,
    clock,
  });
  return { clock, ink, sent, painter, undone: () => undone };
}

test("ink is there before anything is sent, and goes when results for every chunk came", () => {
  const { clock, ink, sent, painter } = studio();
  const stroke = painter.begin(BRUSH);
  stroke.add([[20, 20, 1]]);
  expect(ink.waiting).toBe(1);
  expect(sent).toEqual([]);
  clock.pass(50);
  stroke.add([[90, 20, 1]]);
  stroke.end();
  expect(sent.map(({ done }) => done)).toEqual([false, true]);
  expect(painter.acknowledge("s1", 4)).toEqual({ stroke: "s1", drawnAt: 0 });
  expect(painter.acknowledge("s1", 5)).toEqual({ stroke: "s1", drawnAt: 50 });
  ink.resultShown([0, 0, 256, 256], 4);
  expect(ink.waiting).toBe(1);
  ink.resultShown([0, 0, 256, 256], 5);
  expect(ink.waiting).toBe(0);
});

test("a cancelled stroke leaves nothing: unsent it is forgotten, sent it is undone", () => {
  const one = studio();
  const held = one.painter.begin(BRUSH, true);
  held.add([[20, 20, 1]]);
  held.cancel();
  one.clock.pass(500);
  expect([one.sent.length, one.undone(), one.ink.waiting]).toEqual([0, 0, 0]);

  const other = studio();
  const stroke = other.painter.begin(BRUSH);
  stroke.add([[20, 20, 1]]);
  other.clock.pass(60);
  stroke.cancel();
  expect(other.sent.at(-1)?.done).toBe(true);
  expect([other.undone(), other.ink.waiting]).toEqual([1, 0]);
});

test("a refused stroke takes its ink along", () => {
  const { clock, ink, painter } = studio();
  painter.begin(BRUSH).add([[20, 20, 1]]);
  clock.pass(60);
  painter.refuse("s1");
  expect(ink.waiting).toBe(0);
});

test("stroke to pixel is measured from the newest point that a frame includes", () => {
  const latency = new Latency();
  latency.await(3, 100);
  latency.await(4, 150);
  latency.await(6, 300);
  expect(latency.shown(2, 400)).toBeUndefined();
  expect(latency.shown(5, 400)).toBe(250);
  expect(latency.shown(5, 500)).toBeUndefined();
  expect(latency.shown(6, 500)).toBe(200);
});

test("a stroke that is refused, or of a hand that may not paint any more, sends nothing more", () => {
  for (const stop of ["refuse", "stop"] as const) {
    const { clock, ink, sent, painter } = studio();
    const stroke = painter.begin(BRUSH);
    stroke.add([[20, 20, 1]]);
    clock.pass(60);
    stroke.add([[40, 20, 1]]);
    if (stop === "refuse") painter.refuse("s1");
    else painter.stop();
    stroke.add([[60, 20, 1]]);
    clock.pass(500);
    stroke.end();
    expect([sent.length, ink.waiting]).toEqual([1, 0]);
    const next = painter.begin(BRUSH);
    next.add([[20, 20, 1]]);
    next.end();
    expect(sent.at(-1)).toMatchObject({ id: "s2", done: true });
  }
});

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Brush, StrokePoint } from "../client/src";
import { TILE, tilesIn, type Tile } from "../src/paint/geometry";
import { Ink } from "../src/paint/ink";
import type { StrokeInHand } from "../src/paint/painter";
import { repeatedAfterwards } from "../src/paint/symmetry";

interface Sheet {
  side: number;
  every: number;
  strokes: { brush: Brush; points: StrokePoint[]; seen: number[] }[];
}

type Colour = readonly [number, number, number];
type Paper = (x: number, y: number) => Colour;

/** What the server makes of stripes: written by `src/canvas/tests/smudges.rs`. */
const sheet = JSON.parse(readFileSync(new URL("fixtures/smudges.json", import.meta.url), "utf8")) as Sheet;

const SIDE = 192;
const BRUSH: Brush = { tool: "smudge", size: 24, hardness: 0.8, opacity: 1, color: "#000000", strength: 0.9 };
const ACROSS: StrokePoint[] = [[80, 96, 1], [130, 96, 1]];

function stripes(x: number, y: number): Colour {
  const kind = (Math.floor(x / 24) + Math.floor(y / 48)) % 3;
  return kind === 0 ? [220, 40, 30] : kind === 1 ? [30, 60, 200] : [250, 240, 210];
}

/** Black on the left, white on the right. */
function edge(x: number): Colour {
  return x < SIDE / 2 ? [0, 0, 0] : [255, 255, 255];
}

function inkOver(paper: Paper): Ink {
  return new Ink(SIDE, SIDE, ({ rect }: Tile) => {
    const bytes = new Uint8ClampedArray(TILE * TILE * 4);
    for (let at = 0; at < TILE * TILE; at += 1) {
      bytes.set([...paper(rect[0] + (at % TILE), rect[1] + Math.floor(at / TILE)), 255], at * 4);
    }
    return bytes;
  });
}

/** What the eye sees at a pixel: the ink over the paper. */
function seen(ink: Ink, paper: Paper, x: number, y: number): Colour {
  const [tile] = [...tilesIn([x, y, 1, 1], SIDE, SIDE)];
  const bytes = new Uint8ClampedArray(TILE * TILE * 4);
  if (!tile || !ink.paintTile(tile, bytes)) return paper(x, y);
  const at = ((y - tile.rect[1]) * TILE + x - tile.rect[0]) * 4;
  return bytes[at + 3] === 0 ? paper(x, y) : [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0];
}

function smudged(paper: Paper, points: readonly StrokePoint[], brush = BRUSH): Ink {
  const ink = inkOver(paper);
  ink.begin("me/a", brush);
  ink.extend("me/a", points);
  return ink;
}

test.each(sheet.strokes.map((stroke) => [stroke.brush.kind ?? "round", stroke] as const))(
  "the page drags what the server does: %s",
  (_kind, { brush, points, seen: expected }) => {
    const ink = smudged(stripes, points, brush);
    let [at, off, changed] = [0, 0, 0];
    for (let y = 0; y < sheet.side; y += sheet.every) {
      for (let x = 0; x < sheet.side; x += sheet.every) {
        const found = seen(ink, stripes, x, y);
        for (const [channel, value] of found.entries()) {
          const wanted = expected[at] ?? 0;
          off += Math.abs(value - wanted) > 4 ? 1 : 0;
          changed += wanted === stripes(x, y)[channel] ? 0 : 1;
          at += 1;
        }
      }
    }
    expect(at).toBe(expected.length);
    expect(changed).toBeGreaterThan(expected.length / 50);
    // Places are numbers of twice the precision here: now and then a dab lies a pixel further.
    expect(off).toBeLessThan(expected.length / 50);
  },
);

test("colour moves the way of the stroke, and one colour stays what it is", () => {
  const right = smudged(edge, ACROSS);
  expect(seen(right, edge, 104, 96)[0]).toBeLessThan(200);
  expect(seen(right, edge, 85, 96)[0]).toBe(0);
  expect(seen(right, edge, 104, 120)[0]).toBe(255);
  const flat: Paper = () => [12, 200, 99];
  const same = smudged(flat, ACROSS);
  expect(seen(same, flat, 104, 96)).toEqual([12, 200, 99]);
});

test("how a smudge is cut changes nothing, and where it was lifted it carries nothing on", () => {
  const whole = smudged(edge, ACROSS);
  const cut = inkOver(edge);
  cut.begin("me/a", BRUSH);
  for (const point of ACROSS) cut.extend("me/a", [point]);
  const lifted = smudged(edge, [[40, 96, 1], [60, 96, 1], [60, 96, 0], [130, 96, 0], [130, 96, 1], [160, 96, 1]]);
  for (let x = 70; x < 170; x += 3) {
    expect(seen(cut, edge, x, 96)).toEqual(seen(whole, edge, x, 96));
    expect(seen(lifted, edge, x, 96)).toEqual(edge(x));
  }
});

test("ink that waits for the server's pixels is dragged too, and a mask's tint is not", () => {
  const white: Paper = () => [255, 255, 255];
  for (const tool of ["brush", "mask"] as const) {
    const ink = inkOver(white);
    ink.begin("me/line", { ...BRUSH, tool, color: "#000000", strength: undefined });
    ink.extend("me/line", [[70, 60, 1], [70, 130, 1]]);
    ink.begin("me/drag", BRUSH);
    ink.extend("me/drag", [[70, 96, 1], [120, 96, 1]]);
    const [red] = seen(ink, white, 100, 96);
    if (tool === "brush") expect(red).toBeLessThan(250);
    else expect(red).toBe(255);
  }
});

test("where the server's pixels have come a smudge shows them", () => {
  const ink = smudged(edge, ACROSS);
  ink.cut("me/a");
  ink.finish("me/a");
  ink.acknowledge("me/a", 3);
  expect(seen(ink, edge, 104, 96)[0]).toBeLessThan(200);
  ink.resultShown([0, 0, SIDE, SIDE], 3);
  expect(seen(ink, edge, 104, 96)[0]).toBe(255);
  expect(ink.isEmpty).toBe(true);
});

test("the copies of a smudge follow in one go when it is lifted, and nothing is dragged between them", () => {
  const added: StrokePoint[][] = [];
  const hand: StrokeInHand = {
    id: "a",
    add: (points) => added.push([...points]),
    commit: () => undefined,
    end: () => added.push([]),
    cancel: () => undefined,
  };
  const copied = repeatedAfterwards(hand, [(x, y) => [x, y], (x, y) => [192 - x, y]]);
  copied.add([[10, 5, 1]]);
  copied.add([[20, 5, 0.5]]);
  copied.end();
  expect(added).toEqual([
    [[10, 5, 1]],
    [[20, 5, 0.5]],
    [[20, 5, 0], [20, 5, 0], [182, 5, 0], [182, 5, 1], [172, 5, 0.5]],
    [],
  ]);
});

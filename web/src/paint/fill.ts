import type { Brush, CanvasSize, StrokePoint } from "../../client/src";
import { joinedByLifts } from "./lifts";
import { outline, type Spot } from "./shapes";

/** From `a` to `b` on the middle line of a row of pixels. */
type Span = readonly [number, number];
type Rows = Map<number, Span[]>;

/** Diameter of the filling brush at pressure 1; a pixel of it is a pressure that messages carry exactly. */
const FILL_SIZE = 40;
const THIN = 1 / FILL_SIZE;
/** How many rows one pass of the wide brush covers; a pass fills a band of as many pixels and no more. */
const BAND = 32;
const WIDE = BAND / FILL_SIZE;
/** A pass that is shorter between its round ends saves nothing. */
const LEAST_PASS = BAND;

/** The brush of a filled shape: a hard one, with the colour and words of `brush`. */
export function fillingBrush(brush: Brush): Brush {
  const { kind: _kind, angle: _angle, flow: _flow, ...plain } = brush;
  return { ...plain, size: FILL_SIZE, hardness: 1 };
}

/**
 * What fills rings with `fillingBrush`: passes of a wide brush where it fits,
 * rows one pixel wide where it does not, and the outline. A row whose middle
 * line a brush one pixel wide follows is covered fully, and its neighbours not
 * at all: so every pixel whose centre is inside is covered to the last level,
 * and outside the edge only its antialiasing is.
 */
export function filling(rings: readonly (readonly Spot[])[], canvas: CanvasSize): StrokePoint[] {
  return joinedByLifts(
    rings.flatMap((ring) => {
      if (ring.length === 0) return [];
      return [...interior(rowsOf(ring, canvas)), outline(ring, true, THIN)];
    }),
  );
}

/** What covers the pixels that `inside` names, and no others: row after row. */
export function fillingOf(inside: (x: number, y: number) => boolean, { width, height }: CanvasSize): StrokePoint[] {
  const rows: Rows = new Map();
  for (let y = 0; y < height; y += 1) {
    const spans: Span[] = [];
    for (let x = 0; x < width; x += 1) {
      if (!inside(x, y)) continue;
      const from = x;
      while (x + 1 < width && inside(x + 1, y)) x += 1;
      spans.push([from + 0.5, x + 0.5]);
    }
    if (spans.length > 0) rows.set(y, spans);
  }
  return joinedByLifts(interior(rows));
}

function interior(rows: Rows): StrokePoint[][] {
  return [...widePasses(rows), ...thinPasses(rows)];
}

/** Which parts of each row lie inside a ring; what it winds around twice is inside too. */
function rowsOf(ring: readonly Spot[], { width, height }: CanvasSize): Rows {
  const crossings = new Map<number, { x: number; turn: number }[]>();
  ring.forEach((from, at) => {
    const to = ring[(at + 1) % ring.length] ?? from;
    const [upper, lower, turn] = from[1] < to[1] ? [from, to, 1] : [to, from, -1];
    const first = Math.max(0, Math.ceil(upper[1] - 0.5));
    for (let y = first; y < height && y + 0.5 < lower[1]; y += 1) {
      const x = upper[0] + ((y + 0.5 - upper[1]) / (lower[1] - upper[1])) * (lower[0] - upper[0]);
      const known = crossings.get(y);
      if (known) known.push({ x, turn });
      else crossings.set(y, [{ x, turn }]);
    }
  });
  const rows: Rows = new Map();
  for (const y of [...crossings.keys()].sort((a, b) => a - b)) {
    const spans: Span[] = [];
    let winding = 0;
    let from = 0;
    for (const { x, turn } of (crossings.get(y) ?? []).sort((a, b) => a.x - b.x)) {
      if (winding === 0) from = x;
      winding += turn;
      if (winding !== 0) continue;
      const span: Span = [Math.max(-1, from), Math.min(width + 1, x)];
      if (span[1] > span[0]) spans.push(span);
    }
    if (spans.length > 0) rows.set(y, spans);
  }
  return rows;
}

/** Passes of the wide brush through bands that are inside all over; what they cover is taken out of the rows. */
function widePasses(rows: Rows): StrokePoint[][] {
  const passes: StrokePoint[][] = [];
  const round = BAND / 2;
  const bands = new Set([...rows.keys()].map((y) => Math.floor(y / BAND) * BAND));
  for (const top of bands) {
    let common = rows.get(top) ?? [];
    for (let y = top + 1; y < top + BAND && common.length > 0; y += 1) common = shared(common, rows.get(y) ?? []);
    for (const [a, b] of common) {
      const [from, to] = [a + round, b - round];
      if (to - from < LEAST_PASS) continue;
      passes.push([[from, top + round, WIDE], [to, top + round, WIDE]]);
      for (let y = top; y < top + BAND; y += 1) rows.set(y, without(rows.get(y) ?? [], [from, to]));
    }
  }
  return passes;
}

/** To and fro through rows that hang together. */
function thinPasses(rows: Rows): StrokePoint[][] {
  const passes: StrokePoint[][] = [];
  let open: { span: Span; points: StrokePoint[] }[] = [];
  let last = Number.NaN;
  for (const y of [...rows.keys()].sort((a, b) => a - b)) {
    const before = y === last + 1 ? open : [];
    last = y;
    open = (rows.get(y) ?? []).map((span) => {
      const at = before.findIndex(({ span: above }) => Math.min(above[1], span[1]) >= Math.max(above[0], span[0]));
      const [found] = at < 0 ? [] : before.splice(at, 1);
      const points = found?.points ?? [];
      if (!found) passes.push(points);
      follow(points, found?.span, span, y + 0.5);
      return { span, points };
    });
  }
  return passes;
}

/** Goes on into the next row, inside of both, and through all of it. */
function follow(points: StrokePoint[], above: Span | undefined, [a, b]: Span, y: number): void {
  const push = (x: number, row: number): void => {
    const last = points.at(-1);
    if (!last || last[0] !== x || last[1] !== row) points.push([x, row, THIN]);
  };
  const end = points.at(-1);
  if (!end || !above) {
    push(a, y);
    push(b, y);
    return;
  }
  const x = Math.min(Math.min(above[1], b), Math.max(Math.max(above[0], a), end[0]));
  push(x, end[1]);
  push(x, y);
  const nearFirst = x - a < b - x ? [a, b] : [b, a];
  for (const to of nearFirst) push(to, y);
}

function shared(some: readonly Span[], others: readonly Span[]): Span[] {
  return some.flatMap(([a, b]) =>
    others.map(([c, d]): Span => [Math.max(a, c), Math.min(b, d)]).filter(([from, to]) => to > from),
  );
}

function without(spans: readonly Span[], [from, to]: Span): Span[] {
  return spans.flatMap(([a, b]): Span[] =>
    b <= from || a >= to ? [[a, b]] : ([[a, from], [to, b]] as Span[]).filter(([start, end]) => end > start),
  );
}

import type { Brush, StrokePoint } from "../../client/src";

/** A stroke of a starter sketch, on a square from 0 to 1. */
export interface StarterStroke {
  color: string;
  /** Diameter. */
  size: number;
  hardness: number;
  points: [number, number][];
}

/** A sketch that paints itself. */
export interface Starter {
  name: string;
  prompt: string;
  strokes: StarterStroke[];
}

/** The sketches that an empty canvas offers. */
export const STARTERS: readonly Starter[] = [
  {
    name: "Red apple",
    prompt: "red apple",
    strokes: [
      stroke("#c8261f", 0.2, spiral(0.5, 0.56, 0.2)),
      stroke("#e2503f", 0.1, arc(0.44, 0.5, 0.13, 200, 290)),
      stroke("#5b3a1e", 0.035, [[0.5, 0.37], [0.51, 0.29], [0.54, 0.22]]),
      stroke("#4f8a34", 0.07, [[0.55, 0.25], [0.62, 0.21], [0.69, 0.22]]),
    ],
  },
  {
    name: "Sea and meadow",
    prompt: "sea and meadow",
    strokes: [
      ...band("#a9d3ec", 0.16, 0, 0.36),
      ...band("#2c6fa8", 0.15, 0.36, 0.66),
      ...band("#5d9b3c", 0.16, 0.66, 1),
    ],
  },
  {
    name: "House at sunset",
    prompt: "a house on a green hill under a sunset sky",
    strokes: [
      ...band("#f6b26b", 0.19, 0.3, 0.9),
      ...band("#d9658b", 0.17, 0, 0.32),
      stroke("#ffe08a", 0.15, arc(0.76, 0.42, 0.01, 0, 360)),
      stroke("#4e8f3a", 0.3, [[0, 0.94], [0.2, 0.83], [0.45, 0.79], [0.7, 0.82], [1, 0.95]]),
      stroke("#3f7a31", 0.2, [[0, 1], [0.5, 0.97], [1, 1]]),
      stroke("#efe3cd", 0.13, [[0.37, 0.55], [0.37, 0.65], [0.48, 0.65], [0.48, 0.55], [0.37, 0.55]]),
      stroke("#9c3b2b", 0.06, [[0.3, 0.49], [0.425, 0.37], [0.55, 0.49], [0.35, 0.48], [0.425, 0.41], [0.5, 0.47], [0.4, 0.45], [0.45, 0.44]]),
      stroke("#5a3b28", 0.05, [[0.44, 0.64], [0.44, 0.69]]),
    ],
  },
  {
    name: "Smiling face",
    prompt: "smiling face",
    strokes: [
      stroke("#f7c948", 0.22, spiral(0.5, 0.5, 0.24)),
      stroke("#3b2a1a", 0.075, [[0.4, 0.41], [0.4, 0.45]]),
      stroke("#3b2a1a", 0.075, [[0.6, 0.41], [0.6, 0.45]]),
      stroke("#7d2c22", 0.055, arc(0.5, 0.51, 0.16, 160, 20)),
    ],
  },
];

/** A starter's stroke on a canvas: centred on the largest square that fits, bands go all across. */
export function starterStroke(
  starter: StarterStroke,
  canvas: { width: number; height: number },
): { brush: Brush; points: StrokePoint[] } {
  const side = Math.min(canvas.width, canvas.height);
  const across = starter.points.some(([x]) => x <= 0) && starter.points.some(([x]) => x >= 1);
  const left = (canvas.width - side) / 2;
  const top = (canvas.height - side) / 2;
  const tall = starter.points.length === 2 && across;
  const points = starter.points.map(([x, y]): StrokePoint => [
    across ? x * canvas.width : left + x * side,
    tall ? y * canvas.height : top + y * side,
    1,
  ]);
  const size = starter.size * (tall ? Math.max(side, canvas.height) : side);
  return {
    brush: { tool: "brush", size, hardness: starter.hardness, opacity: 1, color: starter.color },
    points: evenly(points, Math.max(2, size / 8)),
  };
}

/** The same path with a point at least every `spacing` canvas pixels. */
export function evenly(points: readonly StrokePoint[], spacing: number): StrokePoint[] {
  const even: StrokePoint[] = [];
  let last: StrokePoint | undefined;
  for (const point of points) {
    if (last) {
      const pieces = Math.max(1, Math.ceil(Math.hypot(point[0] - last[0], point[1] - last[1]) / spacing));
      for (let piece = 1; piece <= pieces; piece += 1) {
        const part = piece / pieces;
        even.push([
          last[0] + (point[0] - last[0]) * part,
          last[1] + (point[1] - last[1]) * part,
          last[2] + (point[2] - last[2]) * part,
        ]);
      }
    } else {
      even.push(point);
    }
    last = point;
  }
  return even;
}

function stroke(color: string, size: number, points: [number, number][]): StarterStroke {
  return { color, size, hardness: 0.85, points };
}

/** Horizontal strokes, to and fro, that fill a band. */
function band(color: string, size: number, top: number, bottom: number): StarterStroke[] {
  const rows = Math.max(1, Math.ceil((bottom - top) / (size * 0.75)));
  return Array.from({ length: rows }, (_, row) => {
    const y = top + ((row + 0.5) / rows) * (bottom - top);
    return stroke(color, size, row % 2 === 0 ? [[0, y], [1, y]] : [[1, y], [0, y]]);
  });
}

function arc(x: number, y: number, radius: number, from: number, to: number): [number, number][] {
  const pieces = 16;
  return Array.from({ length: pieces + 1 }, (_, piece) => {
    const angle = ((from + ((to - from) * piece) / pieces) * Math.PI) / 180;
    return [x + Math.cos(angle) * radius, y + Math.sin(angle) * radius];
  });
}

/** A disc, painted once around its rim and then inwards. */
function spiral(x: number, y: number, radius: number): [number, number][] {
  const turns = 2.75;
  const rim = 0.4;
  const pieces = 160;
  return Array.from({ length: pieces + 1 }, (_, piece) => {
    const part = piece / pieces;
    const reach = radius * Math.min(1, (1 - part) / (1 - rim));
    const angle = part * turns * 2 * Math.PI - Math.PI / 2;
    return [x + Math.cos(angle) * reach, y + Math.sin(angle) * reach];
  });
}

import type { Rect, StrokePoint } from "../../client/src";
import { intersect, isEmpty, rectAround, TILE, tilesIn } from "./geometry";
import { type BrushTip, builtUp, buildsUp, dabOf, isPlain, leftBy, Nib, scaled, tipHardness } from "./tip";

/** The shape of a brush, without what it paints. */
export interface BrushShape extends BrushTip {
  /** Diameter in canvas pixels at pressure 1. */
  size: number;
  /** 0 (soft to the centre) … 1 (hard edge). */
  hardness: number;
}

/** A thinner brush leaves nothing; the diameter, in canvas pixels. */
const LEAST_DIAMETER = 0.25;

/** The radius of a dab, in canvas pixels. */
export function dabRadius(size: number, pressure: number): number {
  return (size * Math.min(1, Math.max(0, pressure))) / 2;
}

/**
 * How much a dab covers at a distance from its centre, 0 … 1.
 *
 * What the server draws follows from the same formulas, in `src/canvas/sweep.rs`.
 */
export function dabCoverage(distance: number, radius: number, hardness: number): number {
  if (2 * radius < LEAST_DIAMETER) return 0;
  const edge = radius * (1 - hardness);
  // An edge thinner than a pixel is the antialiasing of a hard one; a brush thinner than a pixel covers a part of it.
  if (edge < 1) return Math.min(1, 2 * radius, Math.max(0, radius + 0.5 - distance));
  const inside = Math.min(1, Math.max(0, (radius - distance) / edge));
  return inside * inside * (3 - 2 * inside);
}

/** The pixels that the sweep from one point to the next can touch. */
export function sweepBounds(from: StrokePoint, to: StrokePoint, size: number): Rect {
  const a = dabRadius(size, from[2]) + 1;
  const b = dabRadius(size, to[2]) + 1;
  return rectAround(
    Math.min(from[0] - a, to[0] - b),
    Math.min(from[1] - a, to[1] - b),
    Math.max(from[0] + a, to[0] + b),
    Math.max(from[1] + a, to[1] + b),
  );
}

/**
 * How much one stroke covers each pixel: one byte per pixel in sparse tiles.
 * Crossing its own path covers no more than passing once, a maximum and no sum, unless the brush has a flow.
 */
export class Coverage {
  readonly tiles = new Map<number, Uint8Array>();
  readonly #width: number;
  readonly #height: number;

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
  }

  /** Sweeps the brush between two points, inside `clip` only, and answers what it touched. */
  sweep(from: StrokePoint, to: StrokePoint, brush: BrushShape, clip?: Rect): Rect {
    // The brush is in the air, between two parts of a stroke.
    if (2 * Math.max(dabRadius(brush.size, from[2]), dabRadius(brush.size, to[2])) < LEAST_DIAMETER) return [0, 0, 0, 0];
    const canvas: Rect = [0, 0, this.#width, this.#height];
    const reach = intersect(sweepBounds(from, to, brush.size), clip ? intersect(clip, canvas) : canvas);
    if (isEmpty(reach)) return reach;
    const capsule = capsuleBetween(from, to, brush.size);
    for (const tile of tilesIn(reach, this.#width, this.#height)) {
      if (missesTile(capsule, tile.rect)) continue;
      const known = this.tiles.get(tile.index);
      const bytes = known ?? new Uint8Array(TILE * TILE);
      const part = intersect(tile.rect, reach);
      const any = isPlain(brush)
        ? sweepTile(bytes, tile.rect, part, capsule, brush.hardness)
        : sweepTipTile(bytes, tile.rect, part, capsule, brush);
      // A tile that was only grazed would wait for pixels that never come.
      if (any && !known) this.tiles.set(tile.index, bytes);
    }
    return reach;
  }

  /** Clears a rectangle and drops the tiles that are empty then. */
  clear(rect: Rect): void {
    for (const tile of tilesIn(rect, this.#width, this.#height)) {
      const bytes = this.tiles.get(tile.index);
      if (!bytes) continue;
      const inside = intersect(tile.rect, rect);
      if (inside[2] === tile.rect[2] && inside[3] === tile.rect[3]) {
        this.tiles.delete(tile.index);
        continue;
      }
      for (let y = inside[1]; y < inside[1] + inside[3]; y += 1) {
        const start = (y - tile.rect[1]) * TILE + inside[0] - tile.rect[0];
        bytes.fill(0, start, start + inside[2]);
      }
      if (bytes.every((byte) => byte === 0)) this.tiles.delete(tile.index);
    }
  }

  /** Adds another stroke's coverage inside a rectangle, as a maximum. */
  absorb(other: Coverage, rect: Rect): void {
    for (const tile of tilesIn(rect, this.#width, this.#height)) {
      const source = other.tiles.get(tile.index);
      if (!source) continue;
      let target = this.tiles.get(tile.index);
      if (!target) {
        target = new Uint8Array(TILE * TILE);
        this.tiles.set(tile.index, target);
      }
      const inside = intersect(tile.rect, rect);
      for (let y = inside[1]; y < inside[1] + inside[3]; y += 1) {
        const start = (y - tile.rect[1]) * TILE + inside[0] - tile.rect[0];
        for (let at = start; at < start + inside[2]; at += 1) {
          target[at] = Math.max(target[at] ?? 0, source[at] ?? 0);
        }
      }
    }
  }

  /** Coverage of a pixel, 0 … 255. */
  at(x: number, y: number): number {
    for (const tile of tilesIn([x, y, 1, 1], this.#width, this.#height)) {
      return this.tiles.get(tile.index)?.[(y - tile.rect[1]) * TILE + x - tile.rect[0]] ?? 0;
    }
    return 0;
  }
}

interface Capsule {
  x: number;
  y: number;
  dx: number;
  dy: number;
  /** 1 / length², 0 for a single dab. */
  inverse: number;
  radius: number;
  radiusChange: number;
}

function capsuleBetween(from: StrokePoint, to: StrokePoint, size: number): Capsule {
  const dx = to[0] - from[0];
  const dy = to[1] - from[1];
  const squared = dx * dx + dy * dy;
  const start = dabRadius(size, from[2]);
  const end = dabRadius(size, to[2]);
  return squared > 1e-9
    ? { x: from[0], y: from[1], dx, dy, inverse: 1 / squared, radius: start, radiusChange: end - start }
    : // Pressed harder or lifted in one place.
      { x: from[0], y: from[1], dx, dy, inverse: 0, radius: Math.max(start, end), radiusChange: 0 };
}

function missesTile(capsule: Capsule, tile: Rect): boolean {
  const px = tile[0] + tile[2] / 2 - capsule.x;
  const py = tile[1] + tile[3] / 2 - capsule.y;
  const along = Math.min(1, Math.max(0, (px * capsule.dx + py * capsule.dy) * capsule.inverse));
  const distance = Math.hypot(px - along * capsule.dx, py - along * capsule.dy);
  const largest = Math.max(capsule.radius, capsule.radius + capsule.radiusChange);
  return distance > largest + 1 + Math.hypot(tile[2], tile[3]) / 2;
}

/** As `sweepTile`, of a tip that is no plain disc; one that builds up covers more of what was left. */
function sweepTipTile(bytes: Uint8Array, tile: Rect, part: Rect, capsule: Capsule, brush: BrushShape): boolean {
  let any = false;
  const nib = new Nib(brush);
  const hardness = tipHardness(brush.kind, brush.hardness);
  const dab = buildsUp(brush) ? dabOf(brush.flow ?? 1) : undefined;
  const [du, dv] = [nib.along(capsule.dx, capsule.dy), nib.across(capsule.dx, capsule.dy)];
  const squared = du * du + dv * dv;
  const inverse = capsule.inverse > 0 && squared > 0 ? 1 / squared : 0;
  const taper = capsule.radiusChange * inverse;
  for (let y = part[1]; y < part[1] + part[3]; y += 1) {
    let at = (y - tile[1]) * TILE + part[0] - tile[0];
    for (let x = part[0]; x < part[0] + part[2]; x += 1, at += 1) {
      const [px, py] = [x + 0.5 - capsule.x, y + 0.5 - capsule.y];
      const [u, v] = [nib.along(px, py), nib.across(px, py)];
      let along = (u * du + v * dv) * inverse;
      if (taper !== 0) {
        const across = (u - along * du) ** 2 + (v - along * dv) ** 2;
        const width = capsule.radius + along * capsule.radiusChange;
        along = width > 0 ? along + (taper * across) / width : capsule.radiusChange > 0 ? 1 : 0;
      }
      along = along < 0 ? 0 : along > 1 ? 1 : along;
      const radius = capsule.radius + along * capsule.radiusChange;
      const away = Math.hypot(px - along * capsule.dx, py - along * capsule.dy);
      if (away >= radius + 0.5) continue;
      const covered =
        nib.flatness === 1 ? dabCoverage(away, radius, hardness) : nib.covered(u - along * du, v - along * dv, away, radius, hardness);
      const left = leftBy(brush.kind, Math.round(255 * covered), (2 * radius) / brush.size, x, y);
      const before = bytes[at] ?? 0;
      const after = dab === undefined ? Math.max(before, left) : builtUp(before, scaled(left, dab));
      if (after === before) continue;
      bytes[at] = after;
      any = true;
    }
  }
  return any;
}

function sweepTile(bytes: Uint8Array, tile: Rect, part: Rect, capsule: Capsule, hardness: number): boolean {
  let any = false;
  const { dx, dy, inverse, radius, radiusChange } = capsule;
  const taper = radiusChange * inverse;
  const isHard = Math.max(radius, radius + radiusChange) * (1 - hardness) < 1;
  const slope = radiusChange * taper;
  const ahead = taper / Math.sqrt(Math.max(0, 1 - slope));
  for (let y = part[1]; y < part[1] + part[3]; y += 1) {
    const py = y + 0.5 - capsule.y;
    let at = (y - tile[1]) * TILE + part[0] - tile[0];
    for (let x = part[0]; x < part[0] + part[2]; x += 1, at += 1) {
      const px = x + 0.5 - capsule.x;
      let along = (px * dx + py * dy) * inverse;
      if (taper !== 0) {
        const across = (px - along * dx) ** 2 + (py - along * dy) ** 2;
        const width = radius + along * radiusChange;
        if (isHard && slope < 1) {
          // Of all the discs along the way the one counts in which the pixel lies farthest from the edge.
          along += ahead * Math.sqrt(across);
        } else if (isHard || width <= 0) {
          along = radiusChange > 0 ? 1 : 0;
        } else {
          // The one in which it lies deepest: the least distance / radius.
          along += (taper * across) / width;
        }
      }
      along = along < 0 ? 0 : along > 1 ? 1 : along;
      const ex = px - along * dx;
      const ey = py - along * dy;
      const reach = radius + along * radiusChange;
      const squared = ex * ex + ey * ey;
      if (squared >= (reach + 0.5) * (reach + 0.5)) continue;
      const covered = Math.round(255 * dabCoverage(Math.sqrt(squared), reach, hardness));
      if (covered <= (bytes[at] ?? 0)) continue;
      bytes[at] = covered;
      any = true;
    }
  }
  return any;
}

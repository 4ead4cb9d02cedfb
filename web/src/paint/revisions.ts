import type { Rect } from "../../client/src";
import { contains, intersect, isEmpty, subtract, tilesIn } from "./geometry";

interface TileRevision {
  /** Revision of every pixel of the tile that no entry of `newer` covers. */
  rev: number;
  /** Parts of the tile that show a newer revision, oldest first. */
  newer: { rect: Rect; rev: number }[];
}

/**
 * Which revision each pixel of one layer shows, kept by tiles.
 *
 * A frame may not replace pixels that show a newer revision; an equal revision
 * may, since a render's later steps come with the revision of its first.
 */
export class Revisions {
  readonly #tiles = new Map<number, TileRevision>();
  readonly #width: number;
  readonly #height: number;

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
  }

  /** Takes a frame in and answers which parts of it are to be drawn. */
  accept(rect: Rect, rev: number): Rect[] {
    const parts: Rect[] = [];
    let whole = true;
    for (const tile of tilesIn(rect, this.#width, this.#height)) {
      const inside = intersect(tile.rect, rect);
      const accepted = this.#acceptInTile(tile.index, tile.rect, inside, rev);
      whole &&= accepted.length === 1 && contains(accepted[0] ?? [0, 0, 0, 0], inside);
      parts.push(...accepted);
    }
    return whole && parts.length > 0
      ? [intersect(rect, [0, 0, this.#width, this.#height])]
      : parts;
  }

  /** The revision that a pixel shows; 0 before the first frame. */
  at(x: number, y: number): number {
    for (const tile of tilesIn([x, y, 1, 1], this.#width, this.#height)) {
      const state = this.#tiles.get(tile.index);
      if (!state) return 0;
      const covering = state.newer.filter((part) => !isEmpty(intersect(part.rect, [x, y, 1, 1])));
      return Math.max(0, state.rev, ...covering.map((part) => part.rev));
    }
    return 0;
  }

  /** True once every pixel of the canvas has come with some frame. */
  get complete(): boolean {
    for (const tile of tilesIn([0, 0, this.#width, this.#height], this.#width, this.#height)) {
      const state = this.#tiles.get(tile.index);
      if (!state) return false;
      if (state.rev >= 0) continue;
      let open: Rect[] = [tile.rect];
      for (const part of state.newer) open = open.flatMap((rect) => subtract(rect, part.rect));
      if (open.length > 0) return false;
    }
    return true;
  }

  #acceptInTile(index: number, tile: Rect, inside: Rect, rev: number): Rect[] {
    let state = this.#tiles.get(index);
    if (!state) {
      state = { rev: -1, newer: [] };
      this.#tiles.set(index, state);
    }
    if (rev < state.rev) return [];
    let open: Rect[] = [inside];
    for (const part of state.newer) {
      if (part.rev > rev) open = open.flatMap((rect) => subtract(rect, part.rect));
    }
    if (open.length === 0) return [];
    state.newer = state.newer.filter((part) => part.rev > rev || !contains(inside, part.rect));
    if (contains(inside, tile)) state.rev = rev;
    else state.newer.push({ rect: inside, rev });
    state.newer.sort((a, b) => a.rev - b.rev);
    return open;
  }
}

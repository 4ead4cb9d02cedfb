import { describe, expect, it } from "vitest";
import type { LayerChange, PaintLayer, SequencedOp } from "../client/src";
import { Layers, OPACITY_GAP_MS } from "../src/studio/layers.svelte";
import { UNSEEN_REFRESH_MS, UnseenLayers } from "../src/studio/unseen-layers.svelte";
import { FakeClock } from "./fakes";

function layer(id: number, more: Partial<PaintLayer> = {}): PaintLayer {
  return { id, name: `Layer ${id + 1}`, visible: true, opacity: 1, blend: "normal", locked: false, alpha_locked: false, seen: true, ...more };
}

function op(seq: number, change: LayerChange, layers: PaintLayer[]): SequencedOp {
  return { seq, client: "me", op: { type: "layer", ...change }, layers };
}

function layers(): { all: Layers; sent: LayerChange[]; clock: FakeClock } {
  const sent: LayerChange[] = [];
  const clock = new FakeClock();
  return { all: new Layers((change) => sent.push(change), clock), sent, clock };
}

describe("layers", () => {
  it("takes what one added oneself in hand, and not what others add", () => {
    const { all, sent } = layers();
    all.welcome(undefined);
    expect(all.ofStroke).toEqual({});
    all.add();
    expect(sent).toEqual([{ action: "add", above: 0 }]);
    all.heard(op(4, { action: "add" }, [layer(0), layer(4)]), true);
    expect(all.ofStroke).toEqual({ layer: 4 });
    all.heard(op(5, { action: "add" }, [layer(0), layer(4), layer(5)]), false);
    expect(all.active).toBe(4);
  });

  it("falls to the layer below when the one in hand goes", () => {
    const { all } = layers();
    all.welcome([layer(0), layer(3), layer(7)]);
    all.choose(7);
    all.heard(op(8, { action: "remove", layer: 7 }, [layer(0), layer(3)]), false);
    expect(all.active).toBe(3);
    all.heard(op(9, { action: "remove", layer: 3 }, [layer(0)]), true);
    expect(all.active).toBe(0);
  });

  it("moves the layer in hand one place, and never under the lowest", () => {
    const { all, sent } = layers();
    all.welcome([layer(0), layer(3), layer(7)]);
    expect(all.target(1)).toBeUndefined();
    all.choose(3);
    expect(all.target(-1)).toBeUndefined();
    all.move(1);
    all.choose(7);
    all.move(-1);
    all.move(1);
    expect(sent).toEqual([
      { action: "move", layer: 3, above: 7 },
      { action: "move", layer: 7, above: 0 },
    ]);
  });

  it("sends a drag as one step, not too often, and shows it before it is the room's", () => {
    const { all, sent, clock } = layers();
    all.welcome([layer(0), layer(3)]);
    all.choose(3);
    for (const opacity of [0.8, 0.7, 0.6]) all.drag(opacity);
    expect(all.opacity).toBe(0.6);
    clock.pass(OPACITY_GAP_MS);
    all.drag(0.5);
    all.ends();
    all.drag(0.4);
    expect(sent).toEqual([
      { action: "set", layer: 3, opacity: 0.8 },
      { action: "set", layer: 3, opacity: 0.6, continues: true },
      { action: "set", layer: 3, opacity: 0.5, continues: true },
      { action: "set", layer: 3, opacity: 0.4 },
    ]);
    all.heard(op(9, { action: "set", layer: 3, opacity: 0.6 }, [layer(0), layer(3, { opacity: 0.6 })]), true);
    expect(all.opacity).toBe(0.4);
    all.heard(op(11, { action: "set", layer: 3, opacity: 0.4 }, [layer(0), layer(3, { opacity: 0.4 })]), true);
    all.heard(op(12, { action: "set", layer: 3, opacity: 0.9 }, [layer(0), layer(3, { opacity: 0.9 })]), false);
    expect(all.opacity).toBe(0.9);
    all.drag(0.1);
    all.refused();
    expect(all.opacity).toBe(0.9);
  });

  it("says why nothing can be painted", () => {
    const { all } = layers();
    all.welcome([layer(0, { locked: true }), layer(3, { visible: false }), layer(4)]);
    expect(all.whyNot).toContain("locked");
    all.choose(3);
    expect(all.whyNot).toContain("hidden");
    all.choose(4);
    expect(all.whyNot).toBeUndefined();
    all.choose(99);
    expect(all.active).toBe(4);
  });
});

describe("layers that the model does not see", () => {
  it("are fetched once the hand rests, and again after a stroke", async () => {
    const clock = new FakeClock();
    const asked: number[] = [];
    const unseen = new UnseenLayers((id) => {
      asked.push(id);
      return Promise.resolve(undefined);
    }, clock);
    const all = [layer(0, { seen: false }), layer(3, { seen: false }), layer(4), layer(5, { seen: false, visible: false })];
    unseen.follow(all);
    expect(unseen.all.map((shown) => shown.layer.id)).toEqual([3]);
    clock.pass(UNSEEN_REFRESH_MS);
    expect(asked).toEqual([3]);
    const stroke: SequencedOp = { seq: 9, client: "me", op: { type: "stroke", id: "a", points: [], done: true } };
    unseen.heard(stroke, all);
    unseen.heard({ ...stroke, seq: 10 }, all);
    clock.pass(UNSEEN_REFRESH_MS);
    expect(asked).toEqual([3, 3]);
    unseen.heard({ seq: 11, client: "me", op: { type: "settings", seed: 3 } }, all);
    clock.pass(UNSEEN_REFRESH_MS);
    expect(asked).toEqual([3, 3]);
  });
});

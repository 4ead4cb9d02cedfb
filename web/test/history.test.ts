import { beforeEach, expect, test } from "vitest";
import type { Op, Switch } from "../client/src";
import { History, pairIds } from "../src/studio/history.svelte";

let history: History;
let seq = 0;
const on = (entry: number): Switch => ({ entry, active: true });
const off = (entry: number): Switch => ({ entry, active: false });
/** The room says what an op switched. */
const add = (op: Op, switches: Switch[] = []): void => {
  seq += 1;
  history.add({ seq, client: "me", op, switches });
};
const stroke = (): void =>
  add({ type: "stroke", id: `s${seq}`, tool: "brush", size: 9, hardness: 1, opacity: 1, color: "#112233", points: [[1, 1, 1]], done: true });
const taken = (): number[] => history.entries.filter((entry) => entry.taken).map((entry) => entry.seq);

beforeEach(() => {
  history = new History();
  seq = 0;
  for (let count = 0; count < 3; count += 1) stroke();
});

test("undo and redo strike a line through and take it away again", () => {
  add({ type: "undo", target: 3 }, [off(3)]);
  expect(taken()).toEqual([3]);
  expect(history.latest).toBe("Undo");
  add({ type: "redo", target: 3 }, [on(3)]);
  expect(taken()).toEqual([]);
});

test("changes of settings are taken back like strokes, and those that go on are one line", () => {
  add({ type: "settings", strength: 0.3 });
  add({ type: "settings", strength: 0.5, continues: true });
  expect(history.entries.map((entry) => entry.label).slice(3)).toEqual(["Strength: 0.5"]);
  add({ type: "revert", seq: 2 }, [off(3), off(4)]);
  expect(taken()).toEqual([3, 4]);
});

test("what a photo wants goes with the photo", () => {
  add({ type: "place", image: "a", mode: "invert" });
  add({ type: "settings", guidance_scale: 3, continues: true });
  expect(history.entries.map((entry) => entry.label).slice(3)).toEqual(["Placed a photo"]);
});

test("a picture on a layer is no base, and goes with the layer that was added for it", () => {
  add({ type: "layer", action: "add", name: "barn" });
  add({ type: "place", image: "a", mode: "plain", layer: 4, continues: true });
  add({ type: "place", image: "b", mode: "plain", layer: 4 });
  expect(history.entries.map((entry) => entry.label).slice(3)).toEqual(["New layer", "Picture on a layer"]);
  expect(history.base).toBeUndefined();
});

test("what lies under the strokes is the last base that was not taken back", () => {
  add({ type: "place", image: "a", mode: "invert" });
  add({ type: "apply" });
  expect(history.base).toMatchObject({ seq: 5, base: "picture" });
  add({ type: "revert", seq: 4 }, [off(5)]);
  expect(history.base).toMatchObject({ seq: 4, base: "photo" });
  add({ type: "revert", seq: 3 }, [off(4), off(6)]);
  expect(history.base).toBeUndefined();
});

test("what an op switched is struck through or comes back, whatever the op", () => {
  add({ type: "undo", target: 2 }, [off(2)]);
  add({ type: "revert", seq: 2 }, [on(2), off(3)]);
  expect(taken()).toEqual([3]);
  expect(history.latest).toBe("Went back");
  add({ type: "undo", target: 5 }, [off(5), off(2), on(3)]);
  expect(taken()).toEqual([2, 5]);
  add({ type: "redo", target: 5 }, [on(5), on(2), off(3)]);
  expect(taken()).toEqual([3]);
  add({ type: "revert", seq: 0 }, [off(1), off(2), off(5), off(99)]);
  expect(taken(), "an entry from before this page joined has no line").toEqual([1, 2, 3, 5]);
});

test("a mask that the room made is a line of its own", () => {
  add({ type: "mask", rect: [0, 0, 64, 64] });
  expect(history.entries.at(-1)).toMatchObject({ seq: 4, label: "Mask", taken: false });
});

test("a photo from before this page joined is the base until it is taken back", () => {
  const late = new History();
  late.welcome(4);
  const hear = (seq: number, op: Op, ...switches: Switch[]): void => late.add({ seq, client: "me", op, switches });
  expect(late.base).toMatchObject({ seq: 4, base: "photo" });
  expect(late.entries, "no line of its own").toEqual([]);
  hear(6, { type: "place", image: "a", mode: "plain" });
  expect(late.base?.seq).toBe(6);
  hear(7, { type: "undo", target: 6 }, off(6));
  expect(late.base?.seq).toBe(4);
  hear(8, { type: "undo", target: 4 }, off(4));
  expect(late.base).toBeUndefined();
  hear(9, { type: "redo", target: 4 }, on(4));
  hear(10, { type: "revert", seq: 3 }, off(4));
  expect(late.base).toBeUndefined();
  hear(11, { type: "undo", target: 10 }, off(10), on(4));
  expect(late.base?.seq).toBe(4);
});

test("a photo that this page heard being placed stays the same on rejoining", () => {
  add({ type: "place", image: "a", mode: "invert" });
  history.welcome(4);
  expect(history.entries.filter((entry) => entry.base === "photo")).toHaveLength(1);
  const late = new History();
  late.welcome(4);
  late.add({ seq: 4, client: "me", op: { type: "place", image: "a", mode: "invert" } });
  late.add({ seq: 5, client: "me", op: { type: "undo", target: 4 }, switches: [off(4)] });
  expect(late.base, "missed, and heard after the welcome").toBeUndefined();
});

test("of a pair, the other stroke has yet to follow", () => {
  const [first, second] = pairIds("x");
  for (const id of [first, second]) add({ type: "stroke", id, tool: "mask", size: 9, hardness: 1, opacity: 1, color: "#000000", points: [[1, 1, 1]], done: true });
  const half = (switches: Switch[], type: "undo" | "redo"): boolean => {
    add({ type, target: 0 }, switches);
    return history.leavesHalf(switches);
  };
  expect(half([off(5)], "undo")).toBe(true);
  expect(half([off(4)], "undo"), "both are out").toBe(false);
  expect(half([off(3)], "undo"), "a stroke of its own").toBe(false);
  expect(half([on(3)], "redo")).toBe(false);
  expect(half([on(4)], "redo")).toBe(true);
  expect(half([on(5)], "redo")).toBe(false);
});

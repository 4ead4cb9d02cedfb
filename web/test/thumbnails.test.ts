import { beforeEach, expect, test } from "vitest";
import { CALM_MS, Thumbnails, type Thumbnail } from "../src/studio/thumbnails.svelte";
import { FakeClock } from "./fakes";

const at = (seq: number, more: Partial<Thumbnail> = {}): Thumbnail => ({
  seq, picture: seq, label: `op ${seq}`, image: `data:${seq}`, ...more,
});
let clock: FakeClock;
let looks: (Thumbnail | undefined)[];
let thumbnails: Thumbnails;
const seqs = (): number[] => thumbnails.shown.map(({ seq }) => seq);

beforeEach(() => {
  clock = new FakeClock();
  looks = [];
  thumbnails = new Thumbnails(clock, () => looks.shift());
});

test("the picture is kept when it has come to rest, and not before", () => {
  looks = [undefined, at(2)];
  thumbnails.heard();
  clock.pass(10 * CALM_MS);
  expect(looks, "an op alone changes no pixel").toHaveLength(2);
  thumbnails.changed();
  clock.pass(CALM_MS - 1);
  thumbnails.heard();
  clock.pass(CALM_MS - 1);
  thumbnails.changed();
  clock.pass(CALM_MS);
  expect(seqs(), "better pixels are to come").toEqual([]);
  clock.pass(CALM_MS);
  expect(seqs()).toEqual([2]);
});

test("the newest 24 states are kept, newest first", () => {
  for (let seq = 1; seq <= 30; seq += 1) thumbnails.take(at(seq));
  expect(seqs()).toEqual(Array.from({ length: 24 }, (_, index) => 30 - index));
});

test("a finer render of the same state takes its place", () => {
  for (const thumbnail of [at(1), at(2), at(2, { image: "data:finer" })]) thumbnails.take(thumbnail);
  expect(seqs()).toEqual([2, 1]);
  expect(thumbnails.shown[0]?.image).toBe("data:finer");
});

test("a state that looks no different is not shown twice", () => {
  thumbnails.take(at(4));
  thumbnails.take(at(6, { image: "data:4", label: "Live: off" }));
  expect(thumbnails.shown).toEqual([at(6, { image: "data:4", label: "op 4" })]);
});

test("what the server can no longer go back to is not offered", () => {
  for (const seq of [3, 5, 8]) thumbnails.take(at(seq));
  thumbnails.forgetThrough(5);
  expect(seqs()).toEqual([8]);
});

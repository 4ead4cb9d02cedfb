import { beforeEach, expect, test } from "vitest";
import { framed, seenIn, UPRIGHT, type View } from "../src/stage/view";
import { Following } from "../src/studio/following.svelte";
import { PointerTrack } from "../src/stage/pointer-track";
import { PresenceSender } from "../src/studio/presence";
import type { Presence } from "../client/src";
import { FakeClock } from "./fakes";

let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

test("a pointer is told twenty times a second at most, and where it came to rest", () => {
  let now: Presence | undefined = { x: 0, y: 0 };
  const sent: number[] = [];
  const sender = new PresenceSender(clock, () => now, ({ x }) => sent.push(x));
  for (let x = 0; x < 100; x += 1) {
    now = { x, y: 0 };
    sender.changed();
    clock.pass(5);
  }
  clock.pass(1000);
  expect(sent.length).toBeLessThanOrEqual(11);
  expect(sent.length).toBeGreaterThanOrEqual(10);
  expect([sent[0], sent.at(-1)]).toEqual([0, 99]);
  now = undefined;
  sender.changed();
  clock.pass(1000);
  expect(sent.at(-1), "nobody hears it").toBe(99);
  now = { x: 7, y: 0 };
  sender.changed();
  expect(sent.at(-1), "at once after a rest").toBe(7);
});

test("a pointer glides between the places that were told, and jumps after a rest in no time", () => {
  const track = new PointerTrack({ x: 0, y: 0 }, 0);
  expect(track.isSettled(0)).toBe(true);
  track.move({ x: 100, y: 50 }, 50);
  expect(track.at(50)).toEqual({ x: 0, y: 0 });
  expect(track.at(75)).toEqual({ x: 50, y: 25 });
  track.move({ x: 100, y: 150 }, 75);
  expect(track.at(75), "it goes on from where it is").toEqual({ x: 50, y: 25 });
  expect(track.isSettled(80)).toBe(false);
  expect(track.at(1000)).toEqual({ x: 100, y: 150 });
  track.move({ x: 0, y: 0 }, 9000);
  expect(track.isSettled(9000 + 150)).toBe(true);
});

test("what somebody sees is framed whole, whatever the shape of one's own stage", () => {
  const theirs: View = { ...UPRIGHT, scale: 2, x: -300, y: 40 };
  const view = seenIn(theirs, { x: 800, y: 600 });
  expect(view).toEqual([150, -20, 400, 300]);
  for (const pane of [{ x: 800, y: 600 }, { x: 390, y: 844 }, { x: 1440, y: 300 }]) {
    const [x, y, width, height] = seenIn(framed(view, pane), pane);
    expect(x).toBeLessThanOrEqual(151);
    expect(y).toBeLessThanOrEqual(-19);
    expect(x + width).toBeGreaterThanOrEqual(549);
    expect(y + height).toBeGreaterThanOrEqual(279);
  }
  expect(framed(view, { x: 800, y: 600 })).toEqual(theirs);
});

function follower(still: boolean): { following: Following; looked: View[]; frames: (() => void)[] } {
  const looked: View[] = [UPRIGHT];
  const frames: (() => void)[] = [];
  const following = new Following({
    view: () => looked.at(-1) as View,
    pane: () => ({ x: 400, y: 300 }),
    look: (view) => looked.push(view),
    frame: (task) => {
      frames.push(task);
      return () => frames.splice(frames.indexOf(task), 1);
    },
    still,
  });
  return { following, looked, frames };
}

test("following glides to the other's view and ends there", () => {
  const { following, looked, frames } = follower(false);
  following.begin("bea", [100, 100, 200, 150]);
  for (let frame = 0; frame < 200 && frames.length > 0; frame += 1) frames.shift()?.();
  expect(frames).toEqual([]);
  expect(looked.at(-1)).toEqual({ ...UPRIGHT, scale: 2, x: -200, y: -200 });
  const count = looked.length;
  following.saw("cleo", [0, 0, 10, 10]);
  expect(looked, "of whom one does not follow").toHaveLength(count);
  following.saw("bea", [0, 0, 400, 300]);
  following.end();
  expect(frames, "moved by hand").toEqual([]);
  following.saw("bea", [0, 0, 40, 30]);
  expect(looked.at(-1)).not.toEqual({ ...UPRIGHT, scale: 10, x: 0, y: 0 });
});

test("where motion is unwelcome, following jumps", () => {
  const { following, looked, frames } = follower(true);
  following.begin("bea", undefined);
  expect(looked).toHaveLength(1);
  following.saw("bea", [0, 0, 200, 150]);
  expect([looked.at(-1), frames]).toEqual([{ ...UPRIGHT, scale: 2, x: 0, y: 0 }, []]);
});

import { expect, test } from "vitest";
import { FrameCounter, picturesOf, type RecordedPicture } from "../client/src";
import { Timelapse } from "../src/studio/timelapse.svelte";
import { FakeClock } from "./fakes";

/** A recording's body, in parts of so many bytes. */
function body(pictures: { seq: number; at_ms: number; file: string }[], part: number, cut = 0): ReadableStream<Uint8Array> {
  const whole = pictures.flatMap(({ file, ...facts }) => {
    const header = new TextEncoder().encode(JSON.stringify({ ...facts, bytes: file.length }));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, header.length, true);
    return [...length, ...header, ...new TextEncoder().encode(file)];
  });
  const bytes = Uint8Array.from(whole.slice(0, whole.length - cut));
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += part) controller.enqueue(bytes.slice(at, at + part));
      controller.close();
    },
  });
}

const PICTURES = [
  { seq: 3, at_ms: 1_700_000_000_000, file: "first" },
  { seq: 9, at_ms: 1_700_000_100_000, file: "the second one" },
];

test("pictures come whole, however their bytes are cut", async () => {
  for (const part of [1, 7, 1000]) {
    const read: [number, number, string, string][] = [];
    for await (const { seq, at, image } of picturesOf(body(PICTURES, part))) read.push([seq, at, await image.text(), image.type]);
    expect(read).toEqual(PICTURES.map(({ seq, at_ms, file }) => [seq, at_ms, file, "image/jpeg"]));
  }
});

test("a recording that breaks off says so, after what had come", async () => {
  const read: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const { seq } of picturesOf(body(PICTURES, 16, 3))) read.push(seq);
  };
  await expect(reading()).rejects.toThrow("broke off");
  expect(read).toEqual([3]);
});

/** A chunk of a PNG, its checksum left out of account. */
function chunk(name: string, length: number): number[] {
  return [0, 0, length >> 8, length & 255, ...new TextEncoder().encode(name), ...new Array<number>(length + 4).fill(0x66)];
}

test("frames are counted as they come, and not what looks like one", () => {
  // `f` all over: no name of a chunk is found inside another.
  const file = [...new Array<number>(8).fill(0), ...chunk("IHDR", 13), ...chunk("acTL", 8), ...chunk("fcTL", 26), ...chunk("IDAT", 300), ...chunk("fcTL", 26), ...chunk("fdAT", 270), ...chunk("IEND", 0)];
  for (const part of [1, 5, 4096]) {
    const counter = new FrameCounter();
    const seen: number[] = [];
    for (let at = 0; at < file.length; at += part) {
      counter.add(Uint8Array.from(file.slice(at, at + part)));
      seen.push(counter.frames);
    }
    expect(seen.at(-1)).toBe(2);
    expect([...seen].sort()).toEqual(seen);
  }
});

interface Made {
  timelapse: Timelapse;
  clock: FakeClock;
  shown: Set<string>;
}

function made(pictures: RecordedPicture[], fails?: Error): Made {
  const clock = new FakeClock();
  const shown = new Set<string>();
  let next = 0;
  async function* all(): AsyncGenerator<RecordedPicture, void> {
    for (const picture of pictures) yield picture;
    if (fails) throw fails;
  }
  const timelapse = new Timelapse({
    clock,
    recording: async () => ({ frames: pictures.length, pictures: all() }),
    file: async (query, heard, signal) => {
      heard(1, 2);
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (signal.aborted) throw new Error("aborted");
      return new Blob([JSON.stringify(query)]);
    },
    show: () => {
      next += 1;
      shown.add(`blob:${next}`);
      return `blob:${next}`;
    },
    hide: (address) => shown.delete(address),
  });
  return { timelapse, clock, shown };
}

const recorded = (count: number): RecordedPicture[] =>
  Array.from({ length: count }, (_, at) => ({ seq: at + 1, at: at * 1000, image: new Blob() }));

test("it plays as long as it is set to, rests on the last picture, and begins again", async () => {
  const { timelapse, clock } = made(recorded(5));
  timelapse.seconds = 10;
  await timelapse.open();
  expect([timelapse.stills.length, timelapse.place, timelapse.playing]).toEqual([5, 0, true]);
  clock.pass(2000);
  expect(timelapse.place).toBe(1);
  clock.pass(6000);
  expect(timelapse.place).toBe(4);
  clock.pass(3000);
  expect(timelapse.place).toBe(4);
  clock.pass(600);
  expect(timelapse.place).toBe(0);
  timelapse.seek(3);
  clock.pass(60_000);
  expect([timelapse.place, timelapse.playing]).toEqual([3, false]);
  timelapse.seek(99);
  timelapse.play();
  expect(timelapse.place).toBe(0);
});

test("what was shown is taken back when it closes, and nothing goes on", async () => {
  const { timelapse, clock, shown } = made(recorded(3));
  await timelapse.open();
  expect(shown.size).toBe(3);
  timelapse.close();
  expect(shown.size).toBe(0);
  clock.pass(10_000);
  expect([timelapse.place, timelapse.stills.length]).toEqual([0, 0]);
});

test("a recording that fails says why and keeps what had come", async () => {
  const { timelapse } = made(recorded(2), new Error("The recording broke off; try again."));
  await timelapse.open();
  expect([timelapse.stills.length, timelapse.trouble, timelapse.loading]).toEqual([2, "The recording broke off; try again.", false]);
});

test("a file is made with progress, and closing ends it", async () => {
  const { timelapse } = made(recorded(2));
  const making = timelapse.make(256);
  expect(timelapse.made).toEqual({ pictures: 1, frames: 2 });
  expect(await (await making)?.text()).toBe('{"seconds":10,"side":256}');
  expect(timelapse.made).toBeUndefined();
  const ended = timelapse.make(256);
  timelapse.close();
  expect(await ended).toBeUndefined();
  expect(timelapse.trouble).toBe("");
});

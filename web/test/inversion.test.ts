import { expect, test } from "vitest";
import type { Rect, RenderNews } from "../client/src";
import { afterNews, isWhole, likeness, PLACED, type InvertedPhoto } from "../src/studio/inversion";
import { InvertedPhotos, UNHEARD_MS } from "../src/studio/photos.svelte";
import { FakeClock } from "./fakes";

const CANVAS = { width: 512, height: 256 };
const [LEFT, RIGHT]: [Rect, Rect] = [[0, 0, 256, 256], [256, 0, 256, 256]];
const news = (state: RenderNews["state"], rect: Rect, more: Partial<RenderNews> = {}): RenderNews => ({
  state, rect, rev: 3, steps: 25, ...more,
});
const after = (...all: RenderNews[]): InvertedPhoto =>
  all.reduce((photo, next) => afterNews(photo, next, CANVAS), PLACED);

test("steps of every part count towards the whole photo", () => {
  expect(PLACED.phase).toBe("waiting");
  const begun = after(news("started", LEFT));
  expect([begun.phase, begun.part, begun.version]).toEqual(["running", 0, 0]);
  expect(after(news("progress", LEFT, { step: 5 })).part).toBeCloseTo(0.1);
  const half = after(news("progress", LEFT, { step: 24 }), news("done", LEFT, { psnr_db: 33 }));
  expect([half.phase, half.part, half.psnrDb, half.version]).toEqual(["still", 0.5, 33, 1]);
  const more = afterNews(half, news("progress", RIGHT, { step: 20 }), CANVAS);
  expect(more.phase).toBe("running");
  expect(more.part).toBeCloseTo(0.9);
  const whole = afterNews(more, news("done", RIGHT, { psnr_db: 34.06 }), CANVAS);
  expect([whole.phase, isWhole(whole), whole.version]).toEqual(["still", true, 2]);
});

test("what is inverted again is not counted twice", () => {
  const again = after(news("done", LEFT, { psnr_db: 30 }), news("progress", LEFT, { step: 20 }));
  expect([again.phase, again.part]).toEqual(["running", 0.5]);
  expect(afterNews(again, news("done", LEFT, { psnr_db: 31 }), CANVAS)).toMatchObject({ part: 0.5, psnrDb: 31, done: [LEFT] });
});

test.each(["superseded", "failed"] as const)("%s leaves what was inverted", (state) => {
  const stopped = after(news("done", LEFT, { psnr_db: 30 }), news("progress", RIGHT, { step: 9 }), news(state, RIGHT));
  expect(stopped).toMatchObject({ phase: "still", part: 0.5, psnrDb: 30 });
});

test("the likeness is told in plain words", () => {
  expect(likeness(after(news("started", LEFT), news("superseded", LEFT)))).toContain("Not inverted yet");
  expect(likeness(after(news("done", LEFT, { psnr_db: 33.04 })))).toBe(
    "50 % of the photo comes back at 33.0\u00a0dB; the brush inverts the rest",
  );
  expect(likeness(after(news("done", LEFT), news("done", RIGHT, { psnr_db: 34.06 })))).toBe("The photo comes back at 34.1\u00a0dB");
});

test("each placed photo has its own state, and one that is not begun waits for the brush", () => {
  const clock = new FakeClock();
  const photos = new InvertedPhotos(clock);
  const base = (seq: number) => ({ seq, client: "me", label: "", color: undefined, taken: false, base: "photo" }) as const;
  photos.place(4);
  photos.hear(news("done", LEFT, { psnr_db: 30 }), base(4), CANVAS);
  photos.place(9);
  expect(photos.under(base(9))?.phase).toBe("waiting");
  clock.pass(UNHEARD_MS);
  expect(photos.under(base(9))?.phase).toBe("still");
  expect(photos.under(base(4))?.psnrDb, "undone to").toBe(30);
  expect(photos.under(base(12)), "no photo").toBeUndefined();
});

test("a photo that was there before this page came is what the room tells of it", () => {
  const photos = new InvertedPhotos(new FakeClock());
  const base = { seq: 7, client: "", label: "", color: undefined, taken: false, base: "photo" } as const;
  photos.welcome({ seq: 7, done: [LEFT], running: [{ rect: RIGHT, step: 5 }], steps: 25, psnr_db: 30 }, CANVAS);
  expect(photos.under(base)).toMatchObject({ phase: "running", part: 0.6, psnrDb: 30, done: [LEFT] });
  photos.place(7);
  expect(photos.under(base)?.part, "the op that placed it is heard again").toBe(0.6);
  photos.hear(news("done", RIGHT, { psnr_db: 31 }), base, CANVAS);
  const whole = photos.under(base);
  expect(whole).toMatchObject({ phase: "still", part: 1, psnrDb: 31 });
  photos.welcome({ seq: 7, done: [LEFT], running: [], steps: 25 }, CANVAS);
  expect(photos.under(base)).toMatchObject({ phase: "still", part: 0.5, psnrDb: undefined });
  expect(photos.under(base)?.version, "its pictures are looked at anew").toBeGreaterThan(whole?.version ?? 0);
});

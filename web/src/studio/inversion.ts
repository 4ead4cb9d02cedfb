import { intersect, isEmpty } from "../paint/geometry";
import type { CanvasSize, PhotoInfo, Rect, RenderNews } from "../../client/src";

/** How far the inversion of a photo has come. */
export interface InvertedPhoto {
  /** `still` when nothing is being inverted: all is done, or the rest waits for the brush. */
  phase: "waiting" | "running" | "still";
  /** 0 … 1 of the photo, steps of unfinished parts included. */
  part: number;
  /** What DDIM makes of the noise against the photo, in decibels; undefined before any part is done. */
  psnrDb: number | undefined;
  done: readonly Rect[];
  running: readonly { rect: Rect; part: number }[];
  /** Grows with every part that is done: the noise has other pixels then. */
  version: number;
}

/** From so much on the whole photo counts as inverted: parts are rounded to pixels. */
const WHOLE = 0.995;

/** A photo that was just placed. */
export const PLACED: InvertedPhoto = { phase: "waiting", part: 0, psnrDb: undefined, done: [], running: [], version: 0 };

/** A photo that was placed before this page came, or while it was away. */
export function asWelcomed(info: PhotoInfo, canvas: CanvasSize, known: InvertedPhoto | undefined): InvertedPhoto {
  const running = info.running.map(({ rect, step }) => ({ rect, part: step / Math.max(1, info.steps) }));
  return {
    phase: running.length > 0 ? "running" : "still",
    part: partOf(info.done, running, canvas),
    psnrDb: info.psnr_db,
    done: info.done,
    running,
    version: (known?.version ?? 0) + 1,
  };
}

/** The photo after news of its inversion. */
export function afterNews(photo: InvertedPhoto, news: RenderNews, canvas: CanvasSize): InvertedPhoto {
  const others = photo.running.filter(({ rect }) => rect.join() !== news.rect.join());
  const begun = news.state === "started" || news.state === "progress";
  const running = begun ? [...others, { rect: news.rect, part: (news.step ?? 0) / Math.max(1, news.steps) }] : others;
  const done = news.state === "done" ? [...photo.done.filter((rect) => rect.join() !== news.rect.join()), news.rect] : photo.done;
  return {
    phase: running.length > 0 ? "running" : "still",
    part: partOf(done, running, canvas),
    psnrDb: news.psnr_db ?? photo.psnrDb,
    done,
    running,
    version: photo.version + (news.state === "done" ? 1 : 0),
  };
}

/** The whole photo is inverted. */
export function isWhole(photo: InvertedPhoto): boolean {
  return photo.part >= WHOLE;
}

/** How it stands, in words; before the first part is done nothing is known of the likeness. */
export function likeness(photo: InvertedPhoto): string {
  if (photo.psnrDb === undefined) return "Not inverted yet: the brush inverts what it touches";
  const decibels = `comes back at ${photo.psnrDb.toFixed(1)}\u00a0dB`;
  if (isWhole(photo)) return `The photo ${decibels}`;
  return `${Math.round(photo.part * 100)} % of the photo ${decibels}; the brush inverts the rest`;
}

/** The share of the canvas that is done; parts do not overlap. */
function partOf(done: readonly Rect[], running: InvertedPhoto["running"], canvas: CanvasSize): number {
  const bounds: Rect = [0, 0, canvas.width, canvas.height];
  const area = (rect: Rect): number => {
    const [, , width, height] = intersect(rect, bounds);
    return width * height;
  };
  // A part that is inverted again, under another prompt or with other steps, is done already.
  const fresh = running.filter(({ rect }) => done.every((other) => isEmpty(intersect(rect, other))));
  const pixels =
    done.reduce((sum, rect) => sum + area(rect), 0) + fresh.reduce((sum, { rect, part }) => sum + part * area(rect), 0);
  return Math.min(1, pixels / Math.max(1, canvas.width * canvas.height));
}

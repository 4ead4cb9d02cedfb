import { starterStroke, type Starter } from "../paint/starters";
import type { Studio } from "./studio.svelte";

/** How long a starter sketch takes to paint itself, in milliseconds. */
export const STARTER_MS = 1500;

/** Paints a starter sketch as real strokes, with its prompt. */
export async function paintStarter(studio: Studio, starter: Starter): Promise<void> {
  const { room } = studio;
  const { picture } = room;
  if (!picture || !room.mayPaint) return;
  room.settings.set({ prompt: starter.prompt });
  room.blank = false;
  const strokes = starter.strokes.map((stroke) => starterStroke(stroke, picture));
  const points = strokes.reduce((sum, stroke) => sum + stroke.points.length, 0);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const began = performance.now();
  let drawn = 0;
  for (const { brush, points: path } of strokes) {
    const hand = room.painter.begin(brush);
    let next = 0;
    while (next < path.length) {
      const due = calm ? points : Math.ceil(((performance.now() - began) / STARTER_MS) * points);
      const until = Math.min(path.length, Math.max(next, due - drawn));
      if (until > next) hand.add(path.slice(next, until));
      next = until;
      if (next < path.length) await nextFrame();
    }
    drawn += path.length;
    hand.end();
  }
}

/** The next animation frame, or a moment later in a page that is not seen. */
function nextFrame(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 60);
    requestAnimationFrame(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

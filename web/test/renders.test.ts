import { expect, test } from "vitest";
import type { RenderNews } from "../client/src";
import type { Notices } from "../src/studio/notices.svelte";
import { Renders } from "../src/studio/renders.svelte";
import { FakeClock } from "./fakes";

function listening() {
  const clock = new FakeClock();
  const troubles: string[] = [];
  const retired: number[] = [];
  const notices = { trouble: (text: string) => troubles.push(text) } as unknown as Notices;
  const renders = new Renders({ clock, notices, done: () => {}, retire: (rev) => retired.push(rev) });
  return { clock, troubles, retired, renders };
}

const news = (rest: Partial<RenderNews>): RenderNews => ({ state: "started", rev: 3, rect: [0, 0, 64, 64], steps: 2, ...rest });

test("a picture that is held back is told, and the ink of what was painted stays", () => {
  const { clock, troubles, retired, renders } = listening();
  renders.hear(news({}));
  expect(renders.busy).toHaveLength(1);
  renders.hear(news({ state: "failed", held_back: true, message: "The picture is held back." }));
  expect(renders.busy).toHaveLength(0);
  expect(troubles).toEqual(["The picture is held back."]);
  clock.pass(60_000);
  expect(retired).toEqual([]);
});

test("the ink under a picture goes once its pixels are there", () => {
  const { clock, troubles, retired, renders } = listening();
  renders.hear(news({}));
  renders.hear(news({ state: "done" }));
  expect(retired).toEqual([]);
  clock.pass(60_000);
  expect(retired).toEqual([3, 3]);
  expect(troubles).toEqual([]);
});

import { expect, test } from "vitest";
import type { ModelInfo } from "../client/src";
import { guidanceWarning } from "../src/studio/guidance";

test("only a model that looks distilled without guidance is warned of, and only above 1", () => {
  const model = (guidance_free: boolean): ModelInfo => ({ guidance_free }) as ModelInfo;
  expect(guidanceWarning(model(true), 1)).toBeUndefined();
  expect(guidanceWarning(model(true), 1.1)).toMatch(/above 1 .* burnt/);
  expect(guidanceWarning(model(false), 7.5)).toBeUndefined();
  expect(guidanceWarning(undefined, 7.5)).toBeUndefined();
});

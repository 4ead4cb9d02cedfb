import { expect, test } from "vitest";
import { CallRefused } from "../client/src";
import { LEAST_VARIATION, sheetSeeds, sheetSize, sheetTrouble, sheetVariation } from "../src/studio/variations";
import { seeded } from "./fakes";

test("pictures of a sheet have the canvas's shape, within what the model sees at once", () => {
  const model = { native_size: 256, largest_zoom: 2 };
  expect(sheetSize({ width: 512, height: 512 }, model)).toEqual({ width: 512, height: 512 });
  expect(sheetSize({ width: 4096, height: 2048 }, model)).toEqual({ width: 512, height: 256 });
  expect(sheetSize({ width: 4096, height: 64 }, model)).toEqual({ width: 512, height: 64 });
});

test("seeds are others than the room's, and make a difference", () => {
  const random = seeded(9);
  const seeds = sheetSeeds(7, () => (random() < 0.5 ? 7 / 1_000_000 : random()));
  expect(new Set([7, ...seeds]).size).toBe(5);
  expect(sheetVariation({ variation: 0 })).toBe(LEAST_VARIATION);
  expect(sheetVariation({ variation: 0.2 })).toBe(0.2);
});

test("who may not make sheets is told what to do instead", () => {
  expect(sheetTrouble(new CallRefused(401, "no", "invalid_token"))).toMatch(/roll the die/);
  expect(sheetTrouble(new Error("Busy."))).toBe("Busy.");
});

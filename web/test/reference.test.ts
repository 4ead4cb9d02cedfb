import { expect, test } from "vitest";
import { placedWithin } from "../src/studio/reference.svelte";

const PAGE = { width: 800, height: 600 };

test("a window stays where it is put, as large as it was made", () => {
  expect(placedWithin({ x: 100, y: 80, width: 300, height: 240 }, PAGE)).toEqual({ x: 100, y: 80, width: 300, height: 240 });
});

test("a window can always be taken hold of, on whatever page", () => {
  for (const page of [PAGE, { width: 390, height: 300 }, { width: 100, height: 100 }]) {
    for (const thrown of [{ x: -9e3, y: -9e3 }, { x: 9e3, y: 9e3 }]) {
      const { x, y, width, height } = placedWithin({ ...thrown, width: 5000, height: 2 }, page);
      expect(x).toBeLessThanOrEqual(page.width - 60);
      expect(x + width).toBeGreaterThanOrEqual(60);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(y).toBeLessThanOrEqual(page.height - 60);
      expect(width).toBeGreaterThanOrEqual(240);
      expect(height).toBeGreaterThanOrEqual(180);
    }
  }
});

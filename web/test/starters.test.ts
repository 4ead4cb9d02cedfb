import { expect, test } from "vitest";
import { evenly, starterStroke, STARTERS } from "../src/paint/starters";

test("every starter has a prompt, and strokes that lie on the canvas and move in small steps", () => {
  expect(STARTERS).toHaveLength(4);
  for (const starter of STARTERS) {
    expect(starter.prompt).not.toBe("");
    for (const size of [{ width: 512, height: 512 }, { width: 768, height: 512 }, { width: 512, height: 1024 }]) {
      for (const stroke of starter.strokes) {
        const { brush, points } = starterStroke(stroke, size);
        expect(brush.color).toMatch(/^#[0-9a-f]{6}$/);
        expect(brush.size).toBeGreaterThan(0.5);
        for (const [index, [x, y, pressure]] of points.entries()) {
          expect(x >= 0 && x <= size.width && y >= 0 && y <= size.height * 1.01 && pressure === 1).toBe(true);
          const before = points[index - 1];
          if (before) expect(Math.hypot(x - before[0], y - before[1])).toBeLessThanOrEqual(Math.max(2, brush.size / 8) + 1e-6);
        }
      }
    }
  }
});

test("a path cut evenly starts and ends where it did", () => {
  const even = evenly([[0, 0, 1], [10, 0, 0.5]], 3);
  expect(even).toHaveLength(5);
  expect(even[0]).toEqual([0, 0, 1]);
  expect(even.at(-1)).toEqual([10, 0, 0.5]);
});

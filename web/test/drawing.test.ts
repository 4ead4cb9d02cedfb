import { beforeEach, expect, test } from "vitest";
import type { Brush, StrokePoint } from "../client/src";
import { Drawing } from "../src/studio/drawing.svelte";
import { Toolbox } from "../src/studio/toolbox.svelte";

interface Drawn {
  brush: Brush;
  held: boolean;
  points: StrokePoint[];
  state: "open" | "done" | "cancelled";
}

let drawn: Drawn[];
let toolbox: Toolbox;
let drawing: Drawing;
let told: string[];

beforeEach(() => {
  drawn = [];
  told = [];
  toolbox = new Toolbox();
  drawing = new Drawing({
    toolbox,
    begin: (brush, held) => {
      const one: Drawn = { brush, held, points: [], state: "open" };
      drawn.push(one);
      return {
        id: String(drawn.length),
        add: (points) => void one.points.push(...points),
        commit: () => (one.held = false),
        end: () => (one.state = "done"),
        cancel: () => (one.state = "cancelled"),
      };
    },
    canvas: () => ({ width: 200, height: 100 }),
    pixel: () => 0.5,
    seen: () => ({ data: new Uint8ClampedArray(200 * 100 * 4).fill(255), width: 200, height: 100 }),
    tell: (sentence) => void told.push(sentence),
  });
});

function drag(...spots: [number, number][]): void {
  spots.forEach(([x, y], at) => (at === 0 ? drawing.begin([x, y, 1], false) : drawing.move([[x, y, 1]])));
  drawing.end();
}

test("a stroke becomes ink point by point", () => {
  drawing.begin([10, 10, 0.5], true);
  expect(drawn[0]).toMatchObject({ held: true, points: [[10, 10, 0.5]], state: "open" });
  drawing.commit();
  drawing.move([[12, 11, 0.6], [14, 12, 0.7]]);
  expect(drawn[0]?.points).toHaveLength(3);
  drawing.end();
  expect(drawn[0]).toMatchObject({ held: false, state: "done", points: [[10, 10, 0.5], [12, 11, 0.6], [14, 12, 0.7]] });
});

test("with Shift a stroke begins where the last one ended", () => {
  drag([10, 10], [20, 20]);
  drawing.held = { regular: true, centred: false };
  drag([60, 40]);
  expect(drawn[1]?.points.slice(0, 2)).toEqual([[20, 20, 1], [60, 40, 1]]);
});

test("a shape is only shown until it is done, and nothing of one that is dropped is sent", () => {
  toolbox.draw("rectangle");
  drawing.begin([10, 10, 1], false);
  drawing.move([[50, 40, 1]]);
  expect(drawn).toEqual([]);
  expect(drawing.preview(undefined)).toMatchObject({ rings: [[[10, 10], [50, 10], [50, 40], [10, 40]]], closed: true, filled: false });
  drawing.held = { regular: true, centred: false };
  expect(drawing.preview(undefined)?.rings[0]?.[2]).toEqual([50, 50]);
  drawing.cancel();
  expect([drawn, drawing.preview(undefined), drawing.unfinished]).toEqual([[], undefined, false]);
  drawing.held = { regular: false, centred: false };
  drag([10, 10], [30, 20], [50, 40]);
  expect(drawn).toHaveLength(1);
  expect(drawn[0]).toMatchObject({ state: "done", points: [[10, 10, 1], [50, 10, 1], [50, 40, 1], [10, 40, 1], [10, 10, 1]] });
});

test("shapes of the mask are filled, those that paint where that is wanted", () => {
  const isFilled = (): boolean => {
    drag([10, 10], [90, 70]);
    return drawn.at(-1)?.brush.hardness === 1 && (drawn.at(-1)?.points.length ?? 0) > 30;
  };
  toolbox.draw("ellipse");
  expect([toolbox.fills, isFilled()]).toEqual([false, false]);
  toolbox.fill(true);
  expect([toolbox.fills, isFilled()]).toEqual([true, true]);
  toolbox.fill(false);
  toolbox.take("mask");
  expect(toolbox.form, "a tool is taken to be drawn with freely").toBe("free");
  toolbox.draw("ellipse");
  expect(isFilled()).toBe(true);
  toolbox.turnTo("restore");
  expect([toolbox.form, isFilled(), drawn.at(-1)?.brush.tool]).toEqual(["ellipse", true, "restore"]);
});

test("a polygon ends at its first corner, at its last one, and when it is told to", () => {
  toolbox.draw("polygon");
  for (const corner of [[10, 10], [80, 12], [60, 70]] as const) drag([...corner]);
  expect([drawing.corners.length, drawn.length]).toEqual([3, 0]);
  expect(drawing.preview([90, 90])?.rings[0]).toEqual([[10, 10], [80, 12], [60, 70], [90, 90]]);
  drag([12, 12]);
  expect(drawing.corners).toEqual([]);
  expect(drawn[0]?.points).toEqual([[10, 10, 1], [80, 12, 1], [60, 70, 1], [10, 10, 1]]);
  for (const corner of [[10, 10], [80, 12], [60, 70], [60, 70]] as const) drag([...corner]);
  expect([drawing.corners.length, drawn.length]).toEqual([0, 2]);
  for (const corner of [[10, 10], [80, 12], [60, 70]] as const) drag([...corner]);
  drawing.dropCorner();
  drawing.finish();
  expect(drawn[2]?.points, "two corners are a line").toEqual([[10, 10, 1], [80, 12, 1]]);
  drag([10, 10]);
  drawing.abandon();
  expect([drawing.corners.length, drawn.length, drawing.unfinished]).toEqual([0, 3, false]);
});

test("copies of a shape are parts of one stroke", () => {
  toolbox.repeat({ mode: "both" });
  toolbox.draw("line");
  drag([10, 10], [50, 20]);
  expect(drawn).toHaveLength(1);
  expect(drawn[0]?.points.filter(([, , pressure]) => pressure > 0)).toEqual([
    [10, 10, 1], [50, 20, 1], [190, 10, 1], [150, 20, 1], [10, 90, 1], [50, 80, 1], [190, 90, 1], [150, 80, 1],
  ]);
  toolbox.toggleSymmetry();
  drag([10, 10], [50, 20]);
  expect(drawn[1]?.points).toHaveLength(2);
  toolbox.toggleSymmetry();
  expect(toolbox.symmetry.mode, "as it was last").toBe("both");
});

test("a steadied hand comes to the pointer at the end", () => {
  toolbox.steadyTo(1);
  drawing.begin([10, 10, 1], false);
  drawing.move([[30, 10, 1]]);
  expect(drawn[0]?.points).toEqual([[10, 10, 1]]);
  expect(drawing.string).toEqual({ tip: [10, 10], pointer: [30, 10] });
  drawing.end();
  expect(drawn[0]?.points).toEqual([[10, 10, 1], [30, 10, 1]]);
  expect(drawing.string).toBeUndefined();
});

test("a bucket fills from where it is pressed, with a plain brush", () => {
  toolbox.tips.set({ kind: "chalk", flow: 0.5 });
  toolbox.draw("bucket");
  drag([50, 50]);
  expect(drawn[0]).toMatchObject({ state: "done", brush: { tool: "brush", hardness: 1 } });
  expect(drawn[0]?.brush.kind).toBeUndefined();
  expect(drawn[0]?.points.length).toBeGreaterThan(3);
  drag([500, 50]);
  expect(drawn).toHaveLength(1);
  expect(told[0]).toMatch(/no picture there/);
});

test("a gradient runs along the drag, to nothing or to the second colour", () => {
  toolbox.draw("gradient");
  drag([10, 20], [60, 80], [110, 20]);
  expect(drawn[0]?.brush.gradient).toEqual({ kind: "linear", from: [10, 20], to: [110, 20] });
  toolbox.areas.set({ gradient: "radial", fades: false });
  drag([10, 20], [60, 20]);
  expect(drawn[1]?.brush.gradient).toEqual({ kind: "radial", from: [10, 20], to: [60, 20], color: toolbox.second });
  drag([10, 20]);
  expect(drawn).toHaveLength(2);
  expect(told[0]).toMatch(/dragged/);
});

test("text begins where the canvas is pressed", () => {
  toolbox.draw("text");
  drag([33, 44]);
  expect(drawing.writing).toEqual([33, 44]);
  drawing.stopWriting();
  expect(drawing.writing).toBeUndefined();
  expect(drawn).toHaveLength(0);
});

test("a stroke has the tip that is set, and a mask a plain one", () => {
  toolbox.tips.set({ kind: "flat", angle: 30, flow: 0.4 });
  drag([10, 10], [20, 20]);
  toolbox.take("mask");
  drag([10, 10], [20, 20]);
  expect(drawn[0]?.brush).toMatchObject({ kind: "flat", angle: 30, flow: 0.4 });
  expect(drawn[1]?.brush.kind ?? drawn[1]?.brush.flow).toBeUndefined();
  toolbox.take("brush");
  toolbox.tips.begins({ x: 0, y: 0, pressure: 1, altitude: Math.PI / 4, azimuth: Math.PI / 2 });
  expect(toolbox.brush.angle, "a pen says how it is held").toBe(90);
  toolbox.tips.set({ kind: "pencil", flow: 1 });
  expect(toolbox.brush.size, "a pencil that leans is wider").toBe(toolbox.size * 2.5);
  toolbox.tips.begins({ x: 0, y: 0, pressure: 1 });
  expect(toolbox.brush.size).toBe(toolbox.size);
  expect(toolbox.tips.felt(0.25)).toBe(0.25);
  toolbox.tips.set({ curve: "soft" });
  expect(toolbox.tips.felt(0.25)).toBe(0.5);
});

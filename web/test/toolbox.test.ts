import { expect, test } from "vitest";
import { Toolbox } from "../src/studio/toolbox.svelte";

test("words of the brush go with strokes that paint or mask", () => {
  const toolbox = new Toolbox();
  expect(toolbox.brush).not.toHaveProperty("prompt");
  toolbox.prompt = "  a boat ";
  expect(toolbox.brush.prompt).toBe("a boat");
  toolbox.take("mask");
  expect(toolbox.brush.prompt).toBe("a boat");
  for (const tool of ["erase", "restore"] as const) {
    toolbox.take(tool);
    expect(toolbox.brush).not.toHaveProperty("prompt");
  }
  toolbox.take("brush");
  toolbox.prompt = "   ";
  expect(toolbox.brush).not.toHaveProperty("prompt");
});

test("what took the brush's place is given back, unless a tool was taken meanwhile", () => {
  const toolbox = new Toolbox();
  expect(toolbox.lend("mask")).toBe(true);
  expect(toolbox.tool).toBe("mask");
  toolbox.giveBack();
  expect(toolbox.tool).toBe("brush");
  for (const chosen of ["mask", "erase"] as const) {
    toolbox.take("brush");
    toolbox.lend("mask");
    toolbox.take(chosen);
    toolbox.giveBack();
    expect(toolbox.tool).toBe(chosen);
  }
  expect(toolbox.lend("mask"), "only in the brush's place").toBe(false);
  expect(toolbox.tool).toBe("erase");
});

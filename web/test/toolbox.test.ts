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

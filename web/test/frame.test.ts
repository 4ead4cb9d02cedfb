import { expect, test } from "vitest";
import { decodeFrame } from "../client/src";

function frame(header: unknown, image: number[], claimed?: number): ArrayBuffer {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(4 + json.length + image.length);
  new DataView(bytes.buffer).setUint32(0, claimed ?? json.length, true);
  bytes.set(json, 4);
  bytes.set(image, 4 + json.length);
  return bytes.buffer;
}

const HEADER = {
  type: "frame", rev: 12, rect: [0, 64, 128, 64], step: 2, steps: 2, final: true, format: "png", layer: "result",
};

test("a frame is its header and its image", () => {
  const { header, image } = decodeFrame(frame(HEADER, [137, 80, 78, 71]));
  expect(header).toEqual(HEADER);
  expect([...image]).toEqual([137, 80, 78, 71]);
});

test.each([
  ["nothing", new ArrayBuffer(0)],
  ["three bytes", new ArrayBuffer(3)],
  ["a header longer than the frame", frame(HEADER, [], 4000)],
  ["a header that is no JSON", frame("{", [1])],
  ["another type", frame({ ...HEADER, type: "op" }, [1])],
  ["a rectangle of three numbers", frame({ ...HEADER, rect: [1, 2, 3] }, [1])],
  ["a negative rectangle", frame({ ...HEADER, rect: [-1, 2, 3, 4] }, [1])],
  ["an unknown layer", frame({ ...HEADER, layer: "paper" }, [1])],
  ["null", frame("null", [1])],
])("%s is refused", (_name, bytes) => {
  expect(() => decodeFrame(bytes)).toThrow();
});

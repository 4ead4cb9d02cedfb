import { expect, test } from "vitest";
import { zipOf } from "../e2e/zip.mjs";
import { Archive } from "../src/studio/archive";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const open = (parts: Parameters<typeof zipOf>[0]) => Archive.open(new Blob([zipOf(parts)]));

test("parts are read as they are and unpacked, by their names", async () => {
  const archive = await open([["mimetype", "image/openraster"], ["data/é.txt", "wave ".repeat(999), true]]);
  expect(text(await archive.part("mimetype", 99))).toBe("image/openraster");
  expect(text(await archive.part("data/é.txt", 2 ** 20))).toBe("wave ".repeat(999));
  expect([archive.has("mimetype"), archive.has("nothing")]).toEqual([true, false]);
  await expect(archive.part("nothing", 9)).rejects.toThrow("The file has no part nothing; save it again.");
});

test("a part that unpacks to more than is wanted is given up, whatever it says of itself", async () => {
  const bomb = zipOf([["bomb", Buffer.alloc(2 ** 24), true], ["plain", Buffer.alloc(2 ** 21)]]);
  // Its headers say that it has one byte.
  for (let at = bomb.indexOf("bomb"); at >= 0; at = bomb.indexOf("bomb", at + 1)) {
    const isEntry = at >= 46 && bomb.readUInt32LE(at - 46) === 0x02014b50;
    bomb.writeUInt32LE(1, at - (isEntry ? 22 : 8));
  }
  const archive = await Archive.open(new Blob([bomb]));
  await expect(archive.part("bomb", 2 ** 20)).rejects.toThrow("The part bomb of the file unpacks to more than 1 MiB");
  await expect(archive.part("plain", 2 ** 20)).rejects.toThrow("The part plain of the file unpacks to more than 1 MiB");
});

test("a part whose size its header does not say is read up to what follows it", async () => {
  const parts = zipOf([["mimetype", "image/openraster"], ["b", "other"], ["a", "some content that is packed", true]]);
  const at = parts.lastIndexOf("PK\x03\x04", undefined, "latin1");
  const packed = parts.readUInt32LE(at + 18);
  // The sizes stand behind the part instead.
  const sizes = Buffer.alloc(16);
  sizes.writeUInt32LE(0x08074b50, 0);
  parts.copy(sizes, 4, at + 14, at + 26);
  const end = at + 31 + packed;
  const streamed = Buffer.concat([parts.subarray(0, end), sizes, parts.subarray(end)]);
  streamed.writeUInt16LE(8, at + 6);
  streamed.fill(0, at + 14, at + 26);
  const directory = streamed.length - 6;
  streamed.writeUInt32LE(streamed.readUInt32LE(directory) + sizes.length, directory);
  const archive = await Archive.open(new Blob([streamed]));
  expect(text(await archive.part("a", 99))).toBe("some content that is packed");
  expect(text(await archive.part("b", 99))).toBe("other");
});

test("what is damaged or no archive is told in a sentence", async () => {
  const whole = zipOf([["a", "some content that is packed", true], ["b", "other"]]);
  for (const bytes of [Buffer.from("PK\x03\x04 and nothing else"), Buffer.alloc(0), whole.subarray(0, whole.length - 30)]) {
    await expect(Archive.open(new Blob([bytes]))).rejects.toThrow("The file is damaged; save it again.");
  }
  const cut = Buffer.from(whole);
  cut.fill(0xff, 31, 40);
  await expect((await Archive.open(new Blob([cut]))).part("a", 99)).rejects.toThrow("The file is damaged; save it again.");
  const astray = Buffer.from(whole);
  astray.writeUInt32LE(2 ** 31, astray.length - 6);
  await expect(Archive.open(new Blob([astray]))).rejects.toThrow("The file is damaged; save it again.");
  await expect(open([["a", ""], ["a", ""]])).rejects.toThrow("two parts of one name");
  await expect(open(Array.from({ length: 513 }, (_, at) => [`${at}`, ""] as const))).rejects.toThrow("more than 512 parts");
});

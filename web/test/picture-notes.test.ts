import { expect, test } from "vitest";
import { isArchive, parametersIn, textIn } from "../src/studio/picture-notes";

const TEXT = "harbour ü\nSteps: 4, Sampler: LCM, CFG scale: 1, Seed: 7";
const latin = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const utf16 = (text: string, little: boolean): Uint8Array =>
  Uint8Array.from([...text].flatMap((letter) => [letter.charCodeAt(0) >> 8, letter.charCodeAt(0) & 255]).map((_, at, all) => all[little ? at ^ 1 : at] ?? 0));
const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const deflated = async (bytes: Uint8Array): Promise<Uint8Array> => {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};
const number = (value: number, bytes: number, little = false): Uint8Array => {
  const all = Uint8Array.from({ length: bytes }, (_, at) => (value / 2 ** (8 * at)) & 255);
  return little ? all : all.reverse();
};

function png(kind: string, content: Uint8Array): Uint8Array {
  const chunk = (name: string, data: Uint8Array): Uint8Array => joined(number(data.length, 4), latin(name), data, number(0, 4));
  return joined(latin("\x89PNG\r\n\x1a\n"), chunk("IHDR", new Uint8Array(13)), chunk("tEXt", latin("Software\0x")), chunk(kind, content), chunk("IEND", new Uint8Array()));
}

/** EXIF with a folder behind another, as every program writes it. */
function tiff(comment: Uint8Array, little: boolean): Uint8Array {
  const short = (value: number): Uint8Array => number(value, 2, little);
  const long = (value: number): Uint8Array => number(value, 4, little);
  const entry = (tag: number, kind: number, count: number, value: number): Uint8Array => joined(short(tag), short(kind), long(count), long(value));
  return joined(
    latin(little ? "II" : "MM"), short(42), long(8),
    short(1), entry(0x8769, 4, 1, 26), long(0),
    short(1), entry(0x9286, 7, comment.length, 44), long(0),
    comment,
  );
}

function jpeg(exif: Uint8Array): Uint8Array {
  const segment = (kind: number, data: Uint8Array): Uint8Array => joined(Uint8Array.of(0xff, kind), number(data.length + 2, 2), data);
  return joined(Uint8Array.of(0xff, 0xd8), segment(0xe0, latin("JFIF\0")), segment(0xe1, joined(latin("Exif\0\0"), exif)), segment(0xda, new Uint8Array(4)));
}

function webp(exif: Uint8Array): Uint8Array {
  const chunk = (name: string, data: Uint8Array): Uint8Array => joined(latin(name), number(data.length, 4, true), data, new Uint8Array(data.length % 2));
  const chunks = joined(chunk("VP8L", new Uint8Array(5)), chunk("EXIF", exif));
  return joined(latin("RIFF"), number(chunks.length + 4, 4, true), latin("WEBP"), chunks);
}

test("PNG's texts are read, plain and packed", async () => {
  expect(await textIn(png("tEXt", latin(`parameters\0${TEXT}`)))).toBe(TEXT);
  expect(await textIn(png("zTXt", joined(latin("parameters\0\0"), await deflated(latin(TEXT)))))).toBe(TEXT);
  expect(await textIn(png("iTXt", joined(latin("parameters\0\0\0\0\0"), utf8(TEXT))))).toBe(TEXT);
  expect(await textIn(png("iTXt", joined(latin("parameters\0\x01\0en\0name\0"), await deflated(utf8(TEXT)))))).toBe(TEXT);
  expect(await textIn(png("tEXt", latin(`comment\0${TEXT}`)))).toBeUndefined();
});

test("EXIF's user comment is read in either order", async () => {
  for (const little of [false, true]) {
    // Some programs write the comment in another order than the rest.
    for (const littleText of [false, true]) {
      const exif = tiff(joined(latin("UNICODE\0"), utf16(TEXT, littleText)), little);
      expect(await textIn(jpeg(exif))).toBe(TEXT);
      expect(await textIn(webp(exif))).toBe(TEXT);
      expect(await textIn(webp(joined(latin("Exif\0\0"), exif)))).toBe(TEXT);
    }
  }
  expect(await textIn(jpeg(tiff(joined(latin("ASCII\0\0\0"), utf8(TEXT)), true)))).toBe(TEXT);
  expect(await textIn(jpeg(tiff(latin("JIS\0\0\0\0\0abc"), true)))).toBeUndefined();
});

test("broken and hostile files say nothing", async () => {
  const whole = [png("tEXt", latin(`parameters\0${TEXT}`)), jpeg(tiff(joined(latin("UNICODE\0"), utf16(TEXT, false)), false)), webp(tiff(latin("ASCII\0\0\0x"), true))];
  for (const bytes of whole) {
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = await parametersIn(new Blob([new Uint8Array(bytes.subarray(0, length))]));
      expect(cut?.seed === undefined || cut.seed === 7).toBe(true);
    }
  }
  const bomb = await deflated(new Uint8Array(64 * 2 ** 20));
  const text = await textIn(png("zTXt", joined(latin("parameters\0\0"), bomb)));
  expect(text?.length).toBe(256 * 1024);
  expect(await parametersIn(new Blob(["no picture"]))).toBeUndefined();
});

test("a picture with parameters is told from one without, and an archive from both", async () => {
  const file = new Blob([new Uint8Array(png("tEXt", latin(`parameters\0${TEXT}`)))]);
  expect(await parametersIn(file)).toMatchObject({ prompt: "harbour ü", steps: 4, seed: 7 });
  expect(await isArchive(file)).toBe(false);
  expect(await isArchive(new Blob(["PK\x03\x04 and more"]))).toBe(true);
  expect(await parametersIn(new Blob([new Uint8Array(png("tEXt", latin("x\0y")))]))).toBeUndefined();
});

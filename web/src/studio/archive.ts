/** The parts of a zip archive by name, as OpenRaster files are. */
export type Parts = ReadonlyMap<string, Uint8Array>;

const [END_OF_DIRECTORY, ENTRY] = [0x06054b50, 0x02014b50];
const [STORED, DEFLATED] = [0, 8];
/** The end of the directory without its comment. */
const END_LENGTH = 22;

/** Reads an archive that the server wrote; throws where it is none. */
export async function partsOf(file: Blob): Promise<Parts> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  let end = bytes.length - END_LENGTH;
  while (end >= 0 && view.getUint32(end, true) !== END_OF_DIRECTORY) end -= 1;
  if (end < 0) throw new Error("The file that the server made is no archive; try again.");
  const parts = new Map<string, Uint8Array>();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error("The file that the server made is damaged; try again.");
    const [method, packed] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true)];
    const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [number, number, number];
    const header = view.getUint32(at + 42, true);
    const begin = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
    const content = bytes.subarray(begin, begin + packed);
    parts.set(new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name)), await unpacked(content, method));
    at += 46 + name + extra + comment;
  }
  return parts;
}

async function unpacked(content: Uint8Array, method: number): Promise<Uint8Array> {
  if (method === STORED) return content;
  if (method !== DEFLATED) throw new Error("The file that the server made is packed in a way that this page cannot read.");
  const stream = new Blob([new Uint8Array(content)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

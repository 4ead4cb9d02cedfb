const [END_OF_DIRECTORY, ENTRY] = [0x06054b50, 0x02014b50];
const [STORED, DEFLATED] = [0, 8];
/** The end of the directory without its comment, and an entry of the directory without its texts. */
const [END_LENGTH, ENTRY_LENGTH] = [22, 46];
/** What stands before a part, without its texts. */
const HEADER_LENGTH = 30;
/** Files of more parts are refused: a few hundred layers and what stands beside them. */
const PARTS_MOST = 512;

const DAMAGED = "The file is damaged; save it again.";

/** Where a part lies, and how it is packed. */
interface Place {
  method: number;
  packed: number;
  /** Where its header begins. */
  header: number;
}

/** A zip archive, as OpenRaster files are. A part is unpacked when it is asked for, and no further than is wanted. */
export class Archive {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #places = new Map<string, Place>();

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /** Reads the directory of an archive; throws where it is none, or one that nobody should open. */
  static async open(file: Blob): Promise<Archive> {
    const archive = new Archive(new Uint8Array(await file.arrayBuffer()));
    try {
      archive.#readDirectory();
    } catch (error) {
      // What lies outside of the file is told by the view.
      throw error instanceof RangeError ? new Error(DAMAGED) : error;
    }
    return archive;
  }

  /** True where it has a part of that name. */
  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** A part that unpacks to `most` bytes at most; throws where there is none, or a larger one. */
  async part(name: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const place = this.#places.get(name);
    if (!place) throw new Error(`The file has no part ${name}; save it again.`);
    const { header, packed, method } = place;
    const ends = header + HEADER_LENGTH > this.#bytes.length;
    const texts = ends ? 0 : this.#view.getUint16(header + 26, true) + this.#view.getUint16(header + 28, true);
    const begin = header + HEADER_LENGTH + texts;
    if (ends || begin + packed > this.#bytes.length) throw new Error(DAMAGED);
    const content = this.#bytes.subarray(begin, begin + packed);
    if (method === STORED && packed <= most) return content;
    if (method === DEFLATED) return inflated(content, name, most);
    throw method === STORED ? tooLarge(name, most) : new Error("The file is packed in a way that this page cannot read; save it again.");
  }

  #readDirectory(): void {
    const view = this.#view;
    let end = view.byteLength - END_LENGTH;
    while (end >= 0 && view.getUint32(end, true) !== END_OF_DIRECTORY) end -= 1;
    if (end < 0) throw new Error(DAMAGED);
    const parts = view.getUint16(end + 10, true);
    if (parts > PARTS_MOST) throw new Error(`The file has more than ${PARTS_MOST} parts; merge some of its layers.`);
    let at = view.getUint32(end + 16, true);
    for (let left = parts; left > 0; left -= 1) {
      if (view.getUint32(at, true) !== ENTRY) throw new Error(DAMAGED);
      const [length, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [number, number, number];
      const name = new TextDecoder().decode(this.#bytes.subarray(at + ENTRY_LENGTH, at + ENTRY_LENGTH + length));
      if (this.#places.has(name)) throw new Error("The file has two parts of one name; save it again.");
      this.#places.set(name, {
        method: view.getUint16(at + 10, true),
        packed: view.getUint32(at + 20, true),
        header: view.getUint32(at + 42, true),
      });
      at += ENTRY_LENGTH + length + extra + comment;
    }
  }
}

/** Unpacks until all is there, or more than there may be: what a header says of the size counts for nothing. */
async function inflated(content: Uint8Array<ArrayBuffer>, name: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([content]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const read = (): ReturnType<typeof reader.read> => reader.read().catch(() => Promise.reject(new Error(DAMAGED)));
  for (let next = await read(); !next.done; next = await read()) {
    length += next.value.length;
    if (length > most) {
      // What is still to come is of no interest, and nor is how its end goes.
      await reader.cancel().catch(() => undefined);
      throw tooLarge(name, most);
    }
    chunks.push(next.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function tooLarge(name: string, most: number): Error {
  return new Error(`The part ${name} of the file unpacks to more than ${Math.round(most / 2 ** 20)} MiB; make it smaller.`);
}

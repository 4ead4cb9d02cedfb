/** A picture of a room's recording. */
export interface RecordedPicture {
  /** The last op that is in it. */
  seq: number;
  /** When it was recorded, in milliseconds since 1970. */
  at: number;
  /** As JPEG. */
  image: Blob;
}

/** A room's recording as it comes. */
export interface Recording {
  /** How many pictures there are. */
  frames: number;
  /** The pictures, the oldest first. Throws where it breaks off. */
  pictures: AsyncGenerator<RecordedPicture, void>;
}

/** The pictures in the body of `GET /v1/rooms/{room}/recording`. */
export async function* picturesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<RecordedPicture, void> {
  const bytes = new ByteReader(body);
  try {
    for (let length = await bytes.take(4); length; length = await bytes.take(4)) {
      const header = await bytes.need(new DataView(length.buffer, length.byteOffset).getUint32(0, true));
      const facts = JSON.parse(new TextDecoder().decode(header)) as { seq: number; at_ms: number; bytes: number };
      const image = new Blob([await bytes.need(facts.bytes)], { type: "image/jpeg" });
      yield { seq: facts.seq, at: facts.at_ms, image };
    }
  } finally {
    await bytes.cancel();
  }
}

/** Tells how many frames of an animated PNG have come, as its bytes come. */
export class FrameCounter {
  /** Frames that have begun. */
  frames = 0;
  /** Bytes of the file's beginning, or of the chunk at hand, that are still to come. */
  #skip = 8;
  /** What has come of a chunk's length and name. */
  #head: number[] = [];

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      this.#head.push(bytes[at] ?? 0);
      at += 1;
      if (this.#head.length < 8) continue;
      const [a = 0, b = 0, c = 0, d = 0, ...name] = this.#head;
      // What the chunk holds, and its checksum.
      this.#skip = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d + 4;
      if (String.fromCharCode(...name) === "fcTL") this.frames += 1;
      this.#head = [];
    }
  }
}

/** Reads so many bytes at a time. */
class ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #parts: Uint8Array[] = [];
  #waiting = 0;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** The next bytes; undefined at the end. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    while (this.#waiting < count) {
      const { done, value } = await this.#reader.read();
      if (done) {
        if (this.#waiting === 0) return undefined;
        throw new Error("The recording broke off; try again.");
      }
      this.#parts.push(value);
      this.#waiting += value.length;
    }
    const taken = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const part = this.#parts.shift() ?? new Uint8Array();
      const used = part.subarray(0, count - filled);
      taken.set(used, filled);
      filled += used.length;
      if (used.length < part.length) this.#parts.unshift(part.subarray(used.length));
    }
    this.#waiting -= count;
    return taken;
  }

  /** The next bytes, which must be there. */
  async need(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.take(count);
    if (!bytes && count > 0) throw new Error("The recording broke off; try again.");
    return bytes ?? new Uint8Array();
  }

  /** Nothing more is wanted. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}

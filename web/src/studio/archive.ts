type Zip = typeof import("fflate");

/** Ways in which parts are packed. */
const [STORED, DEFLATED] = [0, 8];
/** Files of more parts are refused: a few hundred layers and what stands beside them. */
const PARTS_MOST = 512;
/** So much of a file is unpacked before its size is looked at: it becomes a thousand times as much at most. */
const SLICE = 2 ** 14;

const DAMAGED = "The file is damaged; save it again.";

/** A zip archive, as OpenRaster files are. A part is unpacked when it is asked for, and no further than is wanted. */
export class Archive {
  readonly #bytes: Uint8Array;
  readonly #names: ReadonlySet<string>;
  readonly #zip: Zip;

  private constructor(bytes: Uint8Array, names: ReadonlySet<string>, zip: Zip) {
    this.#bytes = bytes;
    this.#names = names;
    this.#zip = zip;
  }

  /** Reads the directory of an archive; throws where it is none, or one that nobody should open. */
  static async open(file: Blob): Promise<Archive> {
    const zip = await import("fflate");
    const bytes = new Uint8Array(await file.arrayBuffer());
    return new Archive(bytes, namesOf(bytes, zip), zip);
  }

  /** True where it has a part of that name. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** A part that unpacks to `most` bytes at most; throws where there is none, or a larger one. */
  async part(name: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
    if (!this.has(name)) throw new Error(`The file has no part ${name}; save it again.`);
    const found = { chunks: [] as Uint8Array[], length: 0, begun: false, whole: false, problem: undefined as string | undefined };
    const unzip = new this.#zip.Unzip((file) => {
      if (found.begun || nameOf(file.name) !== name) return;
      found.begun = true;
      if (file.compression !== STORED && file.compression !== DEFLATED) {
        found.problem = "The file is packed in a way that this page cannot read; save it again.";
        return;
      }
      // What a header says of the size counts for nothing.
      file.ondata = (error, data, final) => {
        found.length += error ? 0 : data.length;
        if (error) found.problem ??= DAMAGED;
        else if (found.length > most) found.problem ??= tooLarge(name, most);
        else found.chunks.push(data);
        found.whole ||= final;
      };
      file.start();
    });
    unzip.register(this.#zip.UnzipInflate);
    try {
      for (let at = 0; at < this.#bytes.length && !found.whole && found.problem === undefined; at += SLICE) {
        unzip.push(this.#bytes.subarray(at, at + SLICE));
      }
    } catch {
      found.problem ??= DAMAGED;
    }
    if (found.problem !== undefined || !found.whole) throw new Error(found.problem ?? DAMAGED);
    return joined(found.chunks, found.length);
  }
}

/** The names in an archive's directory, of which nothing is unpacked. */
function namesOf(bytes: Uint8Array, { unzipSync }: Zip): ReadonlySet<string> {
  const names = new Set<string>();
  const directory = { problem: DAMAGED };
  const refuse = (problem: string): never => {
    directory.problem = problem;
    throw new Error(problem);
  };
  try {
    unzipSync(bytes, {
      filter: (file) => {
        const name = nameOf(file.name);
        // Beyond the end of the file nothing has a name.
        if (name === "") refuse(DAMAGED);
        if (names.has(name)) refuse("The file has two parts of one name; save it again.");
        if (names.size === PARTS_MOST) refuse(`The file has more than ${PARTS_MOST} parts; merge some of its layers.`);
        names.add(name);
        return false;
      },
    });
  } catch {
    throw new Error(directory.problem);
  }
  return names;
}

/** A name as it is meant: many writers do not say that theirs are UTF-8, and then they are taken for Latin-1. */
function nameOf(name: string): string {
  const bytes = Uint8Array.from(name, (letter) => letter.charCodeAt(0));
  const isUnicode = [...name].some((letter) => letter.charCodeAt(0) > 255);
  try {
    return isUnicode ? name : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return name;
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function tooLarge(name: string, most: number): string {
  return `The part ${name} of the file unpacks to more than ${Math.round(most / 2 ** 20)} MiB; make it smaller.`;
}

import type { KeptOutbox, OpMessage, OutboxStore } from "../../client/src";

const DATABASE = "impasto-unsent";
/** Messages, by outbox and number. */
const MESSAGES = "messages";
/** What is known of each outbox, by its name. */
const OUTBOXES = "outboxes";
/** What nobody came back for in so long is forgotten, in milliseconds: 30 days. */
const FORGOTTEN_MS = 30 * 24 * 60 * 60 * 1000;

interface OutboxFacts {
  /** The address of the room's websocket. */
  url: string;
  /** Whose it is: the secret of that hello. */
  client: string;
  settled: number;
  /** When something was last put or dropped, in milliseconds since 1970. */
  changed: number;
}

/** What this browser keeps of messages that no server has acknowledged: in IndexedDB, so that a closed tab loses none. */
export class Unsent {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
  }

  /** Opens it; undefined where storage is closed, as in some private windows. */
  static async open(): Promise<Unsent | undefined> {
    try {
      const opening = indexedDB.open(DATABASE, 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore(MESSAGES);
        opening.result.createObjectStore(OUTBOXES);
      };
      const unsent = new Unsent(await answered(opening));
      await unsent.#forgetOld();
      return unsent;
    } catch {
      return undefined;
    }
  }

  /** The clients that left messages for a room, the newest first. */
  async clients(url: string): Promise<string[]> {
    try {
      return await this.#clients(url);
    } catch {
      return [];
    }
  }

  async #clients(url: string): Promise<string[]> {
    const { outboxes, messages } = this.#stores("readonly");
    const kept = (await answered(outboxes.getAll())) as OutboxFacts[];
    const ofRoom = kept.filter((facts) => facts.url === url).sort((a, b) => b.changed - a.changed);
    const counts = await Promise.all(ofRoom.map(({ client }) => answered(messages.count(rangeOf(nameOf(url, client))))));
    return ofRoom.filter((_, at) => (counts[at] ?? 0) > 0).map(({ client }) => client);
  }

  /** The outbox of a client in a room. */
  outbox(url: string, client: string): OutboxStore {
    const name = nameOf(url, client);
    const remember = (outboxes: IDBObjectStore, settled: number): void => {
      outboxes.put({ url, client, settled, changed: Date.now() } satisfies OutboxFacts, name);
    };
    let settled = 0;
    return {
      load: async (): Promise<KeptOutbox> => {
        const { outboxes, messages } = this.#stores("readonly");
        const [facts, keys, values] = await Promise.all([
          answered(outboxes.get(name)) as Promise<OutboxFacts | undefined>,
          answered(messages.getAllKeys(rangeOf(name))) as Promise<[string, number][]>,
          answered(messages.getAll(rangeOf(name))) as Promise<OpMessage[]>,
        ]);
        settled = facts?.settled ?? 0;
        return { settled, messages: keys.flatMap(([, number], at) => (values[at] ? [{ number, message: values[at] }] : [])) };
      },
      put: (number, message) => {
        this.#change((outboxes, messages) => {
          messages.put(message, [name, number]);
          remember(outboxes, settled);
        });
      },
      drop: (numbers, now) => {
        settled = now;
        this.#change((outboxes, messages) => {
          for (const number of numbers) messages.delete([name, number]);
          remember(outboxes, now);
        });
      },
    };
  }

  /** Changes are made in the order of the calls. One that storage refuses leaves the page as it would be without it. */
  #change(work: (outboxes: IDBObjectStore, messages: IDBObjectStore) => void): void {
    try {
      const { outboxes, messages } = this.#stores("readwrite");
      work(outboxes, messages);
    } catch {
      // The database was closed, as when the visitor clears what this site has stored.
    }
  }

  #stores(mode: IDBTransactionMode): { outboxes: IDBObjectStore; messages: IDBObjectStore } {
    const transaction = this.#database.transaction([OUTBOXES, MESSAGES], mode);
    return { outboxes: transaction.objectStore(OUTBOXES), messages: transaction.objectStore(MESSAGES) };
  }

  async #forgetOld(): Promise<void> {
    const { outboxes, messages } = this.#stores("readwrite");
    const oldest = Date.now() - FORGOTTEN_MS;
    for (const { url, client, changed } of (await answered(outboxes.getAll())) as OutboxFacts[]) {
      if (changed >= oldest) continue;
      const name = nameOf(url, client);
      messages.delete(rangeOf(name));
      outboxes.delete(name);
    }
  }
}

function nameOf(url: string, client: string): string {
  return `${client} ${url}`;
}

/** All numbers of an outbox. */
function rangeOf(name: string): IDBKeyRange {
  return IDBKeyRange.bound([name, 0], [name, Number.MAX_SAFE_INTEGER]);
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser's storage does not answer"));
  });
}

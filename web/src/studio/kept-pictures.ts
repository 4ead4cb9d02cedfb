const DATABASE = "impasto";
const STORE = "pictures";

/** A picture that was kept in this browser; undefined where there is none or storage is closed. */
export function keptPicture(name: string): Promise<Blob | undefined> {
  return within<Blob | undefined>("readonly", (store) => store.get(name) as IDBRequest<Blob | undefined>);
}

/** Keeps a picture in this browser for the next visit, where storage is open. */
export async function keepPicture(name: string, picture: Blob): Promise<void> {
  await within("readwrite", (store) => store.put(picture, name));
}

/** Forgets a picture. */
export async function forgetPicture(name: string): Promise<void> {
  await within("readwrite", (store) => store.delete(name));
}

/** One request to the store. A private window may have none: this visit works, the next one begins afresh. */
async function within<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  try {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    const database = await answered(opening);
    try {
      return await answered(ask(database.transaction(STORE, mode).objectStore(STORE)));
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser's storage does not answer"));
  });
}

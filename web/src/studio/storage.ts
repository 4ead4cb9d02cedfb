const PREFIX = "impasto.";

/** Something kept from an earlier visit; undefined where there is nothing or storage is closed. */
export function recall<T>(name: string, storage: () => Storage = () => localStorage): T | undefined {
  try {
    const text = storage().getItem(PREFIX + name);
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

/** Keeps something for the next visit, where storage is open. */
export function remember(name: string, value: unknown, storage: () => Storage = () => localStorage): void {
  try {
    storage().setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A private window: this visit works, the next one begins afresh.
  }
}

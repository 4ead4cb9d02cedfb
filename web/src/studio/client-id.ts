import { newId } from "../wire/identity";
import { recall, remember } from "./storage";

/**
 * This tab's member id: kept over reloads, and never shared with another tab,
 * also not with a duplicate of this one, which inherits what the tab keeps.
 */
export async function claimClientId(): Promise<string> {
  const kept = recall<string>("client", () => sessionStorage);
  if (kept !== undefined && (await claimed(kept))) return kept;
  const fresh = newId();
  remember("client", fresh, () => sessionStorage);
  await claimed(fresh);
  return fresh;
}

/** Holds a lock with the id's name as long as the page lives; false when another tab has it. */
function claimed(id: string): Promise<boolean> {
  // Locks are offered on https and on localhost only.
  if (!("locks" in navigator)) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(`impasto.client.${id}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<never>(() => {});
      })
      .catch(() => resolve(true));
  });
}

import { newId } from "../../client/src";
import { recall, remember } from "./storage";

/** How long another tab may take to say that an id is its own, in milliseconds. */
const ANSWER_MS = 120;

/**
 * This tab's member id. One is kept for this server, so that whoever closes the
 * tab and comes back is the same member and can undo what they did; further
 * tabs have ids of their own, kept over reloads. No two tabs share one. Before a new one is made, a tab is one of those
 * that left something `unsent` here and are gone: what they painted is theirs, and the server knows it by their id.
 */
export async function claimClientId(unsent: readonly string[] = []): Promise<string> {
  const candidates = [recall<string>("client", () => sessionStorage), ...unsent, recall<string>("client")];
  for (const kept of new Set(candidates)) {
    if (kept === undefined || !(await claimed(kept))) continue;
    keep(kept);
    return kept;
  }
  const fresh = newId();
  await claimed(fresh);
  keep(fresh);
  return fresh;
}

/** The first id of this server's stays the one that closed tabs come back with. */
function keep(id: string): void {
  remember("client", id, () => sessionStorage);
  if (recall<string>("client") === undefined) remember("client", id);
}

/** Holds an id as long as the page lives; false when another tab has it. */
function claimed(id: string): Promise<boolean> {
  // Locks are offered on https and on localhost only.
  return "locks" in navigator ? claimedByLock(id) : claimedByAsking(id);
}

function claimedByLock(id: string): Promise<boolean> {
  return new Promise((resolve) => {
    navigator.locks
      .request(`impasto.client.${id}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<never>(() => {});
      })
      .catch(() => resolve(true));
  });
}

/** Asks the other tabs of this server; whoever has the id answers, now and later. */
function claimedByAsking(id: string): Promise<boolean> {
  if (!("BroadcastChannel" in globalThis)) return Promise.resolve(true);
  const channel = new BroadcastChannel(`impasto.client.${id}`);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      channel.onmessage = ({ data }) => data === "whose?" && channel.postMessage("mine");
      resolve(true);
    }, ANSWER_MS);
    channel.onmessage = ({ data }) => {
      if (data !== "mine") return;
      clearTimeout(timer);
      channel.close();
      resolve(false);
    };
    channel.postMessage("whose?");
  });
}

const FIRST = [
  "amber", "ashen", "bright", "calm", "cobalt", "coral", "dusky", "early", "faded", "gentle",
  "golden", "hazy", "indigo", "ivory", "linen", "misty", "ochre", "olive", "quiet", "russet",
  "sepia", "silver", "sienna", "slate", "soft", "tawny", "umber", "velvet", "violet", "warm",
] as const;
const SECOND = [
  "bay", "brook", "canvas", "cedar", "cloud", "crane", "dune", "easel", "fern", "finch",
  "fjord", "garden", "grove", "harbour", "heron", "hill", "lantern", "meadow", "moth", "orchard",
  "pebble", "pond", "reed", "river", "sparrow", "studio", "thistle", "tide", "willow", "wren",
] as const;

/** A readable new room name, like `amber-heron-417`. */
export function newRoomName(random: () => number): string {
  return `${pick(FIRST, random)}-${pick(SECOND, random)}-${Math.floor(100 + random() * 900)}`;
}

/** A name for somebody who has not given one, like `Quiet Finch`. */
export function newMemberName(random: () => number): string {
  return `${capital(pick(FIRST, random))} ${capital(pick(SECOND, random))}`;
}

/** The address's room, token and whether the room was named there at all. */
export function placeFromAddress(address: URL): { room: string | undefined; token: string | undefined } {
  const room = address.searchParams.get("room")?.trim();
  const token = new URLSearchParams(address.hash.replace(/^#/, "")).get("token");
  return { room: room ? room : undefined, token: token ? token : undefined };
}

/** The address of a room's page, beside a page of the same server. */
export function roomAddress(page: URL, room: string, token: string | undefined): string {
  const address = new URL(page.pathname, page);
  address.searchParams.set("room", room);
  if (token !== undefined) address.hash = new URLSearchParams({ token }).toString();
  return address.href;
}

/** The path of a room, relative to the page: a proxy may serve both under a path. */
export function roomPath(room: string): string {
  return `v1/rooms/${encodeURIComponent(room)}`;
}

/** The path of a call about a room. */
export function callPath(room: string, call: string): string {
  return `${roomPath(room)}/${call}`;
}

/** The websocket address of a room beside a page's address. */
export function socketAddress(page: URL, room: string): string {
  const address = new URL(callPath(room, "ws"), page);
  address.protocol = page.protocol === "https:" ? "wss:" : "ws:";
  address.search = address.hash = "";
  return address.href;
}

/** Two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => [...(word ?? "")][0]) : [...(words[0] ?? "?")].slice(0, 2);
  return letters.join("").toUpperCase();
}

/** A random UUID, also where `crypto.randomUUID` is not offered (plain http on a local network). */
export function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function pick(words: readonly string[], random: () => number): string {
  return words[Math.floor(random() * words.length)] ?? words[0] ?? "";
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

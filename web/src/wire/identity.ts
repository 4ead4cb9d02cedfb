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

/** Two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => [...(word ?? "")][0]) : [...(words[0] ?? "?")].slice(0, 2);
  return letters.join("").toUpperCase();
}

function pick(words: readonly string[], random: () => number): string {
  return words[Math.floor(random() * words.length)] ?? words[0] ?? "";
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

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

/** A random UUID, also where `crypto.randomUUID` is not offered (plain http on a local network). */
export function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

import { serverFor } from "./pictures";

/**
 * The address that lets others paint in the room. An owner's page has a token that does more than
 * that, the operator's perhaps: it shares an editor's invite instead, made for this link. What
 * counts is what the token gives, not the role that an owner gave this member since. Undefined
 * where none can be made.
 */
export async function addressToShare(page: URL, room: string): Promise<string | undefined> {
  const token = new URLSearchParams(page.hash.slice(1)).get("token");
  if (!token) return page.href;
  const server = serverFor(token);
  try {
    const { role } = await server.facts(room);
    if (role !== "owner") return page.href;
    const made = await server.invite(room, "editor");
    const shared = new URL(page);
    shared.hash = new URLSearchParams({ token: made.token }).toString();
    return shared.href;
  } catch {
    return undefined;
  }
}

import type { Role } from "../../client/src";
import { serverFor } from "./pictures";

/**
 * The address that lets others paint in the room. An owner's page has a token that does more than
 * that, the operator's perhaps: it shares an editor's invite instead, made for this link. Undefined
 * where none can be made.
 */
export async function addressToShare(
  page: URL,
  room: { name: string; role: Role },
): Promise<string | undefined> {
  const token = new URLSearchParams(page.hash.slice(1)).get("token");
  if (!token || room.role !== "owner") return page.href;
  try {
    const made = await serverFor(token).invite(room.name, "editor");
    const shared = new URL(page);
    shared.hash = new URLSearchParams({ token: made.token }).toString();
    return shared.href;
  } catch {
    return undefined;
  }
}

import type { Role } from "../protocol";
import { callPath, roomPath } from "../wire/identity";
import { authorization } from "./pictures";

/**
 * The address that lets others paint in the room. An owner's page has a token that does more than
 * that, the operator's perhaps: it shares an editor's invite instead, made for this link. What
 * counts is what the token gives, not the role that an owner gave this member since. Undefined
 * where none can be made.
 */
export async function addressToShare(page: URL, room: string): Promise<string | undefined> {
  const token = new URLSearchParams(page.hash.slice(1)).get("token");
  if (!token) return page.href;
  const headers = authorization(token);
  try {
    const told = await fetch(roomPath(room), { headers });
    if (!told.ok) return undefined;
    const { role } = (await told.json()) as { role: Role };
    if (role !== "owner") return page.href;
    const answer = await fetch(callPath(room, "invites"), {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ role: "editor" }),
    });
    if (!answer.ok) return undefined;
    const made = (await answer.json()) as { token: string };
    const shared = new URL(page);
    shared.hash = new URLSearchParams({ token: made.token }).toString();
    return shared.href;
  } catch {
    return undefined;
  }
}

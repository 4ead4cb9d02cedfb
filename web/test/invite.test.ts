import { afterEach, expect, test, vi } from "vitest";
import { addressToShare } from "../src/studio/invite";

const PAGE = "https://paint.example/impasto/?room=studio#token=operators";
const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });

/** A server whose token gives a role, and how it answers who wants an invite. */
function server(role: string, made: () => Promise<Response>): ReturnType<typeof vi.fn> {
  const fetched = vi.fn(async (path: string) => (path === "v1/rooms/studio" ? json({ role }) : made()));
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

afterEach(() => vi.unstubAllGlobals());

test("an owner's token is never shared: an editor's invite is", async () => {
  const fetched = server("owner", async () => json({ token: "a.b-c_d" }, 201));
  const address = await addressToShare(new URL(PAGE), "studio");
  expect(address).toBe("https://paint.example/impasto/?room=studio#token=a.b-c_d");
  const [path, request] = fetched.mock.calls[1] as unknown as [string, RequestInit];
  expect(path).toBe("v1/rooms/studio/invites");
  expect(request.body).toBe('{"role":"editor"}');
  expect(request.headers).toMatchObject({ authorization: "Bearer operators" });
});

test("where no invite can be made, nothing is shared", async () => {
  server("owner", async () => json({}, 503));
  expect(await addressToShare(new URL(PAGE), "studio")).toBeUndefined();
  server("owner", async () => Promise.reject(new TypeError("offline")));
  expect(await addressToShare(new URL(PAGE), "studio")).toBeUndefined();
  vi.stubGlobal("fetch", async () => json({}, 401));
  expect(await addressToShare(new URL(PAGE), "studio")).toBeUndefined();
});

test("others share the invite that they have, and a server without auth needs none", async () => {
  for (const role of ["editor", "viewer"]) {
    const fetched = server(role, async () => json({ token: "never" }, 201));
    expect(await addressToShare(new URL(PAGE), "studio")).toBe(PAGE);
    expect(fetched).toHaveBeenCalledTimes(1);
  }
  const open = "http://localhost:7860/?room=studio";
  expect(await addressToShare(new URL(open), "studio")).toBe(open);
});

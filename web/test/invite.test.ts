import { afterEach, expect, test, vi } from "vitest";
import { addressToShare } from "../src/studio/invite";

const PAGE = "https://paint.example/impasto/?room=studio#token=operators";

afterEach(() => vi.unstubAllGlobals());

test("an owner shares an editor's invite, and never the token of the page", async () => {
  const fetched = vi.fn(async () => new Response(JSON.stringify({ token: "a.b-c_d" }), { status: 201 }));
  vi.stubGlobal("fetch", fetched);
  const address = await addressToShare(new URL(PAGE), { name: "studio", role: "owner" });
  expect(address).toBe("https://paint.example/impasto/?room=studio#token=a.b-c_d");
  const [path, request] = fetched.mock.calls[0] as unknown as [string, RequestInit];
  expect(path).toBe("v1/rooms/studio/invites");
  expect(request.body).toBe('{"role":"editor"}');
  expect(request.headers).toMatchObject({ authorization: "Bearer operators" });
});

test("an owner who gets no invite shares nothing", async () => {
  vi.stubGlobal("fetch", async () => new Response("{}", { status: 503 }));
  expect(await addressToShare(new URL(PAGE), { name: "studio", role: "owner" })).toBeUndefined();
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("offline")));
  expect(await addressToShare(new URL(PAGE), { name: "studio", role: "owner" })).toBeUndefined();
});

test("others share the invite that they have, and a server without auth needs none", async () => {
  for (const role of ["editor", "viewer"] as const) {
    expect(await addressToShare(new URL(PAGE), { name: "studio", role })).toBe(PAGE);
  }
  const open = "http://localhost:7860/?room=studio";
  expect(await addressToShare(new URL(open), { name: "studio", role: "owner" })).toBe(open);
});

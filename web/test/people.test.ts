import { beforeEach, expect, test } from "vitest";
import type { MemberInfo, Rect, Role, Welcome } from "../client/src";
import type { Notices } from "../src/studio/notices.svelte";
import { People } from "../src/studio/people.svelte";
import { FakeClock } from "./fakes";

const info = (client: string, name: string, role: Role = "editor"): MemberInfo => ({ client, name, role, hue: 30 });
const welcome = (members: MemberInfo[], more: Partial<Welcome> = {}): Welcome => ({ members, locked: false, removed: [], ...more }) as Welcome;
let clock: FakeClock;
let said: string[];
let given: Role[];
let seen: [string, Rect][];
let people: People;
const roles = (): string[] => people.members.map(({ name, role }) => `${name} ${role}`);

beforeEach(() => {
  clock = new FakeClock();
  said = [];
  given = [];
  seen = [];
  people = new People({
    clock,
    notices: { say: (text: string) => said.push(text) } as unknown as Notices,
    own: () => "me",
    roleGiven: (role) => given.push(role),
    joined: () => {},
    saw: (client, view) => seen.push([client, view]),
  });
  people.welcome(welcome([info("me", "Ada", "owner"), info("bea", "Bea")]));
});

test("a role is told, one's own with what it gives", () => {
  people.hear({ event: "role", client: "bea", role: "owner", by: "me" });
  people.hear({ event: "role", client: "me", role: "viewer", by: "bea" });
  expect(roles()).toEqual(["Ada viewer", "Bea owner"]);
  expect(given).toEqual(["viewer"]);
  expect(said).toEqual(["You made Bea an owner.", "Bea made you a viewer."]);
});

test("the lock is told when it changes, and not when somebody is let in", () => {
  people.hearRoom({ locked: true, removed: [], by: "me" });
  people.hearRoom({ locked: true, removed: [{ client: "cleo", name: "Cleo" }], by: "me" });
  expect(people.locked).toBe(true);
  expect(people.removed).toHaveLength(1);
  people.hearRoom({ locked: false, removed: [], by: "gone" });
  expect(said).toEqual(["You locked the room: only owners can change anything now.", "An owner unlocked the room."]);
});

test("whoever is back in a moment has not left, and whoever was removed has", () => {
  people.hear({ event: "left", client: "bea" });
  clock.pass(1000);
  people.hear({ event: "joined", ...info("bea", "Beatrice") });
  clock.pass(5000);
  expect(said).toEqual(["Bea is Beatrice now."]);
  people.hear({ event: "left", client: "bea", removed_by: "me" });
  expect(roles()).toEqual(["Ada owner"]);
  clock.pass(5000);
  expect(said.at(-1)).toBe("You removed Beatrice.");
  people.hear({ event: "joined", ...info("cleo", "Cleo") });
  people.hear({ event: "left", client: "cleo" });
  clock.pass(5000);
  expect(said.slice(-2)).toEqual(["Cleo joined.", "Cleo left."]);
});

test("a pointer that rests is hidden, and a view is remembered until its member goes", () => {
  people.hear({ event: "presence", client: "bea", x: 3, y: 4, view: [-5, 0, 640, 480] });
  expect(people.find("bea")?.pointer?.target).toEqual({ x: 3, y: 4 });
  expect(seen).toEqual([["bea", [-5, 0, 640, 480]]]);
  clock.pass(4000);
  people.hear({ event: "presence", client: "bea", x: 30, y: 4 });
  clock.pass(4000);
  expect(people.find("bea")?.pointer?.target).toEqual({ x: 30, y: 4 });
  clock.pass(4000);
  expect(people.find("bea")?.pointer).toBeUndefined();
  expect(people.viewOf("bea")).toEqual([-5, 0, 640, 480]);
  people.hear({ event: "left", client: "bea" });
  expect(people.viewOf("bea")).toBeUndefined();
  // What comes late is of nobody.
  people.hear({ event: "presence", client: "bea", x: 1, y: 1 });
  expect(roles()).toEqual(["Ada owner"]);
});

test("who paints is marked while strokes come, and oneself is not", () => {
  people.painted("me", false);
  people.painted("bea", false);
  expect(people.members.map(({ painting }) => painting)).toEqual([false, true]);
  clock.pass(1000);
  people.painted("bea", false);
  clock.pass(1000);
  expect(people.find("bea")?.painting).toBe(true);
  people.painted("bea", true);
  expect(people.find("bea")?.painting).toBe(false);
  people.painted("bea", false);
  clock.pass(2000);
  expect(people.find("bea")?.painting, "a stroke that stopped without its end").toBe(false);
});

test("an older server tells nothing of locks", () => {
  people.welcome({ members: [info("me", "Ada")] } as unknown as Welcome);
  expect([people.locked, people.removed]).toEqual([false, []]);
});

import { beforeEach, expect, test } from "vitest";
import type { ChatLine } from "../client/src";
import { Chat } from "../src/studio/chat.svelte";
import { FakeClock } from "./fakes";

const line = (number: number, client: string, text: string, age_ms = 0): ChatLine => ({ number, client, name: client, hue: 9, text, age_ms });
let clock: FakeClock;
let sent: string[];
let unseen: string[];
let chat: Chat;
const texts = (): string[] => chat.lines.map(({ text }) => text);

beforeEach(() => {
  clock = new FakeClock();
  clock.pass(10_000);
  sent = [];
  unseen = [];
  chat = new Chat({ clock, own: () => "me", send: (text) => sent.push(text), unseen: ({ text }) => unseen.push(text) });
});

test("what others say while the chat is folded is unread until it is opened", () => {
  chat.welcome([line(1, "bea", "before", 4000)]);
  expect(chat.lines[0]?.at).toBe(6000);
  expect(chat.unread, "what was there before one came is no news").toBe(0);
  chat.hear(line(2, "bea", "one"));
  chat.hear(line(3, "me", "two"));
  expect([chat.unread, unseen]).toEqual([1, ["one"]]);
  chat.open = true;
  chat.hear(line(4, "bea", "three"));
  expect([chat.unread, unseen]).toEqual([0, ["one"]]);
  expect(texts()).toEqual(["before", "one", "two", "three"]);
});

test("what was missed while the line was lost is unread", () => {
  chat.welcome([line(1, "bea", "one")]);
  chat.welcome([line(1, "bea", "one"), line(2, "bea", "two")]);
  expect([texts(), chat.unread]).toEqual([["one", "two"], 1]);
  // A room that left memory counts anew.
  chat.welcome([line(1, "cleo", "new")]);
  expect([texts(), chat.unread]).toEqual([["new"], 1]);
});

test("only the newest lines are kept", () => {
  for (let number = 1; number <= 130; number += 1) chat.hear(line(number, "bea", String(number)));
  expect([chat.lines.length, texts()[0]]).toEqual([100, "31"]);
});

test("a line that is refused can be sent again, and one that came back is not put back", () => {
  chat.draft = "  hello ";
  chat.say();
  expect([sent, chat.draft]).toEqual([["hello"], ""]);
  chat.refused({ code: "forbidden", message: "Something else." });
  expect(chat.draft).toBe("");
  chat.refused({ code: "rate_limited", message: "Slower.", retry_after_ms: 500 });
  expect(chat.draft).toBe("hello");
  chat.say();
  chat.hear(line(1, "me", "hello"));
  chat.refused({ code: "rate_limited", message: "Slower." });
  expect(chat.draft).toBe("");
  chat.draft = "   ";
  chat.say();
  expect(sent).toEqual(["hello", "hello"]);
});

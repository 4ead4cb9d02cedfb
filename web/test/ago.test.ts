import { expect, test } from "vitest";
import { ago } from "../src/studio/ago";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [-5 * MINUTE, "just now"],
  [59_000, "just now"],
  [MINUTE, "1 minute ago"],
  [59 * MINUTE, "59 minutes ago"],
  [HOUR, "1 hour ago"],
  [23 * HOUR, "23 hours ago"],
  [DAY, "yesterday"],
  [29 * DAY, "29 days ago"],
  [30 * DAY, "last month"],
  [400 * DAY, "last year"],
  [800 * DAY, "2 years ago"],
])("%i milliseconds ago is %o", (age, words) => {
  expect(ago(2_000_000_000_000 - age, 2_000_000_000_000)).toBe(words);
});

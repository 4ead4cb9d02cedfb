const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["minute", 60],
  ["hour", 60],
  ["day", 24],
  ["month", 30],
  ["year", 12],
];

/** How long ago something was, as people say it; times are in milliseconds since 1970. */
export function ago(then: number, now: number): string {
  let count = Math.max(0, now - then) / 1000;
  let unit: Intl.RelativeTimeFormatUnit = "second";
  for (const [next, size] of UNITS) {
    if (count < size) break;
    count /= size;
    unit = next;
  }
  if (unit === "second") return "just now";
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.floor(count), unit);
}

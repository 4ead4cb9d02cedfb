import type { Finish } from "../../client/src";

/** The finishes that there are, and what people call them. */
export const FINISHES: readonly { value: Finish; name: string }[] = [
  { value: "none", name: "None" },
  { value: "oil", name: "Oil" },
  { value: "watercolour", name: "Watercolour" },
  { value: "ink", name: "Ink" },
];

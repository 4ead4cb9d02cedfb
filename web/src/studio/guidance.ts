// How much guidance a model takes, and what is said where it gets more than suits it.
import type { ModelInfo } from "../../client/src";

/** The most that the protocol allows. */
export const MOST_GUIDANCE = 30;

/** What a person is told before pictures of a model that looks distilled without guidance look burnt. */
export function guidanceWarning(model: ModelInfo | undefined, scale: number): string | undefined {
  if (!model?.guidance_free || scale <= 1) return undefined;
  return "This model looks as if it was made to paint without guidance: above 1 its pictures may look burnt.";
}

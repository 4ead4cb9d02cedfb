/** What went wrong, as a person reads it. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

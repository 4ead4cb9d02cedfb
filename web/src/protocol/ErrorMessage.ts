import type { ErrorCode } from "./ErrorCode";

/**
 * A refusal, with a stable `code`.
 */
export type ErrorMessage = { 
/**
 * One of [`super::ErrorCode`].
 */
code: ErrorCode, 
/**
 * One sentence that says what to do.
 */
message: string, 
/**
 * The stroke that it is about.
 */
id?: string, 
/**
 * When to try again.
 */
retry_after_ms?: number, };

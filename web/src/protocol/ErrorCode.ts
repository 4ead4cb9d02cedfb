
/**
 * Stable codes of refusals.
 */
export type ErrorCode = "malformed_message" | "unknown_type" | "invalid_value" | "unknown_stroke" | "unknown_sampler" | "unknown_image" | "forbidden" | "nothing_to_undo" | "too_large" | "rate_limited" | "hello_expected" | "unsupported_protocol" | "invalid_token" | "unknown_room" | "room_full" | "invalid_image" | "unavailable" | "internal";

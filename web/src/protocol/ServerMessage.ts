import type { ErrorMessage } from "./ErrorMessage";
import type { MemberNews } from "./MemberNews";
import type { RenderNews } from "./RenderNews";
import type { SequencedOp } from "./SequencedOp";
import type { Welcome } from "./Welcome";

/**
 * A text frame from server to client.
 */
export type ServerMessage = { "type": "welcome" } & Welcome | { "type": "ack", 
/**
 * The stroke's id, for strokes.
 */
id?: string, 
/**
 * Its place in the order.
 */
seq: number, } | { "type": "op" } & SequencedOp | { "type": "render" } & RenderNews | { "type": "member" } & MemberNews | { "type": "error" } & ErrorMessage | { "type": "pong", 
/**
 * As it was sent.
 */
t: number, } | { "type": "goaway", 
/**
 * Why.
 */
reason: string, 
/**
 * When to come back.
 */
retry_after_ms: number, };

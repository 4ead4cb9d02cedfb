import type { MemberInfo } from "./MemberInfo";
import type { Tool } from "./Tool";

/**
 * News of a member.
 */
export type MemberNews = { "event": "joined" } & MemberInfo | { "event": "left", 
/**
 * Who.
 */
client: string, } | { "event": "presence", 
/**
 * Who.
 */
client: string, 
/**
 * Canvas pixels.
 */
x: number, 
/**
 * Canvas pixels.
 */
y: number, 
/**
 * The tool in hand.
 */
tool?: Tool, };

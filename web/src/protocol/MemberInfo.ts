import type { Role } from "./Role";

/**
 * A member of a room.
 */
export type MemberInfo = { 
/**
 * The member's id.
 */
client: string, 
/**
 * The name to show.
 */
name: string, 
/**
 * What the member may do.
 */
role: Role, };


/**
 * What a member may do.
 */
export type Role = "viewer" | "editor" | "owner";

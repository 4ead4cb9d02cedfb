import type { Role } from "../../client/src";

/** What this member may do in the room. */
export class Rights {
  role = $state<Role>("viewer");
  readonly #locked: () => boolean;
  readonly #joined: () => boolean;

  /** `locked` says whether only owners may change anything, `joined` whether the room was entered. */
  constructor(locked: () => boolean, joined: () => boolean) {
    this.#locked = locked;
    this.#joined = joined;
  }

  /** True when this member may change the picture. */
  get mayChange(): boolean {
    return this.role === "owner" || (this.role === "editor" && !this.#locked());
  }

  /** True for who sees, and may not paint. */
  get watching(): boolean {
    return !this.mayChange && this.#joined();
  }

  /** True for who decides about people and the lock. */
  get governs(): boolean {
    return this.role === "owner";
  }

  /** True when this member may write in the chat. */
  get mayChat(): boolean {
    return this.#joined() && (this.role !== "viewer" || !this.#locked());
  }

  /** Why this member may not paint, for a person. */
  get whyNot(): string {
    return this.role === "viewer"
      ? "You are watching this room; ask for an editor's link to paint."
      : "The room is locked: only its owners can change anything now.";
  }
}

import type { Clock, OutboxStore, Rect, Role } from "../../client/src";
import type { Notices } from "./notices.svelte";

/** What a room needs from outside. */
export interface RoomOptions {
  name: string;
  url: string;
  client: string;
  /** Where what the server has not acknowledged outlives the page; none where storage is closed. */
  store: OutboxStore | undefined;
  memberName: () => string;
  token: string | undefined;
  clock: Clock;
  notices: Notices;
  /** The server let this member in, or an owner gave it another role. */
  joined: (role: Role) => void;
  /** Somebody else came. */
  othersCame: () => void;
  /** Somebody sees that part of the plane. */
  saw: (client: string, view: Rect) => void;
  /** This member placed a photo to be inverted, and the server took it. */
  photoPlaced: () => void;
}

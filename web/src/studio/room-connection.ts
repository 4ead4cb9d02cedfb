import { Connection, type ConnectionHandlers, type Phase, type SocketLike } from "../../client/src";
import type { RoomOptions } from "./room-options";

/** The connection of this member to its room, not yet opened. */
export function connectionOf(options: RoomOptions, handlers: ConnectionHandlers): Connection {
  return new Connection({
    url: options.url,
    identity: () => ({
      client: options.client,
      name: options.memberName(),
      ...(options.token === undefined ? {} : { token: options.token }),
    }),
    open: (url, subprotocol) => new WebSocket(url, subprotocol) as unknown as SocketLike,
    clock: options.clock,
    random: Math.random,
    store: options.store,
    handlers,
  });
}

/** Tells a person how the connection is, where that changes what they can do. */
export function sayPhase({ name, notices }: RoomOptions, was: Phase["name"], phase: Phase): void {
  if (phase.name === "open" && was !== "open") notices.speak(`Connected to room ${name}.`);
  if (phase.name === "waiting" && phase.attempt === 1) {
    notices.speak("Connection lost. What you paint is kept and sent when it is back.");
  }
  if (phase.name === "refused") notices.trouble(phase.message);
}

// The stand-in's people: roles, the lock, who is removed, and what is said.
const REFUSALS = {
  forbidden: "The role may not do that.",
  room_locked: "The room is locked: only its owners change anything until one of them unlocks it.",
  unknown_member: "Nobody of that id is here.",
  invalid_value: "Nobody changes their own role or removes themselves; ask another owner.",
};
const GOVERNS = ["role", "remove", "admit", "lock"];

export class MockPeople {
  #roles = new Map();
  #removed = new Map();
  #lines = [];

  constructor(room) {
    Object.assign(this, { room, locked: false });
  }

  /** What the page is told when it joins. */
  welcome() {
    const chat = this.#lines.map(({ at, ...line }) => ({ ...line, age_ms: Math.round(performance.now() - at) }));
    return { locked: this.locked, removed: this.#list(), chat };
  }

  isRemoved(client) {
    return this.#removed.has(client);
  }

  /** The role of a client that shows a token. */
  roleOf(client, token) {
    return this.#roles.get(client) ?? /^(viewer|editor)-/.exec(token ?? "")?.[1] ?? "owner";
  }

  info(client, { name, role }) {
    return { client, name, role, hue: hueOf(client) };
  }

  /** Whether a message is not for that member; it is told then. */
  refuses(client, message, socket) {
    const { role } = this.room.members.get(client);
    const code = this.#refusal(role, message.type);
    if (code) this.#refuse(socket, code, message.id);
    return code !== undefined;
  }

  /** Does what a message about people says; false where it is about something else. */
  take(client, message, socket) {
    const member = this.room.members.get(message.client);
    switch (message.type) {
      case "chat": {
        const { name } = this.room.members.get(client);
        const line = { number: (this.#lines.at(-1)?.number ?? 0) + 1, client, name, hue: hueOf(client), text: message.text.trim() };
        this.#lines = [...this.#lines, { ...line, at: performance.now() }].slice(-100);
        this.room.broadcast({ type: "chat", ...line, age_ms: 0 });
        return true;
      }
      case "lock":
        this.locked = message.locked;
        this.#tell(client);
        return true;
      case "admit":
        if (!this.#removed.delete(message.client)) this.#refuse(socket, "unknown_member");
        else this.#tell(client);
        return true;
      case "role":
      case "remove":
        if (!member) this.#refuse(socket, "unknown_member");
        else if (client === message.client) this.#refuse(socket, "invalid_value");
        else if (message.type === "role") this.#give(client, message, member);
        else this.#remove(client, message.client, member);
        return true;
      default:
        return false;
    }
  }

  #refusal(role, type) {
    if (role === "owner" || type === "presence" || type === "ping") return undefined;
    if (GOVERNS.includes(type)) return "forbidden";
    if (type === "chat") return this.locked && role === "viewer" ? "room_locked" : undefined;
    if (role === "viewer") return "forbidden";
    return this.locked ? "room_locked" : undefined;
  }

  #give(by, { client, role }, member) {
    member.role = role;
    this.#roles.set(client, role);
    this.room.broadcast({ type: "member", event: "role", client, role, by });
  }

  #remove(by, client, { name, socket }) {
    this.#removed.set(client, name);
    this.room.members.delete(client);
    socket.send(JSON.stringify({ type: "error", code: "removed", message: "An owner of this room removed you." }));
    socket.close(1008, "removed by an owner");
    this.room.broadcast({ type: "member", event: "left", client, removed_by: by });
    this.#tell(by);
  }

  #tell(by) {
    this.room.broadcast({ type: "room", locked: this.locked, removed: this.#list(), by });
  }

  #list() {
    return [...this.#removed].map(([client, name]) => ({ client, name }));
  }

  #refuse(socket, code, id) {
    socket.send(JSON.stringify({ type: "error", code, message: REFUSALS[code], ...(id ? { id } : {}) }));
  }
}

function hueOf(client) {
  return Number.parseInt(client.slice(0, 4), 16) % 360;
}

// The stand-in's calls about rooms: what there is to know of them, titles, copies and their end.
import { encodePng } from "./png.mjs";

/** The calls over `rooms`; `make` makes another room like one. */
export class MockRooms {
  #gone = new Set();

  constructor(rooms, make) {
    Object.assign(this, { rooms, make });
  }

  /** Whether a room was deleted, and nobody made it anew. */
  isGone(name) {
    return this.#gone.has(name);
  }

  /** Answers a request; false where it is about something else. */
  answer(request, response, path) {
    if (path === "/v1/rooms" && request.method === "GET") {
      const rooms = [...this.rooms.values()].sort((a, b) => b.changedAt - a.changedAt);
      return json(response, 200, { rooms: rooms.map(({ name, changedAt }) => ({ room: name, changed_at: changedAt })) });
    }
    const [, name, call] = path.match(/^\/v1\/rooms\/([^/]+)(?:\/(thumbnail|duplicate))?$/) ?? [];
    if (name === undefined) return false;
    const room = this.rooms.get(decodeURIComponent(name));
    if (!room) {
      const gone = this.#gone.has(decodeURIComponent(name));
      return refuse(response, gone ? 410 : 404, gone ? "room_deleted" : "unknown_room", "There is no room of that name.");
    }
    const role = /^Bearer (viewer|editor)-/.exec(request.headers.authorization ?? "")?.[1] ?? "owner";
    if (call === "thumbnail") {
      response.setHeader("content-type", "image/png");
      response.end(encodePng(room.result, room.width, [0, 0, room.width, room.height]));
      return true;
    }
    if (call === "duplicate") {
      const copy = this.make(room);
      this.rooms.set(copy.name, copy);
      const title = titleOf(room);
      if (title) copy.title = `Copy of ${title}`;
      return json(response, 201, { room: copy.name, url: "", invites: { owner: `owner-${copy.name}` } });
    }
    if (request.method === "DELETE") {
      for (const { socket } of room.members.values()) {
        socket.send(JSON.stringify({ type: "error", code: "room_deleted", message: "The room was deleted; open another one." }));
        socket.close(1008, "room deleted");
      }
      this.rooms.delete(room.name);
      this.#gone.add(room.name);
      response.statusCode = 204;
      response.end();
      return true;
    }
    if (request.method === "PATCH") {
      let text = "";
      request.on("data", (part) => (text += part));
      request.on("end", () => {
        room.title = JSON.parse(text).title.trim();
        json(response, 200, factsOf(room, role));
      });
      return true;
    }
    return json(response, 200, factsOf(room, role));
  }
}

function titleOf(room) {
  return room.title || room.settings.prompt.trim();
}

function factsOf(room, role) {
  const { name, width, height, changedAt, members } = room;
  const title = titleOf(room);
  return { room: name, ...(title ? { title } : {}), canvas: { width, height }, changed_at: changedAt, members: members.size, kept: true, role, makes_rooms: true, auth: false };
}

function json(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
  return true;
}

function refuse(response, status, code, message) {
  return json(response, status, { error: { code, message } });
}

// A small stand-in for the server: the wire protocol with a toy "model" that
// textures what was painted. The browser tests run against it where the real
// binary is not built (`npm run e2e -- --mock`).
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { MockInversion } from "./mock-inversion.mjs";
import { lay, layersOf, paintedOn, refusalOf } from "./mock-layers.mjs";
import { MockPeople } from "./mock-people.mjs";
import { MockRooms } from "./mock-rooms.mjs";
import { smear } from "./mock-smudge.mjs";
import { encodePng } from "./png.mjs";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};
const TILE = 64;

class MockRoom {
  constructor(name, width, height, delay) {
    Object.assign(this, { name, width, height, delay, seq: 0, members: new Map(), ops: [], undone: new Set(), images: new Map(), changedAt: nowInSeconds() });
    this.settings = {
      prompt: "", negative_prompt: "", guidance_scale: 1, steps: 2, strength: 0.8,
      seed: 0, variation: 0.5, sampler: "lcm", spread: 16, live: true, method: "ddim", finish: "oil", finish_strength: 0.6,
      control: "lines", control_preprocess: "xdog", control_scale: 1, control_start: 0, control_end: 1,
      timestep_spacing: "default", sigmas: "default",
      ip_adapter: "ip", reference: "", reference_scale: 0.6, reference_start: 0, reference_end: 1,
    };
    this.base = this.settings;
    this.entries = [];
    this.layers = layersOf([]);
    this.pictures = { 0: new Map() };
    this.sketch = new Uint8Array(width * height * 3).fill(255);
    this.result = new Uint8Array(width * height * 3).fill(255);
    this.mask = new Uint8Array(width * height);
    this.renderTimer = undefined;
    this.people = new MockPeople(this);
  }

  join(socket, hello) {
    if (this.members.delete(hello.client)) this.broadcast({ type: "member", event: "left", client: hello.client });
    if (this.people.isRemoved(hello.client)) {
      socket.send(JSON.stringify({ type: "error", code: "removed", message: "An owner of this room removed you." }));
      return socket.close(1008, "removed by an owner");
    }
    const role = this.people.roleOf(hello.client, hello.token);
    this.members.set(hello.client, { socket, name: hello.name ?? "Guest", role });
    socket.send(JSON.stringify({
      type: "welcome", protocol: 1, room: this.name, client: hello.client, role, seq: this.seq,
      canvas: { width: this.width, height: this.height }, settings: this.settings, layers: this.layers,
      model: { id: "mock", family: "sketch", native_size: 256, largest_zoom: 2, device: "cpu", dtype: "f32", max_steps: 50, guidance_free: false, samplers: ["lcm", "ddim"],
        defaults: { sampler: "lcm", steps: 2, guidance_scale: 1, strength: 0.8, variation: 0.5, finish: "oil", finish_strength: 0.6, photo: { guidance_scale: 3, strength: 0.7, finish: "none" } },
        schedules: { ddim: { timestep_spacing: ["leading", "linspace", "trailing"], sigmas: ["karras"] } },
        controls: [{ name: "lines", class: "T2IAdapter" }, { name: "depth", class: "ControlNetModel" }],
        ip_adapters: [{ name: "ip", class: "IPAdapter" }] },
      members: [...this.members].map(([client, member]) => this.people.info(client, member)),
      ...this.people.welcome(),
      ...(this.photo ? { photo: this.photo.info() } : {}),
    }));
    if (hello.last_seq !== undefined) {
      for (const op of this.ops.filter(({ seq }) => seq > hello.last_seq)) socket.send(JSON.stringify({ type: "op", ...op }));
    }
    for (const layer of ["sketch", "result"]) socket.send(this.frame(layer, [0, 0, this.width, this.height], this.seq, 0));
    this.broadcast({ type: "member", event: "joined", ...this.people.info(hello.client, this.members.get(hello.client)) });
    return undefined;
  }

  leave(client, socket) {
    if (this.members.get(client)?.socket !== socket) return;
    this.members.delete(client);
    this.broadcast({ type: "member", event: "left", client });
  }

  take(client, message, socket) {
    if (this.members.get(client)?.socket !== socket) return undefined;
    if (this.people.refuses(client, message, socket) || this.people.take(client, message, socket)) return undefined;
    switch (message.type) {
      case "stroke": return this.stroke(client, message, socket);
      case "settings": {
        const { type: _type, ...patch } = message;
        this.accept(client, socket, { type: "settings", ...patch });
        const { live = this.base.live, continues = false, ...look } = patch;
        this.base = { ...this.base, live };
        const newest = this.entries.findLast((entry) => entry.client === client && entry.active && entry.kind !== "follows");
        if (continues && newest?.kind === "settings") Object.assign(newest.patch, look);
        else if (Object.keys(look).length > 0) {
          this.entries.push({ seq: this.seq, client, kind: continues ? "follows" : "settings", leader: continues ? newest : undefined, patch: look, active: true });
        }
        this.settings = this.sum();
        this.pictures[this.seq] = this.states();
        return this.schedule();
      }
      case "layer": {
        const { type: _type, ...request } = message;
        const refused = refusalOf(request, this.layers);
        if (refused) return socket.send(JSON.stringify({ type: "error", code: refused[0], message: refused[1] }));
        const change = request.action === "add" ? { name: `Layer ${this.layers.length + 1}`, ...request } : request;
        const newest = this.entries.findLast((entry) => entry.client === client && entry.active && entry.kind !== "follows" && !entry.leader);
        if (change.action === "set" && change.continues && newest?.change?.layer === change.layer) Object.assign(newest.change, { ...change, continues: undefined });
        else {
          const leader = change.continues ? newest : undefined;
          this.entries.push({ seq: this.seq + 1, client, kind: "layer", leader, change, active: true });
        }
        this.accept(client, socket, { type: "layer", ...change }, undefined, [], true);
        this.everything = true;
        return this.replay();
      }
      case "undo": case "redo": return this.takeBack(client, message.type, socket);
      case "revert": return this.revert(client, message.seq, socket);
      case "cancel": return this.photo?.cancel();
      case "apply": {
        this.accept(client, socket, { type: "apply" });
        this.entries.push({ seq: this.seq, client, kind: "apply", image: this.result.slice(), into: this.shownIds(), active: true });
        return this.replay();
      }
      case "place": {
        const { type: _type, ...placed } = message;
        if (placed.layer !== undefined) return this.layOn(client, placed, socket);
        this.accept(client, socket, { type: "place", ...placed });
        const image = new Uint8Array(this.width * this.height * 3);
        for (let at = 0; at < image.length; at += 3) image.set([90, 140, 190], at);
        this.photo?.cancel();
        this.photo = message.mode === "invert" ? new MockInversion(this) : undefined;
        this.entries.push({ seq: this.seq, client, kind: "apply", image, into: this.shownIds(), active: true });
        return this.replay();
      }
      case "render": {
        if (!this.maskBounds()) {
          const { width, height } = this;
          const points = Array.from({ length: Math.ceil(height / 32) + 1 }, (_, row) => [[0, row * 32, 1], [width, row * 32, 1]]).flat();
          this.stroke(client, { type: "stroke", id: `render-${this.seq + 1}`, tool: "mask", size: 128, hardness: 1, opacity: 1, color: "#000000", points, done: true }, socket);
        }
        return this.schedule(0);
      }
      case "presence": {
        const { type: _type, ...presence } = message;
        for (const [other, { socket: to }] of this.members) {
          if (other !== client) to.send(JSON.stringify({ type: "member", event: "presence", client, ...presence }));
        }
        return undefined;
      }
      case "ping": return socket.send(JSON.stringify({ type: "pong", t: message.t }));
      default: return socket.send(JSON.stringify({ type: "error", code: "unknown_type", message: "Unknown message." }));
    }
  }

  /** The layers that are in the picture. */
  shownIds() {
    return this.layers.filter(({ visible, seen }) => visible && seen).map(({ id }) => id);
  }

  /** The settings with all changes that are in the picture. */
  sum() {
    return Object.assign({ ...this.base }, ...this.entries.filter(({ patch, active }) => patch && active).map(({ patch }) => patch));
  }

  accept(client, socket, op, id, switches = [], changesLayers = false) {
    this.seq += 1;
    this.changedAt = nowInSeconds();
    if (switches.length > 0) this.settings = this.sum();
    if (switches.length > 0 || changesLayers) this.layers = layersOf(this.entries);
    const sequenced = { seq: this.seq, client, op, ...(switches.length ? { switches, settings: this.settings } : {}), ...(switches.length || changesLayers ? { layers: this.layers } : {}) };
    this.ops.push(sequenced);
    socket.send(JSON.stringify({ type: "ack", ...(id ? { id } : {}), seq: this.seq }));
    this.broadcast({ type: "op", ...sequenced });
    return this.seq;
  }

  stroke(client, { type: _type, ...chunk }, socket) {
    let entry = this.entries.find((known) => known.client === client && known.id === chunk.id);
    if (!entry && chunk.tool === undefined) {
      return socket.send(JSON.stringify({ type: "error", code: "unknown_stroke", message: "No such stroke.", id: chunk.id }));
    }
    const seq = this.accept(client, socket, { type: "stroke", ...chunk }, chunk.id);
    if (!entry) {
      const { tool, size, hardness, opacity, color } = chunk;
      entry = { seq, client, id: chunk.id, kind: "stroke", layer: chunk.layer, brush: { tool, size, hardness, opacity, color }, points: [], active: true, cover: new Map() };
      this.entries.push(entry);
    }
    const from = Math.max(0, entry.points.length - 1);
    entry.points.push(...chunk.points);
    const rect = this.cover(entry, from);
    this.replay(rect);
  }

  /** A picture on a layer: the stand-in decodes nothing, so it is a square in the middle. */
  layOn(client, placed, socket) {
    const layer = this.layers.find(({ id }) => id === placed.layer);
    const refused = layer === undefined ? "unknown_layer" : layer.locked ? "layer_locked" : undefined;
    if (refused) return socket.send(JSON.stringify({ type: "error", code: refused, message: "No picture goes on that layer; choose another one." }));
    const leader = placed.continues ? this.entries.findLast((entry) => entry.client === client && entry.active && !entry.leader) : undefined;
    const [size, cover] = [Math.min(this.width, this.height) / 2, new Map()];
    for (let y = 0; y < size; y += 1) {
      for (let x = 0; x < size; x += 1) cover.set(Math.floor((this.height - size) / 2 + y) * this.width + Math.floor((this.width - size) / 2 + x), 1);
    }
    this.entries.push({ seq: this.seq + 1, client, kind: "picture", leader, layer: placed.layer, cover, active: true });
    this.accept(client, socket, { type: "place", ...placed });
    return this.replay();
  }

  takeBack(client, kind, socket) {
    const own = this.entries.filter((entry) => entry.client === client && entry.active === (kind === "undo") && entry.kind !== "follows" && !entry.leader);
    const entry = kind === "undo" ? own.at(-1) : own.sort((a, b) => a.takenAt - b.takenAt).at(-1);
    if (!entry) {
      return socket.send(JSON.stringify({ type: "error", code: "nothing_to_undo", message: "There is nothing to undo." }));
    }
    const before = this.states();
    entry.active = kind === "redo";
    for (const follower of this.entries.filter(({ leader }) => leader === entry)) follower.active = entry.active;
    if (entry.kind === "revert") {
      const now = this.entries.map(({ active }) => active);
      entry.before.forEach((active, at) => (this.entries[at].active = active));
      entry.before = now.slice(0, entry.before.length);
    }
    this.accept(client, socket, { type: kind, target: entry.seq }, undefined, this.switchesSince(before));
    entry.takenAt = this.seq;
    this.replay();
  }

  /** `pictures` has what was active after every op that changed it. */
  revert(client, seq, socket) {
    const then = this.pictures[Math.max(...Object.keys(this.pictures).map(Number).filter((at) => at <= seq))];
    const before = this.entries.map(({ active }) => active);
    const states = this.states();
    for (const known of this.entries) known.active = then.get(known.seq) ?? false;
    this.accept(client, socket, { type: "revert", seq }, undefined, this.switchesSince(states));
    this.entries.push({ seq: this.seq, client, kind: "revert", before, active: true });
    this.replay();
  }

  /** Which entries are in the picture. */
  states() {
    return new Map(this.entries.map(({ seq, active }) => [seq, active]));
  }

  /** The entries that went into the picture since, or out of it. */
  switchesSince(states) {
    return this.entries.filter(({ seq, active }) => states.get(seq) !== active).map(({ seq, active }) => ({ entry: seq, active }));
  }

  /** Draws an entry's new points into its own coverage. */
  cover(entry, from) {
    const { size, hardness } = entry.brush;
    let box = [this.width, this.height, 0, 0];
    for (let index = from; index < entry.points.length; index += 1) {
      const [bx, by, bp] = entry.points[index];
      const [ax, ay, ap] = entry.points[index - 1] ?? [bx, by, bp];
      const [start, end] = [(size * ap) / 2, (size * bp) / 2];
      const most = Math.max(start, end);
      // Thinner than this the brush leaves nothing: it is in the air.
      if (2 * most < 0.25) continue;
      const squared = (bx - ax) ** 2 + (by - ay) ** 2;
      const left = Math.max(0, Math.floor(Math.min(ax, bx) - most - 1));
      const right = Math.min(this.width - 1, Math.ceil(Math.max(ax, bx) + most + 1));
      const top = Math.max(0, Math.floor(Math.min(ay, by) - most - 1));
      const bottom = Math.min(this.height - 1, Math.ceil(Math.max(ay, by) + most + 1));
      box = [Math.min(box[0], left), Math.min(box[1], top), Math.max(box[2], right + 1), Math.max(box[3], bottom + 1)];
      for (let py = top; py <= bottom; py += 1) {
        for (let px = left; px <= right; px += 1) {
          const foot = ((px + 0.5 - ax) * (bx - ax) + (py + 0.5 - ay) * (by - ay)) / (squared || 1);
          const along = Math.min(1, Math.max(0, foot));
          const radius = squared === 0 ? most : start + (end - start) * along;
          const distance = Math.hypot(px + 0.5 - ax - along * (bx - ax), py + 0.5 - ay - along * (by - ay));
          const edge = Math.max(1, radius * (1 - hardness));
          const covered = Math.min(1, 2 * radius, Math.max(0, (radius + 0.5 - distance) / edge));
          const at = py * this.width + px;
          if (covered > (entry.cover.get(at) ?? 0)) entry.cover.set(at, covered);
        }
      }
    }
    return [box[0], box[1], Math.max(0, box[2] - box[0]), Math.max(0, box[3] - box[1])];
  }

  replay(rect = [0, 0, this.width, this.height]) {
    this.sketch.fill(255);
    this.mask.fill(0);
    let base = new Uint8Array(this.sketch);
    this.pictures[this.seq] = new Map(this.entries.map(({ seq, active }) => [seq, active]));
    for (const entry of this.entries.filter(({ active, kind }) => active && (kind === "apply" || kind === "stroke"))) {
      if (entry.kind === "apply") {
        this.sketch.set(entry.image);
        base = entry.image;
        this.mask.fill(0);
        continue;
      }
      const { tool, opacity, color } = entry.brush;
      const isLowest = (entry.layer ?? 0) === 0;
      if (tool === "restore" ? false : !isLowest || !this.shownIds().includes(0)) continue;
      const rgb = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
      if (tool === "smudge") smear(this.sketch, this.width, this.height, entry);
      for (const [at, covered] of entry.cover) {
        const alpha = covered * opacity;
        if (tool === "brush" || tool === "erase") {
          for (let channel = 0; channel < 3; channel += 1) {
            const to = tool === "brush" ? rgb[channel] : base[at * 3 + channel];
            this.sketch[at * 3 + channel] = Math.round(this.sketch[at * 3 + channel] * (1 - alpha) + to * alpha);
          }
        }
        if (tool === "brush" || tool === "mask" || tool === "smudge") this.mask[at] = Math.max(this.mask[at], Math.round(covered * 255));
        else this.mask[at] = Math.min(this.mask[at], Math.round((1 - covered) * 255));
      }
    }
    for (const layer of this.layers.filter(({ id, visible, seen }) => id !== 0 && visible && seen)) {
      lay(layer, paintedOn(layer, this.entries), this.sketch, this.mask);
    }
    for (let at = 0; at < this.mask.length; at += 1) {
      if (this.mask[at] === 0) this.result.set(this.sketch.subarray(at * 3, at * 3 + 3), at * 3);
    }
    this.sendRect("sketch", rect, 0);
    this.sendRect("result", rect, 0, true);
    // What was taken back outside the mask is sent with the next render.
    this.everything ||= rect[2] === this.width && rect[3] === this.height;
    this.schedule();
  }

  /** Some of a layer's pixels, on white: of the lowest those of the sketch. */
  thumbnailOf(id) {
    const side = 16;
    const layer = this.layers.find((known) => known.id === id);
    const painted = id === 0 || !layer ? undefined : paintedOn(layer, this.entries).pixels;
    const small = new Uint8Array(side * side * 3).fill(255);
    for (let at = 0; at < side * side; at += 1) {
      const [x, y] = [at % side, Math.floor(at / side)].map((place, axis) => Math.floor(((place + 0.5) / side) * [this.width, this.height][axis]));
      const from = y * this.width + x;
      if (!painted) small.set(this.sketch.subarray(from * 3, from * 3 + 3), at * 3);
      else if (painted.has(from)) small.set(painted.get(from).slice(0, 3).map((channel) => Math.round(channel * 255)), at * 3);
    }
    return encodePng(small, side, [0, 0, side, side]);
  }

  schedule(delay = this.delay) {
    if (!this.settings.live && delay !== 0) return;
    clearTimeout(this.renderTimer);
    if (this.running) this.broadcast({ ...this.running, state: "superseded" });
    this.running = undefined;
    const rev = this.seq;
    const rect = this.maskBounds();
    if (!rect) return;
    const news = { type: "render", rev, rect, steps: this.settings.steps, client: this.ops.at(-1)?.client };
    this.broadcast({ ...news, state: "started" });
    this.running = news;
    this.renderTimer = setTimeout(() => {
      this.running = undefined;
      this.paintResult(rect);
      this.sendRect("result", this.everything ? [0, 0, this.width, this.height] : rect, this.settings.steps);
      this.everything = false;
      this.broadcast({ ...news, state: "done", timings_ms: { queue: 1, text: 0, encode: 20, denoise: this.delay, decode: 20, codec: 4, total: this.delay + 45 } });
    }, delay);
  }

  maskBounds() {
    let [left, top, right, bottom] = [this.width, this.height, 0, 0];
    for (let at = 0; at < this.mask.length; at += 1) {
      if (this.mask[at] === 0) continue;
      const x = at % this.width;
      const y = Math.floor(at / this.width);
      left = Math.min(left, x); right = Math.max(right, x + 1);
      top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
    }
    return right > left ? [left, top, right - left, bottom - top] : undefined;
  }

  /** The toy model: brush hairs and a little light, inside the mask only. */
  paintResult([left, top, width, height]) {
    for (let y = top; y < top + height; y += 1) {
      for (let x = left; x < left + width; x += 1) {
        const at = y * this.width + x;
        if (this.mask[at] === 0) continue;
        const weight = this.mask[at] / 255;
        const hair = Math.sin((x * 0.9 + Math.sin(y * 0.06 + this.settings.seed) * 14) * 0.7) * 13;
        const light = Math.sin(x * 0.021 + y * 0.017) * 16 - (y - top) / height * 18 + 8;
        for (let channel = 0; channel < 3; channel += 1) {
          const value = this.sketch[at * 3 + channel] + (hair + light) * weight;
          this.result[at * 3 + channel] = Math.max(0, Math.min(255, Math.round(value)));
        }
      }
    }
  }

  sendRect(layer, rect, step, freeOnly = false) {
    const left = Math.floor(rect[0] / TILE) * TILE;
    const top = Math.floor(rect[1] / TILE) * TILE;
    const right = Math.min(this.width, Math.ceil((rect[0] + rect[2]) / TILE) * TILE);
    const bottom = Math.min(this.height, Math.ceil((rect[1] + rect[3]) / TILE) * TILE);
    if (right <= left || bottom <= top) return;
    // What waits for the model is not a result yet.
    if (freeOnly && this.maskBounds()) return;
    const frame = this.frame(layer, [left, top, right - left, bottom - top], this.seq, step);
    for (const { socket } of this.members.values()) socket.send(frame);
  }

  frame(layer, rect, rev, step) {
    const image = encodePng(this[layer], this.width, rect);
    const header = Buffer.from(JSON.stringify({ type: "frame", rev, rect, step, steps: step, final: true, format: "png", layer }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    return Buffer.concat([length, header, image]);
  }

  broadcast(message) {
    const text = JSON.stringify(message);
    for (const { socket } of this.members.values()) socket.send(text);
  }
}

function nowInSeconds() {
  return Math.floor(Date.now() / 1000);
}

/** A PNG with what it was made with: the only kind of file that the stand-in makes. */
function exportPng(room, query, response) {
  if (query.get("format") !== "png") {
    response.writeHead(400, { "content-type": "application/json" });
    return response.end(JSON.stringify({ error: { code: "invalid_value", message: "The stand-in exports PNG alone." } }));
  }
  const { prompt, steps, guidance_scale, seed } = room.settings;
  const parameters = `${prompt}\nSteps: ${steps}, Sampler: LCM, CFG scale: ${guidance_scale}, Seed: ${seed}`;
  const pixels = room[query.get("layer") === "sketch" ? "sketch" : "result"];
  const texts = query.get("settings") === "false" ? {} : { parameters };
  response.setHeader("content-type", "image/png");
  return response.end(encodePng(pixels, room.width, [0, 0, room.width, room.height], texts));
}

/** Another room with the same picture. */
function copyOf(room) {
  const copy = new MockRoom(`${room.name}-copy`, room.width, room.height, room.delay);
  copy.settings = { ...room.settings };
  copy.seq = room.seq;
  for (const layer of ["sketch", "result", "mask"]) copy[layer].set(room[layer]);
  return copy;
}

/** Starts the stand-in; answers its address and how to stop it. */
export async function startMock({ port = 0, width = 512, height = 512, delay = 180 } = {}) {
  const rooms = new Map();
  const room = (name) => {
    if (!rooms.has(name)) rooms.set(name, new MockRoom(name, width, height, delay));
    return rooms.get(name);
  };
  const calls = new MockRooms(rooms, copyOf);
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://mock");
    if (calls.answer(request, response, url.pathname)) return undefined;
    const image = url.pathname.match(/^\/v1\/rooms\/([^/]+)\/image$/);
    const images = url.pathname.match(/^\/v1\/rooms\/([^/]+)\/images$/);
    const thumbnail = url.pathname.match(/^\/v1\/rooms\/([^/]+)\/layers\/(\d+)\/thumbnail$/);
    if (thumbnail) {
      const found = room(decodeURIComponent(thumbnail[1]));
      response.setHeader("content-type", "image/png");
      return response.end(found.thumbnailOf(Number(thumbnail[2])));
    }
    const exported = url.pathname.match(/^\/v1\/rooms\/([^/]+)\/export$/);
    if (exported) return exportPng(room(decodeURIComponent(exported[1])), url.searchParams, response);
    if (image) {
      const found = room(decodeURIComponent(image[1]));
      const layer = url.searchParams.get("layer");
      if (layer === "mask") {
        response.setHeader("content-type", "image/png");
        const grey = new Uint8Array(found.mask.length * 3).map((_, at) => found.mask[Math.floor(at / 3)]);
        return response.end(encodePng(grey, found.width, [0, 0, found.width, found.height]));
      }
      const pixels = layer === "noise" || layer === "reconstruction" ? found.photo?.[layer] : found[layer === "sketch" ? "sketch" : "result"];
      if (!pixels) {
        response.statusCode = 404;
        return response.end();
      }
      response.setHeader("content-type", "image/png");
      return response.end(encodePng(pixels, found.width, [0, 0, found.width, found.height]));
    }
    if (url.pathname === "/v1/rooms" && request.method === "POST") {
      let text = "";
      request.on("data", (part) => (text += part));
      return request.on("end", () => {
        const wanted = JSON.parse(text);
        rooms.set(wanted.name, new MockRoom(wanted.name, wanted.width ?? width, wanted.height ?? height, delay));
        response.writeHead(201, { "content-type": "application/json" });
        const invites = Object.fromEntries(["owner", "editor", "viewer"].map((role) => [role, `${role}-${wanted.name}`]));
        response.end(JSON.stringify({ room: wanted.name, url: `http://mock/?room=${wanted.name}`, invites }));
      });
    }
    if (images && request.method === "POST") {
      request.resume();
      return request.on("end", () => {
        response.writeHead(201, { "content-type": "application/json" });
        response.end(JSON.stringify({ image: "mock-image", width, height }));
      });
    }
    const name = url.pathname === "/" ? "index.html" : url.pathname.slice(1);
    const path = join(DIST, normalize(name));
    if (!path.startsWith(DIST) || !existsSync(path) || !statSync(path).isFile()) {
      response.statusCode = 404;
      return response.end();
    }
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
    return createReadStream(path).pipe(response);
  });
  const sockets = new WebSocketServer({ server, handleProtocols: () => "impasto.v1" });
  sockets.on("connection", (socket, request) => {
    const name = decodeURIComponent(request.url.split("/")[3] ?? "");
    if (calls.isGone(name)) {
      socket.send(JSON.stringify({ type: "error", code: "room_deleted", message: "The room was deleted; open another one." }));
      return socket.close(1008, "room deleted");
    }
    const found = room(name);
    let client;
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      if (message.type === "hello") {
        client = message.client;
        found.join(socket, message);
      } else if (client !== undefined) {
        found.take(client, message, socket);
      }
    });
    socket.on("close", () => client !== undefined && found.leave(client, socket));
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Cuts every socket, as a lost network does. */
    cut: () => { for (const socket of sockets.clients) socket.terminate(); },
    /** Tells everybody what their rooms do without, as a server with too much to do does. */
    strain: (level) => { for (const socket of sockets.clients) socket.send(JSON.stringify({ type: "strain", level })); },
    stop: () => { for (const socket of sockets.clients) socket.terminate(); server.close(); },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMock({ port: Number(process.argv[2] ?? 7860), width: Number(process.argv[3] ?? 512), height: Number(process.argv[4] ?? 512) });
  process.stdout.write(`${url}\n`);
}

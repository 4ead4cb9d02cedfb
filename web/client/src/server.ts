import { callPath, roomPath } from "./address.js";
import { call, CallRefused, type Bearer } from "./calls.js";
import { FrameCounter, picturesOf, type Recording } from "./recording.js";
import type {
  CanvasSize,
  ControlPreprocess,
  Finish,
  FrameFormat,
  Layer,
  ModelInfo,
  Role,
  SigmasChoice,
  TimestepSpacingChoice,
} from "./protocol/index.js";

/** What the server tells of a room. */
export interface RoomFacts {
  room: string;
  /** The title that it was given, otherwise its prompt. */
  title?: string;
  canvas: CanvasSize;
  /** When its picture last changed, in seconds since 1970; unknown where nothing keeps it. */
  changed_at?: number;
  members: number;
  /** It outlives the server. */
  kept: boolean;
  role: Role;
  /** The token makes rooms, too. */
  makes_rooms: boolean;
  /** The server asks for tokens; where it does not, whoever shows none may do everything. */
  auth: boolean;
}

/** A new room, and what opens it. */
export interface RoomMade {
  room: string;
  url: string;
  invites: Record<Role, string>;
}

/** A new invite. */
export interface InviteMade {
  id: string;
  role: Role;
  token: string;
  url: string;
}

/** An image that a room keeps until it is placed. */
export interface ImageKept extends CanvasSize {
  image: string;
}

/** A picture without a room: what is left out is as the model likes it. */
export interface ImageRequest {
  prompt: string;
  negative_prompt?: string;
  guidance_scale?: number;
  guidance_rescale?: number;
  image_guidance_scale?: number;
  steps?: number;
  strength?: number;
  seed?: number;
  variation?: number;
  sampler?: string;
  timestep_spacing?: TimestepSpacingChoice;
  /** A spacing, or in place of `steps` the sigmas themselves, which descend to 0. */
  sigmas?: SigmasChoice | number[];
  /** In place of `steps` the timesteps themselves, which descend. */
  timesteps?: number[];
  finish?: Finish;
  finish_strength?: number;
  width?: number;
  height?: number;
  /** A PNG, JPEG or WebP in base64, or as a `data:` URL. */
  sketch?: string;
  /** Where the sketch may change: white may, black stays. */
  mask?: string;
  /** The name of one of the model's controls; empty for none. */
  control?: string;
  /** What it steers by, like the sketch; the sketch when left out. */
  control_image?: string;
  control_preprocess?: ControlPreprocess;
  control_scale?: number;
  control_start?: number;
  control_end?: number;
  /** The name of one of the model's IP-Adapters; empty for none. */
  ip_adapter?: string;
  /** What is seen beside the prompt through it, like the sketch. */
  reference_image?: string;
  reference_scale?: number;
  reference_start?: number;
  reference_end?: number;
  format?: FrameFormat;
  quality?: number;
}

/** A picture that was made, and how. */
export interface ImageMade {
  image: Blob;
  seed: number;
  /** Milliseconds by stage. */
  timings: Record<string, number>;
}

/** A file to take away. */
export interface ExportQuery {
  format: FrameFormat | "ora";
  layer?: Layer;
  scale?: number;
  quality?: number;
  dpi?: number;
  settings?: boolean;
}

/** An animation of a room's pictures over time. */
export interface TimelapseQuery {
  format?: "apng";
  /** How long it takes, 1 … 60; 10 when left out. */
  seconds?: number;
  /** Pixels on its longer side, 64 … 512; 512 when left out. */
  side?: number;
}

/** A picture of a room. */
export type PictureLayer = Layer | "mask" | "reference" | "noise" | "reconstruction";
/** A picture inside an OpenRaster file. */
export type FileLayer = Layer | "photo";

/** Where a picture lies in a larger whole, in pixels, and how large that is. */
export interface PartOfWhole extends CanvasSize {
  x: number;
  y: number;
}

/** The HTTP calls of a server. Each throws `CallRefused` where it comes to nothing. */
export class Server {
  readonly #base: string;
  readonly #bearer: Bearer;

  /** `base` is the address of the server's page; calls are beside it. Empty for a page of the server. */
  constructor(base: string, bearer: Bearer = {}) {
    this.#base = base;
    this.#bearer = bearer;
  }

  /** The model that it paints with. */
  async model(): Promise<ModelInfo> {
    return (await (await this.#call("v1/model")).json()) as ModelInfo;
  }

  /** Makes a picture without a room; the operator's call. */
  async generate(request: ImageRequest): Promise<ImageMade> {
    const answer = await this.#call("v1/images", "POST", request);
    return {
      image: await answer.blob(),
      seed: Number(answer.headers.get("impasto-seed")),
      timings: timingsOf(answer.headers.get("server-timing") ?? ""),
    };
  }

  /** Every room, the one that changed last first; the operator's call. */
  async rooms(): Promise<string[]> {
    const { rooms } = (await (await this.#call("v1/rooms")).json()) as { rooms: { room: string }[] };
    return rooms.map(({ room }) => room);
  }

  /** Makes a room; the operator's call. */
  async makeRoom(request: { name?: string; width?: number; height?: number } = {}): Promise<RoomMade> {
    return (await (await this.#call("v1/rooms", "POST", request)).json()) as RoomMade;
  }

  /** What there is to know of a room. */
  async facts(room: string): Promise<RoomFacts> {
    return (await (await this.#call(roomPath(room))).json()) as RoomFacts;
  }

  /** Gives a room another title; an empty one takes it away. */
  async rename(room: string, title: string): Promise<RoomFacts> {
    return (await (await this.#call(roomPath(room), "PATCH", { title })).json()) as RoomFacts;
  }

  /** Makes a copy of a room. */
  async duplicate(room: string, title?: string): Promise<RoomMade> {
    const request = title === undefined ? {} : { title };
    return (await (await this.#call(callPath(room, "duplicate"), "POST", request)).json()) as RoomMade;
  }

  /** Deletes a room for good. */
  async delete(room: string): Promise<void> {
    await this.#call(roomPath(room), "DELETE");
  }

  /** Makes an invite. */
  async invite(room: string, role: Role, limits: { expires_in_seconds?: number; uses?: number } = {}): Promise<InviteMade> {
    const answer = await this.#call(callPath(room, "invites"), "POST", { role, ...limits });
    return (await answer.json()) as InviteMade;
  }

  /** A small picture of a room. */
  async thumbnail(room: string): Promise<Blob> {
    return (await this.#call(callPath(room, "thumbnail"))).blob();
  }

  /** A picture of a room as PNG. */
  async picture(room: string, layer: PictureLayer = "result"): Promise<Blob> {
    return (await this.#call(callPath(room, `image?layer=${layer}`))).blob();
  }

  /** What is painted on a layer as PNG, with transparency above the lowest. */
  async layer(room: string, layer: number): Promise<Blob> {
    return (await this.#call(callPath(room, `layers/${layer}`))).blob();
  }

  /** A small picture of a layer as PNG, of 96 pixels on its longer side at most. */
  async layerThumbnail(room: string, layer: number): Promise<Blob> {
    return (await this.#call(callPath(room, `layers/${layer}/thumbnail`))).blob();
  }

  /** A file of a room's picture to take away. */
  async export(room: string, query: ExportQuery): Promise<Blob> {
    return (await this.#call(callPath(room, `export?${searchOf(query)}`))).blob();
  }

  /** A room's pictures over time, as they were recorded. */
  async recording(room: string, signal?: AbortSignal): Promise<Recording> {
    const answer = await this.#call(callPath(room, "recording"), "GET", undefined, signal);
    return { frames: framesOf(answer), pictures: picturesOf(bodyOf(answer)) };
  }

  /** The same as one animation. `heard` is told how many of its pictures are made, and of how many. */
  async timelapse(
    room: string,
    query: TimelapseQuery = {},
    heard: (made: number, frames: number) => void = () => {},
    signal?: AbortSignal,
  ): Promise<Blob> {
    const answer = await this.#call(callPath(room, `timelapse?${searchOf(query)}`), "GET", undefined, signal);
    const counter = new FrameCounter();
    const parts: BlobPart[] = [];
    const reader = bodyOf(answer).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      counter.add(part.value);
      parts.push(part.value as Uint8Array<ArrayBuffer>);
      heard(counter.frames, framesOf(answer));
    }
    return new Blob(parts, { type: answer.headers.get("content-type") ?? "image/apng" });
  }

  /** The LoRAs that the server was started with, and how much of each is in the model. */
  async loras(): Promise<{ loras: { name: string; weight: number }[] }> {
    return (await (await this.#call("v1/loras")).json()) as { loras: { name: string; weight: number }[] };
  }

  /** Uploads a picture that `place` lays on a layer: it keeps its transparency, and is seen whole. */
  async uploadForLayer(room: string, image: Blob, layer?: FileLayer, within?: PartOfWhole): Promise<ImageKept> {
    const path = callPath(room, `images?${searchOf({ target: "layer", layer, ...within })}`);
    return (await (await this.#call(path, "POST", image)).json()) as ImageKept;
  }

  /** Uploads a picture that settings name as `reference`: its middle is kept, square. */
  async uploadReference(room: string, image: Blob): Promise<ImageKept> {
    const path = callPath(room, `images?${searchOf({ target: "reference" })}`);
    return (await (await this.#call(path, "POST", image)).json()) as ImageKept;
  }

  /** Uploads a picture that `place` makes the base of the canvas. */
  async upload(room: string, image: Blob, layer?: FileLayer): Promise<ImageKept> {
    const path = callPath(room, layer === undefined ? "images" : `images?layer=${layer}`);
    return (await (await this.#call(path, "POST", image)).json()) as ImageKept;
  }

  #call(path: string, method?: string, body?: object, signal?: AbortSignal): Promise<Response> {
    const address = this.#base === "" ? path : new URL(path, this.#base).href;
    return call(address, this.#bearer, method, body, signal);
  }
}

/** A query in an address, without what is left out. */
function searchOf(query: object): URLSearchParams {
  const words = Object.entries(query).filter(([, value]) => value !== undefined);
  return new URLSearchParams(words.map(([name, value]) => [name, String(value)]));
}

function framesOf(answer: Response): number {
  return Number(answer.headers.get("impasto-frames") ?? 0);
}

function bodyOf(answer: Response): ReadableStream<Uint8Array> {
  if (!answer.body) throw new CallRefused(answer.status, "The answer is empty; try again.");
  return answer.body;
}

/** `queue;dur=0.4, text;dur=1.2` as milliseconds by stage. */
function timingsOf(header: string): Record<string, number> {
  const stages = header.split(",").map((stage) => stage.trim().split(";dur="));
  return Object.fromEntries(stages.filter(([, spent]) => spent).map(([stage, spent]) => [stage, Number(spent)]));
}

import type { Brush, Layer, Rect, RenderState, Role, Settings, SettingsPatch, StrokePoint, Tool } from "../client/src";
import type { ViewMode } from "./stage/renderer";
import type { Point } from "./stage/view";
import type { Studio } from "./studio/studio.svelte";

/** What `window.impasto.state()` answers. */
export interface ImpastoState {
  connection: "connecting" | "open" | "waiting" | "refused" | "closed";
  room: string;
  client: string;
  /** `seq` of the last op that was seen, and of our own last acknowledged one. */
  seq: number;
  saved: number;
  /** Messages that wait for their acknowledgement. */
  pending: number;
  /** Strokes whose own pixels have not come back yet. */
  ink: number;
  /** The whole picture has come. */
  complete: boolean;
  /** White paper all over: the starter sketches are offered. */
  blank: boolean;
  /** Regions that are being rendered. */
  busy: Rect[];
  renders: Record<RenderState, number>;
  /** Milliseconds from the last point to its rendered pixels. */
  strokeToPixel: number | undefined;
  settings: Settings;
  tool: Tool | "eyedropper" | "hand";
  brush: Brush;
  /** `angle` in degrees to the right; turning and mirroring change what is seen, not the picture. */
  view: { mode: ViewMode; scale: number; x: number; y: number; angle: number; mirrored: boolean };
    /** What this member may do, and whether only owners may change anything. */
  role: Role;
  locked: boolean;
  /** Who is here; `pointer` is where a member's pointer is, in canvas pixels, while it moves now and then. */
  members: { client: string; name: string; role: Role; hue: number; pointer: Point | undefined }[];
  /** Who is followed. */
  following: string | undefined;
  /** What was said last, and how much of it came while the chat was folded. */
  chat: { name: string; text: string }[];
  unread: number;
  /** Earlier pictures that can be gone back to, newest first: `seq` of the last op in each. */
  thumbnails: number[];
}

/** The page's embedding API, at `window.impasto`. */
export interface ImpastoApi {
  /** Version of this API. */
  readonly version: 1;
  /** Resolves once the room is joined and the whole picture has come. */
  ready(): Promise<ImpastoState>;
  state(): ImpastoState;
  /** Width and height of the canvas; undefined before the room is joined. */
  canvas(): { width: number; height: number } | undefined;
  /** RGBA bytes of a rectangle of a layer, row by row; local ink is not in them. */
  readPixels(layer: Layer, rect: Rect): Uint8ClampedArray;
  /** A canvas point in CSS pixels of the page, in the pane that shows the result. */
  toPage(point: Point): Point;
  /** A point of the page on the canvas. */
  toCanvas(point: Point): Point;
  /** Paints a stroke at once; what the brush leaves out is as the toolbox has it. Answers its id. */
  paint(points: StrokePoint[], brush?: Partial<Brush>): string;
  /** Changes the room's settings. */
  settings(patch: SettingsPatch): void;
  undo(): void;
  redo(): void;
  render(): void;
  apply(): void;
  /** Goes back to one of `state().thumbnails`, its settings included; false where it is not there. */
  goBack(seq: number): boolean;
  show(mode: ViewMode): void;
  /** Puts a tool in hand. */
  take(tool: Tool | "eyedropper" | "hand"): void;
}

declare global {
  interface Window {
    impasto?: ImpastoApi;
  }
}

/** Makes the API of a studio. */
export function embeddingApi(studio: Studio): ImpastoApi {
  const { room } = studio;
  const state = (): ImpastoState => ({
    connection: room.phase.name,
    room: room.name,
    client: room.client,
    seq: room.seq,
    saved: room.saved,
    pending: room.pending,
    ink: room.picture?.ink.waiting ?? 0,
    complete: room.complete,
    blank: room.blank,
    busy: room.busy.map((region) => [...region.rect] as Rect),
    renders: { ...room.renders.counts },
    strokeToPixel: room.strokeToPixel,
    settings: { ...room.settings.local },
    tool: studio.toolbox.inHand,
    brush: studio.toolbox.brush,
    view: { mode: studio.viewport.mode, ...studio.viewport.view },
    role: room.role,
    locked: room.people.locked,
    members: room.members.map(({ client, name, role, hue, pointer }) => ({ client, name, role, hue, pointer: pointer?.target })),
    following: studio.following.client,
    chat: room.chat.lines.map(({ name, text }) => ({ name, text })),
    unread: room.chat.unread,
    thumbnails: room.thumbnails.shown.map(({ seq }) => seq),
  });
  return {
    version: 1,
    async ready() {
      while (room.phase.name !== "open" || !room.complete) {
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      return state();
    },
    state,
    canvas: () => room.picture && { width: room.picture.width, height: room.picture.height },
    readPixels: (layer, rect) => room.picture?.read(layer, rect) ?? new Uint8ClampedArray(0),
    toPage: (point) => studio.viewport.stagePoint(point),
    toCanvas: (point) => studio.viewport.canvasPoint(point),
    paint(points, brush = {}) {
      const hand = room.painter.begin({ ...studio.toolbox.brush, ...brush });
      hand.add(points);
      hand.end();
      return hand.id;
    },
    settings(patch) {
      room.settings.set(patch);
    },
    undo: () => studio.undo(),
    redo: () => studio.redo(),
    render: () => studio.render(),
    apply: () => studio.apply(),
    goBack(seq) {
      const thumbnail = room.thumbnails.shown.find((known) => known.seq === seq);
      if (thumbnail) studio.goBack(thumbnail);
      return thumbnail !== undefined;
    },
    show: (mode) => studio.viewport.show(mode),
    take: (tool) => studio.toolbox.take(tool),
  };
}

import type { BlendMode, CanvasSize } from "../../client/src";
import type { Archive } from "./archive";

const STACK = "stack.xml";
/** Bytes of `stack.xml` at most. */
const STACK_MOST = 2 ** 20;

/** What OpenRaster calls the blend modes that rooms have. */
const BLENDS: Readonly<Record<string, BlendMode>> = {
  "svg:src-over": "normal",
  "svg:multiply": "multiply",
  "svg:screen": "screen",
  "svg:overlay": "overlay",
  "svg:soft-light": "soft-light",
};

/** A layer as `stack.xml` says it. */
export interface StackLayer {
  name: string;
  /** The part that has its pixels. */
  src: string;
  x: number;
  y: number;
  /** 0 … 1, with that of the groups that it is in. */
  opacity: number;
  /** Whether it and the groups that it is in are seen. */
  visible: boolean;
  /** What the format calls the way it is mixed with what lies under it. */
  composite: string;
}

/** What an OpenRaster file says of its layers. */
export interface Stack extends CanvasSize {
  /** The topmost first. */
  layers: StackLayer[];
  /** Names of groups that are not what their layers alone are. */
  groups: string[];
}

/** The blend mode of that name; undefined where rooms have none. */
export function blendOf(composite: string): BlendMode | undefined {
  return BLENDS[composite];
}

/** Reads what a file says of its layers; throws where it says nothing that can be read. */
export async function stackOf(archive: Archive): Promise<Stack> {
  const text = new TextDecoder().decode(await archive.part(STACK, STACK_MOST));
  const document = new DOMParser().parseFromString(text, "application/xml");
  const image = document.documentElement;
  const [width, height] = [numberOf(image, "w", 0), numberOf(image, "h", 0)];
  if (image.localName !== "image" || !(width >= 1 && height >= 1)) {
    throw new Error("The file says nothing of its size; save it again.");
  }
  const stack: Stack = { width, height, layers: [], groups: [] };
  for (const root of image.children) if (root.localName === "stack") collect(root, 1, true, stack);
  if (stack.layers.length === 0) throw new Error("The file has no layers; place the whole picture.");
  return stack;
}

function collect(group: Element, opacity: number, visible: boolean, into: Stack): void {
  for (const child of group.children) {
    const own = opacity * Math.min(1, Math.max(0, numberOf(child, "opacity", 1)));
    const isSeen = visible && child.getAttribute("visibility") !== "hidden";
    const composite = child.getAttribute("composite-op") ?? "svg:src-over";
    const name = child.getAttribute("name")?.trim() ?? "";
    if (child.localName === "stack") {
      if (blendOf(composite) !== "normal" || (own < 1 && child.children.length > 1)) into.groups.push(name || "without a name");
      collect(child, own, isSeen, into);
    } else if (child.localName === "layer") {
      into.layers.push({
        name,
        src: child.getAttribute("src") ?? "",
        x: Math.round(numberOf(child, "x", 0)),
        y: Math.round(numberOf(child, "y", 0)),
        opacity: own,
        visible: isSeen,
        composite,
      });
    }
  }
}

function numberOf(element: Element, name: string, otherwise: number): number {
  const value = Number(element.getAttribute(name) ?? otherwise);
  return Number.isFinite(value) ? value : otherwise;
}

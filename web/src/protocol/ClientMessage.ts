import type { Hello } from "./Hello";
import type { PlaceMode } from "./PlaceMode";
import type { Presence } from "./Presence";
import type { RenderWish } from "./RenderWish";
import type { SettingsPatch } from "./SettingsPatch";
import type { StrokeChunk } from "./StrokeChunk";

/**
 * A text frame from client to server.
 */
export type ClientMessage = { "type": "hello" } & Hello | { "type": "stroke" } & StrokeChunk | { "type": "settings" } & SettingsPatch | { "type": "render" } & RenderWish | { "type": "apply", } | { "type": "place", 
/**
 * The id that the upload answered.
 */
image: string, 
/**
 * How it is placed.
 */
mode: PlaceMode, } | { "type": "undo", } | { "type": "redo", } | { "type": "presence" } & Presence | { "type": "ping", 
/**
 * Sent back as it is.
 */
t: number, };

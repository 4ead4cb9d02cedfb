import type { PlaceMode } from "./PlaceMode";
import type { SettingsPatch } from "./SettingsPatch";
import type { StrokeChunk } from "./StrokeChunk";

/**
 * One accepted change.
 */
export type Op = { "type": "stroke" } & StrokeChunk | { "type": "settings" } & SettingsPatch | { "type": "place", 
/**
 * The image's id, as the upload answered it.
 */
image: string, 
/**
 * How it was placed.
 */
mode: PlaceMode, } | { "type": "apply", } | { "type": "undo", 
/**
 * `seq` of the first op of what was taken back.
 */
target: number, } | { "type": "redo", 
/**
 * `seq` of the first op of what was done again.
 */
target: number, };

import type { CanvasSize } from "./CanvasSize";
import type { MemberInfo } from "./MemberInfo";
import type { ModelInfo } from "./ModelInfo";
import type { Role } from "./Role";
import type { Settings } from "./Settings";

/**
 * The answer to `hello`; the picture follows as frames.
 */
export type Welcome = { 
/**
 * [`super::PROTOCOL_VERSION`].
 */
protocol: number, 
/**
 * The room's name.
 */
room: string, 
/**
 * The client's id.
 */
client: string, 
/**
 * What the client may do.
 */
role: Role, 
/**
 * `seq` of the last op.
 */
seq: number, 
/**
 * Size of the canvas.
 */
canvas: CanvasSize, 
/**
 * The room's settings.
 */
settings: Settings, 
/**
 * The model.
 */
model: ModelInfo, 
/**
 * Who is there, the client included.
 */
members: Array<MemberInfo>, };

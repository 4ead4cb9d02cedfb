/** A client of Impasto: the websocket of a room, its strokes and frames, and the HTTP calls. */
export { callPath, newId, roomPath, socketAddress } from "./address.js";
export { brushOf, DEFAULT_SMUDGE_STRENGTH, rgbOf, type Brush, type StrokePoint } from "./brush.js";
export { bearerHeaders, call, CallRefused, type Bearer } from "./calls.js";
export { CHUNK_INTERVAL_MS, CHUNK_POINTS, StrokeChunker } from "./chunker.js";
export { browserClock, type Clock } from "./clock.js";
export {
  Connection,
  type ConnectionHandlers,
  type ConnectionOptions,
  type Identity,
  type Phase,
  type SocketLike,
} from "./connection.js";
export { decodeFrame, type Frame } from "./frame.js";
export { isOpMessage, Outbox, type KeptOutbox, type OpMessage, type OutboxStore } from "./outbox.js";
export * from "./protocol/index.js";
export { FrameCounter, picturesOf, type RecordedPicture, type Recording } from "./recording.js";
export { BRUSH, Refused, Room, type JoinOptions, type RoomEvents } from "./room.js";
export {
  Server,
  type ExportQuery,
  type FileLayer,
  type ImageKept,
  type ImageMade,
  type ImageRequest,
  type InviteMade,
  type PartOfWhole,
  type PictureLayer,
  type RoomFacts,
  type RoomMade,
  type TimelapseQuery,
} from "./server.js";

//! Pixels without a model: strokes, masks, layers, windows, image codecs.
//!
//! A [`Canvas`] turns ops into four pictures: the base, the sketch, the
//! footprint of the strokes and the result. [`windows_for`] says which crops
//! of it the model should see, [`changed_rects`] which tiles members should.
//! Everything here is synchronous, and no work grows with the canvas where
//! only a part of it changed.

mod avx2;
mod beyond_ink;
mod blend;
mod blend_mode;
mod carried;
mod cells;
mod changes;
mod codec;
mod color_profile;
mod control;
mod decode;
mod difference;
mod dilate;
mod entry;
mod extend;
mod finish;
mod flatten;
mod gradient;
mod headers;
mod ink;
mod layer_paint;
mod layer_picture;
mod layer_replay;
mod layer_tiles;
mod layers;
mod mask;
mod masked;
mod painting;
mod paste;
mod photo_patches;
mod picture_ink;
mod pixels;
mod pixels_key;
mod region_masks;
mod replay;
mod resize;
mod second_jpeg;
mod smudge;
mod smudging;
mod soft_cells;
mod stack;
mod state;
mod stroke;
mod stroke_state;
mod sweep;
mod switch;
mod tile;
mod tip;
mod upload;
mod window;

#[cfg(test)]
mod tests;

pub use cells::{Cell, CellSet, squared_distance};
pub use changes::changed_rects;
pub use codec::{CodecError, ImageLimits, encode_image};
pub use control::control_picture;
pub use decode::{decode_image, decode_image_over, decode_upload};
pub use difference::{pixel_rms, psnr};
pub use entry::CanvasError;
pub use layer_tiles::{LayerCopy, LayerPixels};
pub use layers::{Canvas, MAX_UNDO_BYTES, MAX_UNDO_ENTRIES};
pub use mask::Mask;
pub use painting::Painting;
pub use photo_patches::{PhotoPatch, photo_patches};
pub use pixels::{BufferLengthError, Pixels};
pub use pixels_key::PixelsKey;
pub use resize::{fit_to, resize_bicubic, resize_lanczos, size_within};
pub use stack::StackLayer;
pub use state::{CanvasState, EntryState, EntryStateKind, FloorState, LayerState, LayerTileState};
pub use stroke::stroke_cost;
pub use stroke_state::{CanvasStateError, StrokeFacts, StrokeState};
pub use switch::Switched;
pub use tile::TILE;
pub use upload::Upload;
pub use window::{Window, WindowRules, feather, windows_for, zoom_for};

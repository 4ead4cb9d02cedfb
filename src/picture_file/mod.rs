//! Pictures as files that leave Impasto and come back: with what they were made with, where they
//! come from, and in layers.
//!
//! The server's exports and the command line write through [`encode_with_notes`], so that their
//! files say the same. Everything here is synchronous and pure: bytes in, bytes out.

mod animation;
mod encode;
mod notes;
mod open_raster;
mod origin;
mod parameters;
#[cfg(test)]
mod tests;

pub use animation::{ANIMATION_TYPE, Animation};
pub use encode::{check_notes, encode_upload, encode_with_notes};
pub use notes::Notes;
pub use open_raster::{
    FileLayer, FilePixels, LayerName, OPEN_RASTER_TYPE, OpenRasterError, is_archive,
    read_open_raster, write_open_raster,
};
pub use origin::Origin;
pub use parameters::Parameters;

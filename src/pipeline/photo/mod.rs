//! Editing photos: from a photo to the noise that it was made from, and back with another prompt.
//!
//! [`Inverting`] runs the way there step by step, [`Inversion`] is what it leaves, [`PhotoEdit`]
//! is the way back, by one of several methods ([`EditMethod`]). A photo that is larger than what
//! is inverted in one piece is kept in parts, which are put together for each window.

mod edit;
mod fidelity;
mod file;
mod inversion;
mod invert;
mod paired;
mod parts;
mod reconstruction;

pub use edit::{EditMethod, EditedPhoto, PhotoEdit};
pub(super) use fidelity::put_back;
pub use file::InversionFileError;
pub use inversion::{Inversion, KeptLatents};
pub use invert::{Inverting, MAX_PHOTO_PIXELS};
pub use parts::tensor_bytes;
pub use reconstruction::Reconstruction;

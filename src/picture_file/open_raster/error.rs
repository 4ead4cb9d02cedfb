//! Why an OpenRaster file is not read or written.

use crate::canvas::CodecError;

/// Why an OpenRaster file is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum OpenRasterError {
    /// A ZIP archive of another kind.
    #[error("the file is an archive, but not one of OpenRaster; send an .ora, PNG, JPEG or WebP")]
    NotOpenRaster,
    /// More parts than a picture has.
    #[error("the OpenRaster file has more than {most} parts; merge some of its layers")]
    TooManyParts {
        /// The limit.
        most: usize,
    },
    /// A part that lies outside of the archive, by its name or by what `stack.xml` says.
    #[error("the OpenRaster file names a part outside of itself ({0:?}); save it again in Krita")]
    OutsidePath(String),
    /// Two parts of one name: programs would not agree on which is meant.
    #[error("the OpenRaster file has two parts of one name; save it again in Krita")]
    DuplicateParts,
    /// A part unpacks to more than the limit, whatever its header says.
    #[error("{part} in the OpenRaster file unpacks to more than {most} bytes; make it smaller")]
    PartTooLarge {
        /// Its name.
        part: String,
        /// The limit.
        most: usize,
    },
    /// A part is not there.
    #[error("the OpenRaster file has no {0}; save it again with its merged picture")]
    MissingPart(String),
    /// No layer has that name.
    #[error("the OpenRaster file has no layer named {0}; name one so, or send the whole picture")]
    MissingLayer(&'static str),
    /// The archive or `stack.xml` cannot be read.
    #[error("the OpenRaster file is damaged ({0}); export it again")]
    Damaged(String),
    /// A picture in it cannot be read, or not be written.
    #[error(transparent)]
    Picture(#[from] CodecError),
    /// The archive cannot be written.
    #[error("the OpenRaster file cannot be written ({0}); choose another format")]
    Write(String),
}

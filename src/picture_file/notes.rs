//! What a file says besides its pixels, as the packets that the formats hold.

use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value};
use xmp_writer::{CustomNamespace, Namespace, XmpWriter};

use super::{Origin, Parameters};
use crate::canvas::CodecError;

/// What a file says besides its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Notes {
    /// Where the pixels come from; always said where a model had a part in them.
    pub origin: Origin,
    /// How large it is printed, in dots per inch; none where it is not said.
    pub dpi: Option<u16>,
    /// What the picture was made with; none where it is not to be said.
    pub parameters: Option<Parameters>,
}

impl Notes {
    /// The text of the parameters. A picture that no model had a part in was not made with any.
    pub(super) fn text(&self) -> Option<String> {
        let parameters = self.parameters.as_ref()?;
        (self.origin != Origin::NotGenerated).then(|| parameters.to_string())
    }

    /// The XMP packet.
    pub(super) fn xmp(&self) -> String {
        let mut xmp = XmpWriter::new();
        xmp.creator_tool(concat!("Impasto ", env!("CARGO_PKG_VERSION")));
        if let Some(term) = self.origin.digital_source_type() {
            let extension = CustomNamespace::new(
                "IPTC Extension",
                "Iptc4xmpExt",
                "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
            );
            let extension = Namespace::Custom(Box::new(extension));
            xmp.element("DigitalSourceType", extension).value(term);
        }
        xmp.finish(None)
    }
}

/// In EXIF: inches are what resolutions are of.
const INCHES: u16 = 2;

/// EXIF with the text as the user's comment, in UTF-16 with the high byte first as the programs that
/// read it expect, and the print resolution in dots per inch. None where neither is said.
///
/// # Errors
/// [`CodecError::Encode`] where the text is too long for EXIF.
pub(super) fn exif_with(
    text: Option<&str>,
    dpi: Option<u16>,
) -> Result<Option<Vec<u8>>, CodecError> {
    let field = |tag, value| Field {
        tag,
        ifd_num: In::PRIMARY,
        value,
    };
    let mut fields = Vec::new();
    if let Some(dpi) = dpi {
        let dots = || {
            Value::Rational(vec![Rational {
                num: dpi.into(),
                denom: 1,
            }])
        };
        fields.push(field(Tag::XResolution, dots()));
        fields.push(field(Tag::YResolution, dots()));
        fields.push(field(Tag::ResolutionUnit, Value::Short(vec![INCHES])));
    }
    if let Some(text) = text {
        let mut comment = b"UNICODE\0".to_vec();
        comment.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        fields.push(field(Tag::UserComment, Value::Undefined(comment, 0)));
    }
    if fields.is_empty() {
        return Ok(None);
    }
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut exif = Cursor::new(Vec::new());
    writer
        .write(&mut exif, false)
        .map_err(|error| CodecError::Encode(error.to_string()))?;
    Ok(Some(exif.into_inner()))
}

//! Whether a model made a picture, in the words of the IPTC.

use serde::{Deserialize, Serialize};

/// Where the pixels of a picture come from.
/// Of several, the greatest says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// No model made any of them: nothing is claimed.
    NotGenerated,
    /// A model made them, from words or from what a person painted.
    Generated,
    /// A photo, or another picture that was brought along, with parts that a model made.
    EditedPhoto,
}

impl Origin {
    /// The origin of a picture that a model had a part in or not, on the ground of a picture that was
    /// brought along or not.
    pub const fn of(has_photo: bool, has_model: bool) -> Self {
        match (has_model, has_photo) {
            (false, _) => Self::NotGenerated,
            (true, false) => Self::Generated,
            (true, true) => Self::EditedPhoto,
        }
    }

    /// The term of the IPTC's digital source types; none where nothing is claimed.
    pub const fn digital_source_type(self) -> Option<&'static str> {
        match self {
            Self::NotGenerated => None,
            Self::Generated => {
                Some("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
            }
            Self::EditedPhoto => Some(
                "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
            ),
        }
    }
}

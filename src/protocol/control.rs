//! What steers a picture besides its prompt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What is made of a control picture before a network reads it: white lines on black, for those that
/// want lines.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "lowercase")]
pub enum ControlPreprocess {
    /// Nothing: the picture is lines, depth or colours already.
    None,
    /// What is dark: ink on paper.
    Ink,
    /// Edges, thin (Canny).
    Canny,
    /// Outlines of what is darker than its surroundings (XDoG), for painted sketches.
    #[default]
    Xdog,
}

/// A name that no preprocessing has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no preprocessing {name:?}: choose none, ink, canny or xdog")]
pub struct UnknownPreprocess {
    /// The name that was given.
    pub name: String,
}

impl ControlPreprocess {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Ink, Self::Canny, Self::Xdog];

    /// The name on the wire and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ink => "ink",
            Self::Canny => "canny",
            Self::Xdog => "xdog",
        }
    }
}

impl std::fmt::Display for ControlPreprocess {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for ControlPreprocess {
    type Err = UnknownPreprocess;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| UnknownPreprocess {
            name: name.to_owned(),
        })
    }
}

/// A network that can steer what the model paints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct ControlInfo {
    /// What it is called in settings.
    pub name: String,
    /// Its kind: `T2IAdapter` or `ControlNetModel`; of an IP-Adapter `IPAdapter` or `IPAdapterPlus`.
    pub class: String,
}

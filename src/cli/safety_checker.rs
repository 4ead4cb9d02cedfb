//! `--safety-checker off|on|FOLDER`.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::SafetyCheckerChoice;

/// What nothing looks at pictures with.
const OFF: &str = "off";
/// The model's own.
const ON: &str = "on";

/// Which safety checker looks at pictures, as it is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafetyCheckerFlag(pub SafetyCheckerChoice);

impl FromStr for SafetyCheckerFlag {
    type Err = Infallible;

    /// A folder that is called as one of the words is `./on`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text {
            OFF => SafetyCheckerChoice::Off,
            ON => SafetyCheckerChoice::Own,
            folder => SafetyCheckerChoice::At(PathBuf::from(folder)),
        }))
    }
}

impl fmt::Display for SafetyCheckerFlag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SafetyCheckerChoice::Off => formatter.write_str(OFF),
            SafetyCheckerChoice::Own => formatter.write_str(ON),
            SafetyCheckerChoice::At(folder) => write!(formatter, "{}", folder.display()),
        }
    }
}

impl Serialize for SafetyCheckerFlag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SafetyCheckerFlag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(flag) => Ok(flag),
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_words_are_no_folders() {
        let folder = |path: &str| SafetyCheckerChoice::At(PathBuf::from(path));
        for (text, choice) in [
            ("off", SafetyCheckerChoice::Off),
            ("on", SafetyCheckerChoice::Own),
            ("./on", folder("./on")),
            (
                "models/sd15/safety_checker",
                folder("models/sd15/safety_checker"),
            ),
        ] {
            let flag: SafetyCheckerFlag = text.parse().unwrap();
            assert_eq!(flag.0, choice);
            assert_eq!(flag.to_string(), text);
        }
        assert_eq!(SafetyCheckerFlag::default().to_string(), "off");
    }
}

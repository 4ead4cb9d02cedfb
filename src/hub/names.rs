//! Names that people type: models and revisions. Both become parts of paths and addresses, so
//! neither is taken before it is checked.

use std::fmt;

use super::HubError;

/// Longest name of an owner or a repository on the hub.
const LONGEST: usize = 96;

/// A model's name on a hub, such as `stabilityai/sd-turbo`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelId(String);

impl ModelId {
    /// Reads `owner/name`, or `name` alone.
    ///
    /// # Errors
    /// `BadId` when it is neither (`huggingface_hub.utils.validate_repo_id` has the rules).
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() <= 2 && parts.iter().all(|part| is_name(part)) {
            return Ok(Self(text.to_owned()));
        }
        Err(HubError::BadId {
            id: text.to_owned(),
        })
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_name(part: &str) -> bool {
    let edges = |edge: char| edge == '.' || edge == '-';
    !part.is_empty()
        && part.len() <= LONGEST
        && part.chars().all(is_plain)
        && !part.starts_with(edges)
        && !part.ends_with(edges)
        && !part.contains("..")
        && !part.contains("--")
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

/// A branch, a tag, `refs/pr/N` or a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// Reads a revision.
    ///
    /// # Errors
    /// `BadRevision` when it has anything but letters, digits, `.`, `_`, `-` and `/` in it.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let parts = || text.split('/');
        if parts().all(|part| !part.is_empty() && !part.starts_with('.'))
            && parts().all(|part| part.chars().all(is_plain))
        {
            return Ok(Self(text.to_owned()));
        }
        Err(HubError::BadRevision {
            revision: text.to_owned(),
        })
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As one segment of an address.
    pub(super) fn in_address(&self) -> String {
        self.0.replace('/', "%2F")
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_and_not_paths() {
        for good in ["stabilityai/sd-turbo", "gpt2", "a_b/C.d-1"] {
            assert_eq!(ModelId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a/",
            "/a",
            "a/b/c",
            "..",
            "a/..",
            "../a",
            ".impasto",
            "a/-b",
            "a b",
            "a\\b",
            "https://huggingface.co/a/b",
            "a/b?c",
        ] {
            assert!(ModelId::parse(bad).is_err(), "{bad}");
        }
        assert!(ModelId::parse(&"x".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn revisions_are_one_segment_of_an_address() {
        let revision = Revision::parse("refs/pr/12").unwrap();
        assert_eq!(revision.in_address(), "refs%2Fpr%2F12");
        for bad in ["", "a//b", "../main", "main?x", "a b", "/main"] {
            assert!(Revision::parse(bad).is_err(), "{bad}");
        }
    }
}

//! How a command ends when it cannot go on: one line and an exit code.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a command ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something that the caller has to put right; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Something broke on the way; exit code 1.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// Something that the caller has to put right: say what and what to do.
    pub fn usage(cause: impl Display) -> Self {
        Self::Usage(one_line(&cause))
    }

    /// Something broke on the way.
    pub fn broken(cause: impl Display) -> Self {
        Self::Broken(one_line(&cause))
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Broken(_) => 1,
        }
    }

    /// Prints the line and gives the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("impasto: {self}");
        ExitCode::from(self.code())
    }
}

fn one_line(cause: &dyn Display) -> String {
    let text = format!("{cause:#}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_of_many_lines_becomes_one() {
        let failure = Failure::usage("cannot read\n  the file:\n\tno such file");
        assert_eq!(failure.to_string(), "cannot read the file: no such file");
        assert_eq!(failure.code(), 2);
    }
}

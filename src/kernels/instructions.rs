//! Which version of the kernels runs.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use thiserror::Error;

/// The vector instructions that a version of the kernels is written for, from the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX-512F: 16 lanes, 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with FMA and F16C: 8 lanes, 16 registers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler makes of plain loops.
    Portable,
}

/// Why a choice of instructions cannot be followed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InstructionSetError {
    /// No kernels are written for it, or the processor has not got it.
    #[error("there are no {name} instructions here: choose {}", names())]
    NotAvailable {
        /// As it was asked for.
        name: String,
    },
    /// Layers were made already, for another one.
    #[error("instructions are chosen before the first layer is made")]
    TooLate,
}

static CHOSEN: OnceLock<InstructionSet> = OnceLock::new();

impl InstructionSet {
    /// The one that layers are made for: what [`InstructionSet::choose`] said, or the widest that
    /// this processor has.
    pub(super) fn best() -> Self {
        *CHOSEN.get_or_init(|| Self::available()[0])
    }

    /// Uses `self` from now on, so that one machine shows what another does.
    ///
    /// # Errors
    /// When another one is in use already.
    pub fn choose(self) -> Result<(), InstructionSetError> {
        match *CHOSEN.get_or_init(|| self) == self {
            true => Ok(()),
            false => Err(InstructionSetError::TooLate),
        }
    }

    /// Every one that this processor has, from the widest.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            if is_x86_feature_detected!("avx512f") {
                sets.push(Self::Avx512);
            }
            sets.push(Self::Avx2);
        }
        sets.push(Self::Portable);
        sets
    }

    /// `f32` values in one vector of a tile.
    pub(super) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            Self::Portable => 8,
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}

impl FromStr for InstructionSet {
    type Err = InstructionSetError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut available = Self::available().into_iter();
        available
            .find(|set| set.to_string() == name)
            .ok_or_else(|| InstructionSetError::NotAvailable {
                name: name.to_owned(),
            })
    }
}

fn names() -> String {
    let names: Vec<_> = InstructionSet::available()
        .iter()
        .map(InstructionSet::to_string)
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for set in InstructionSet::available() {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        let refused = "sse9".parse::<InstructionSet>().unwrap_err().to_string();
        assert!(
            refused.contains("sse9") && refused.contains("portable"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_in_use_stays() {
        let used = InstructionSet::best();
        assert_eq!(used.choose(), Ok(()));
        for other in InstructionSet::available() {
            if other != used {
                assert_eq!(other.choose(), Err(InstructionSetError::TooLate));
            }
        }
    }
}

//! Pairs of samplers, as a table that has each sampler across and down.

use super::report::SamplerPair;

/// All pairs at one number of steps.
pub struct Matrix<'a> {
    /// The steps.
    pub steps: u32,
    /// The samplers, by name.
    pub samplers: Vec<&'static str>,
    pairs: Vec<&'a SamplerPair>,
}

impl<'a> Matrix<'a> {
    /// One for each number of steps, ascending.
    pub fn all(pairs: &'a [SamplerPair]) -> Vec<Self> {
        let mut all_steps: Vec<u32> = pairs.iter().map(|pair| pair.steps).collect();
        all_steps.sort_unstable();
        all_steps.dedup();
        all_steps
            .into_iter()
            .map(|steps| {
                let pairs: Vec<_> = pairs.iter().filter(|pair| pair.steps == steps).collect();
                let mut samplers: Vec<_> = pairs
                    .iter()
                    .flat_map(|pair| [pair.first, pair.second])
                    .collect();
                samplers.sort_unstable();
                samplers.dedup();
                Self {
                    steps,
                    samplers,
                    pairs,
                }
            })
            .collect()
    }

    /// What was found of two samplers, whichever comes first; none on the diagonal.
    pub fn pair(&self, row: &str, column: &str) -> Option<&'a SamplerPair> {
        self.pairs.iter().copied().find(|pair| {
            (pair.first, pair.second) == (row, column) || (pair.second, pair.first) == (row, column)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scores::Variance;
    use super::*;

    #[test]
    fn a_pair_is_found_from_both_sides() {
        let pair = |steps, first, second| SamplerPair {
            steps,
            first,
            second,
            distance: Variance {
                pairs: 1,
                clip_distance: 0.5,
                pixel_rms: 0.1,
            },
        };
        let pairs = [
            pair(4, "lcm", "ddim"),
            pair(1, "lcm", "euler"),
            pair(1, "ddim", "lcm"),
        ];
        let matrices = Matrix::all(&pairs);
        assert_eq!((matrices[0].steps, matrices[1].steps), (1, 4));
        assert_eq!(matrices[0].samplers, ["ddim", "euler", "lcm"]);
        assert_eq!(matrices[0].pair("lcm", "ddim"), Some(&pairs[2]));
        assert_eq!(matrices[0].pair("ddim", "euler"), None);
        assert_eq!(matrices[1].pair("ddim", "lcm"), Some(&pairs[0]));
    }
}

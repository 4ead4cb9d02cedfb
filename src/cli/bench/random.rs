//! What a bench leaves to chance: the same in every run with the same seed.

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// The numbers for the `index`th thing.
    pub fn new(seed: u32, index: usize) -> Self {
        Self((u64::from(seed) << 32) ^ index as u64)
    }

    /// A number from 0 to before `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (((mixed >> 32) * u64::from(limit)) >> 32) as u32
    }

    /// A number from `least` to `most`, in 1024 steps.
    pub fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.below(1025) as f32 / 1024.0
    }

    /// One of several.
    pub fn one_of<T: Copy, const N: usize>(&mut self, several: [T; N]) -> T {
        const { assert!(N > 0, "there is nothing to choose from") };
        several[self.below(N as u32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_repeat_with_the_seed_and_keep_to_their_bounds() {
        let numbers = |seed, index| {
            let mut random = Random::new(seed, index);
            [0; 8].map(|_: u32| random.below(1000))
        };
        assert_eq!(numbers(3, 5), numbers(3, 5));
        assert_ne!(numbers(3, 5), numbers(4, 5));
        assert_ne!(numbers(3, 5), numbers(3, 6));
        let mut random = Random::new(1, 1);
        for _ in 0..1000 {
            assert!(random.below(7) < 7);
            assert!((-2.0..=5.0).contains(&random.between(-2.0, 5.0)));
            assert!([2, 4].contains(&random.one_of([2, 4])));
        }
    }
}

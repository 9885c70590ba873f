//! Choices that a printed seed brings back.

use std::hash::{BuildHasher as _, RandomState};

/// The variable that sets the seed of a run.
const SEED: &str = "KEYWARD_ORACLE_SEED";

/// A source of choices (SplitMix64; Steele, Lea and Flood, 2014).
pub(crate) struct Dice {
    state: u64,
    seed: u64,
}

impl Dice {
    /// Those of a run: by the variable, else at random. Prints the seed.
    pub(crate) fn of(test: &str) -> Self {
        let given = std::env::var(SEED).ok();
        let given =
            given.map(|text| text.parse().unwrap_or_else(|_| panic!("{SEED} is no number")));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(test));
        println!("{test}: {SEED}={seed}");
        Self { state: seed, seed }
    }

    /// How to have the run again.
    pub(crate) fn again(&self) -> String {
        format!("{SEED}={}", self.seed)
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below another.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Yes, in so many cases of a hundred.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// So many as chance has it, up to `most`; the same may come twice.
    pub(crate) fn some<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| one(self)).collect()
    }
}

//! What is asked, and in which order.

use std::rc::Rc;

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use rand_distr::{Distribution as _, Zipf};

use crate::http2::framed;

/// How often keys are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Each as often as any other.
    Uniform,
    /// A few very often, by the law of Zipf with the exponent 0.99, as YCSB has it.
    Zipfian,
    /// Each once, and then again.
    Once,
}

/// Messages as gRPC puts them into frames, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Messages {
    pub(crate) fn new(messages: impl Iterator<Item = Vec<u8>>) -> Rc<Self> {
        let mut all = Self::default();
        for message in messages {
            all.bytes.extend(framed(&message));
            all.ends.push(all.bytes.len());
        }
        Rc::new(all)
    }

    fn get(&self, number: usize) -> &[u8] {
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin..self.ends[number]]
    }
}

/// Questions, in an order that is drawn beforehand and goes round.
pub(crate) struct Questions {
    messages: Rc<Messages>,
    order: Vec<u32>,
    place: usize,
}

/// How long the order is: drawing it takes a moment, and it must not come round before a cache has forgotten its begin.
const ORDER: usize = 1 << 22;
const EXPONENT: f64 = 0.99;

impl Questions {
    /// These.
    pub(crate) fn new(messages: &Rc<Messages>, spread: Spread, seed: u64) -> Self {
        let order = draw(messages.ends.len(), spread, ORDER, seed);
        Self { messages: Rc::clone(messages), order, place: 0 }
    }

    /// The next one.
    pub(crate) fn here(&self) -> &[u8] {
        self.messages.get(self.order[self.place] as usize)
    }

    pub(crate) fn go_on(&mut self) {
        self.place = (self.place + 1) % self.order.len();
    }
}

/// Numbers below `count`, `length` of them; which number is asked for most is chance, so that it does not lie beside the
/// second. Of one and the same count, the same at every time.
pub(crate) fn draw(count: usize, spread: Spread, length: usize, seed: u64) -> Vec<u32> {
    let mut random = SmallRng::seed_from_u64(seed);
    let numbers = u32::try_from(count).unwrap();
    match spread {
        Spread::Once => (0..numbers).collect(),
        Spread::Uniform if count == 1 => vec![0],
        Spread::Uniform => (0..length).map(|_| random.random_range(0..numbers)).collect(),
        Spread::Zipfian => {
            let ranks = ranked(numbers);
            let law = Zipf::new(f64::from(numbers), EXPONENT).unwrap();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "1 to count"
            )]
            let rank = |_| ranks[law.sample(&mut random) as usize - 1];
            (0..length).map(rank).collect()
        }
    }
}

/// The numbers below `count`, the one that is asked for most first.
pub(crate) fn ranked(count: u32) -> Vec<u32> {
    let mut ranks: Vec<_> = (0..count).collect();
    ranks.shuffle(&mut SmallRng::seed_from_u64(u64::from(count)));
    ranks
}

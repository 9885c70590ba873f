//! The targets by their names: what bytes become, and how they are best changed.

use crate::{
    alike, files, masks, messages, mutate, networks, random::Random, resources, rpcs, secrets,
    tokens,
};

/// A change of an input; none where it has no form that could be kept.
type Shape = fn(&[u8], &mut Random) -> Option<Vec<u8>>;

/// What is asked of bytes. Whatever they are, it ends, soon, and does not panic.
pub(crate) struct Target {
    /// Also of the directory with its inputs.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    /// Changes an input so that it keeps its form; none where that is not known.
    shape: Option<Shape>,
}

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "alike", run: alike::target, shape: Some(question) },
    Target { name: "files", run: files::target, shape: None },
    Target { name: "masks", run: masks::target, shape: None },
    Target { name: "messages", run: messages::target, shape: Some(message) },
    Target { name: "networks", run: networks::target, shape: None },
    Target { name: "resources", run: resources::target, shape: None },
    Target { name: "secrets", run: secrets::target, shape: None },
    Target { name: "tokens", run: tokens::target, shape: None },
];

impl Target {
    /// The input with a change that keeps its form, every other time.
    pub(crate) fn shaped(&self, input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
        self.shape.filter(|_| random.below(2) == 0)?(input, random)
    }

    /// The input with some change.
    pub(crate) fn changed(&self, input: &[u8], random: &mut Random) -> Vec<u8> {
        self.shaped(input, random).unwrap_or_else(|| mutate::bytes(input.to_vec(), random))
    }
}

fn message(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (&[which, who], message) = input.split_first_chunk::<2>()?;
    let who = if random.below(8) == 0 { random.next() as u8 } else { who };
    let message = mutate::message(rpcs::rpc(which).input(), message, random)?;
    Some([&[which, who], &*message].concat())
}

fn question(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let (&[what, who], message) = input.split_first_chunk::<2>()?;
    let what = if random.below(8) == 0 { random.next() as u8 } else { what };
    let who = if random.below(8) == 0 { random.next() as u8 } else { who };
    let rpc = rpcs::byte(["Introspect", "BatchIntrospect"][usize::from(what) % 2]);
    let message = mutate::message(rpcs::rpc(rpc).input(), message, random)?;
    Some([&[what, who], &*message].concat())
}

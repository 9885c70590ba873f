//! In which order secrets are written: side by side, what is kept side by side.
//!
//! Rows are kept by workspace and key, some 50 of them to a page, and a page is written whole. Some
//! thousand secrets as they come are on as many pages, and those that follow each other on a
//! fiftieth of that.

use std::cmp::Ordering;

use super::{Entry, IN_A_ROW_MAX, Tally};
use crate::domain::{
    bits::Place,
    name::{Id, KeyName},
};

/// What decides over nearly all of the order, and is at hand: names themselves are somewhere else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    workspace: Id,
    /// The first characters of the key, of which the first weighs most.
    key: u128,
}

impl Head {
    fn of(name: &KeyName) -> Self {
        let mut first = [0; size_of::<u128>()];
        first.iter_mut().zip(name.key.as_str().bytes()).for_each(|(place, byte)| *place = byte);
        Self { workspace: name.workspace.clone(), key: u128::from_be_bytes(first) }
    }
}

/// The secrets of a tally, of which the first comes last.
#[derive(Default)]
pub(in crate::usage) struct Order(Vec<(Head, Place)>);

impl Order {
    /// The order of all, but for keys whose names begin alike. It takes some 64 bytes for each.
    /// Nothing is lost where it is not known.
    pub(in crate::usage) async fn of(tally: &Tally) -> Self {
        let mut places = Vec::with_capacity(tally.secrets());
        let mut secrets = tally.secrets.iter();
        while secrets.len() > 0 {
            let some = secrets.by_ref().take(IN_A_ROW_MAX);
            places.extend(
                some.map(|(place, entry)| (Head::of(&entry.key), Place::of(&place.digest()))),
            );
            tokio::task::yield_now().await;
        }
        let sort = move || {
            places.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
            places
        };
        // It takes longer than others should wait for their turn on this thread.
        Self(tokio::task::spawn_blocking(sort).await.unwrap_or_default())
    }

    /// Takes out the next of them, so many, as far as there are.
    pub(super) fn next(&mut self, most: usize) -> impl Iterator<Item = Place> {
        self.0.split_off(self.0.len().saturating_sub(most)).into_iter().map(|(_, place)| place)
    }
}

/// Secrets in the order of their keys, to the last character, and of their digests.
pub(super) fn in_order(tally: &Tally) -> Vec<(&Place, &Entry)> {
    let secrets = tally.secrets.iter();
    let mut secrets: Vec<_> =
        secrets.map(|(place, entry)| (Head::of(&entry.key), place, &**entry)).collect();
    secrets.sort_unstable_by(|(head, place, entry), (other_head, other_place, other)| {
        let by_name = head.cmp(other_head).then_with(|| entry.key.cmp(&other.key));
        by_name.then_with(|| by_digest(place, other_place))
    });
    secrets.into_iter().map(|(_, place, entry)| (place, entry)).collect()
}

fn by_digest(one: &Place, other: &Place) -> Ordering {
    one.digest().as_bytes().cmp(other.digest().as_bytes())
}

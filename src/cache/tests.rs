#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod at_hand;
mod begun;
mod permit;

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::domain::{
    event::Revision,
    key::Key,
    live::{Facts, Stored},
    policy::{CompiledPolicy, KeyType, Policy, Scope},
    ports::{NewSecret, Write},
    secret::KeyVersion,
    time::Timestamp,
    workspace::Workspace,
};

pub(super) fn digest(number: u8) -> Digest {
    Digest::from_bytes([number; Digest::LEN])
}

fn stamp(revision: i64) -> Stamp {
    Stamp { incarnation: 0, revision: Revision(revision) }
}

/// The key of this number.
pub(super) fn record(number: u8) -> Key {
    Key {
        name: format!("workspaces/w/keys/k{number}").parse().unwrap(),
        title: "k".parse().unwrap(),
        key_type: "api".into(),
        principal: None,
        grants: vec![],
        constraint: vec![],
        allowed_cidrs: Default::default(),
        expire_time: None,
        plan: String::new(),
        labels: [].into(),
        minting_key: None,
        revoke_time: None,
    }
}

/// A key as of a revision, with all that it rests on.
pub(super) fn key(record: Key, revision: i64) -> LiveKey {
    static POLICY: LazyLock<Arc<CompiledPolicy>> = LazyLock::new(|| {
        let policy = Policy {
            scopes: vec![Scope { name: "read".into(), ..Scope::default() }],
            key_types: vec![KeyType { name: "api".into(), ..KeyType::default() }],
            ..Policy::default()
        };
        Arc::new(CompiledPolicy::restore(policy).unwrap())
    });
    let workspace = Workspace {
        name: "workspaces/w".parse().unwrap(),
        title: "w".parse().unwrap(),
        policy: "policies/p".parse().unwrap(),
        plan: String::new(),
        suspended: false,
    };
    let time = Timestamp::from_micros(1);
    let policy = (workspace.policy.clone(), Revision(0));
    let first =
        Stored { value: workspace, revision: Revision(0), create_time: time, update_time: time };
    let key = Stored { revision: Revision(revision), ..first.with(record) };
    let facts = Facts { key, replaced: None, workspace: first.into(), principal: None, policy };
    LiveKey::new(facts, Arc::clone(&POLICY))
}

/// A write that gives the key of this number a secret of the same number.
fn write(number: u8) -> Write {
    let (version, older_until) = (KeyVersion::FIRST, Timestamp::MIN);
    let secret = NewSecret { digest: digest(number), version, older_until };
    Write::Key(record(number), None, Some(secret))
}

/// What rests on that secret.
pub(super) fn subjects(number: u8) -> Subjects {
    Subjects::of_digest(&digest(number))
}

fn owner() -> Arc<SoleOwner> {
    Arc::default()
}

#[test]
fn an_entry_counts_from_the_revision_of_the_last_change_on() {
    let owner = owner();
    owner.begin(&write(1)).made(Revision(5));
    for (revision, counts) in [(0, false), (4, false), (5, true), (6, true), (i64::MAX, true)] {
        assert_eq!(owner.usable(stamp(revision), &subjects(1)), counts, "{revision}");
    }
    assert!(owner.usable(stamp(0), &subjects(2)), "another subject");
    assert_eq!(owner.stamp(), stamp(5));
}

#[test]
fn an_older_change_noted_late_takes_nothing_back() {
    let owner = owner();
    let (older, newer) = (owner.begin(&write(1)), owner.begin(&write(1)));
    newer.made(Revision(6));
    assert!(!owner.usable(stamp(6), &subjects(1)), "one is still under way");
    older.made(Revision(5));
    assert!(!owner.usable(stamp(5), &subjects(1)));
    assert!(owner.usable(stamp(6), &subjects(1)));
    assert_eq!(owner.stamp(), stamp(6));
}

#[test]
fn nothing_counts_while_a_change_is_under_way_and_all_does_when_it_was_not_made() {
    let owner = owner();
    let under_way = owner.begin(&write(1));
    assert!(!owner.usable(stamp(i64::MAX), &subjects(1)));
    under_way.not_made();
    assert!(owner.usable(stamp(0), &subjects(1)));
}

#[test]
fn only_a_change_begun_later_settles_one_of_unknown_outcome() {
    let owner = owner();
    let begun_before = owner.begin(&write(2));
    drop(owner.begin(&write(1)));
    begun_before.made(Revision(1));
    assert!(!owner.usable(stamp(1), &subjects(1)));
    owner.begin(&write(2)).not_made();
    assert!(!owner.usable(stamp(1), &subjects(1)));
    owner.begin(&write(2)).made(Revision(3));
    assert!(!owner.usable(stamp(2), &subjects(1)), "it may have been 2");
    assert!(owner.usable(stamp(3), &subjects(1)));
}

#[test]
fn however_many_outcomes_are_lost_one_later_change_settles_them() {
    let owner = owner();
    for _ in 0..100_000 {
        drop(owner.begin(&write(1)));
    }
    assert!(!owner.usable(stamp(i64::MAX), &subjects(1)));
    owner.begin(&write(2)).made(Revision(7));
    assert!(owner.usable(stamp(7), &subjects(1)));
}

#[test]
fn a_subject_that_shares_a_shard_is_reloaded_and_no_more() {
    let shard = Shard::of_digest(&digest(1));
    let names = (0..).map(|number: u64| format!("workspaces/w/keys/{number}"));
    let twin = names.into_iter().find(|name| Shard::of_name(name) == shard).unwrap();
    let minimums = Minimums::default();
    minimums.raise(Shard::of_name(&twin), Revision(3));
    assert!(!minimums.admit(Revision(2), &subjects(1)));
    assert!(minimums.admit(Revision(3), &subjects(1)));
}

#[test]
fn names_spread_over_the_shards() {
    let mut hits = vec![0; Shard::COUNT];
    for number in 0..Shard::COUNT {
        hits[Shard::of_name(&format!("workspaces/acme/keys/{number}")).place()] += 1;
    }
    // With one name for each shard, e^-1 of the shards have none.
    let empty = hits.iter().filter(|hits| **hits == 0).count();
    assert!(empty > Shard::COUNT / 3 && empty < Shard::COUNT * 2 / 5, "{empty}");
    assert!(hits.iter().all(|hits| *hits < 16));
}

/// A step of somebody: of the `who`-th of those who can do it.
#[derive(Clone, Debug)]
enum Step {
    /// A change of a subject is asked for.
    Begin(u8),
    /// One that was begun is committed: from now on it can be seen.
    Commit(Index),
    /// One returns: what was not committed was refused, or never will be.
    Return(Index),
    /// The outcome of one is lost.
    Lose(Index),
    /// A question about a subject takes the stamp.
    Stamp(u8),
    /// It reads the database.
    Read(Index),
    /// It puts in what it read.
    Insert(Index),
    /// A question is answered from memory, where there is something that counts.
    Ask(u8),
}

const SUBJECTS: u8 = 3;

fn step() -> impl Strategy<Value = Step> {
    let (subject, who) = (0..SUBJECTS, any::<Index>);
    prop_oneof![
        2 => subject.clone().prop_map(Step::Begin),
        2 => who().prop_map(Step::Commit),
        2 => who().prop_map(Step::Return),
        1 => who().prop_map(Step::Lose),
        2 => subject.clone().prop_map(Step::Stamp),
        2 => who().prop_map(Step::Read),
        2 => who().prop_map(Step::Insert),
        3 => subject.prop_map(Step::Ask),
    ]
}

/// A database of numbers, a cache of what was read of them, and those between.
#[derive(Default)]
struct World {
    owner: Arc<SoleOwner>,
    head: i64,
    /// By subject, the last change that was committed; it has seen none before.
    database: BTreeMap<u8, i64>,
    changes: Vec<(u8, Option<i64>, UnderWay)>,
    reads: Vec<(u8, Stamp, Option<i64>)>,
    cache: BTreeMap<u8, (Stamp, i64)>,
    hits: usize,
}

impl World {
    fn take<T>(list: &mut Vec<T>, who: &Index) -> Option<T> {
        (!list.is_empty()).then(|| list.swap_remove(who.index(list.len())))
    }

    fn value(&self, subject: u8) -> i64 {
        self.database.get(&subject).copied().unwrap_or_default()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Begin(subject) => {
                self.changes.push((*subject, None, self.owner.begin(&write(*subject))));
            }
            Step::Commit(who) => {
                let Some((subject, committed, under_way)) = Self::take(&mut self.changes, who)
                else {
                    return;
                };
                let revision = committed.unwrap_or_else(|| {
                    self.head += 1;
                    self.database.insert(subject, self.head);
                    self.head
                });
                self.changes.push((subject, Some(revision), under_way));
            }
            Step::Return(who) => match Self::take(&mut self.changes, who) {
                Some((_, Some(revision), under_way)) => under_way.made(Revision(revision)),
                Some((_, None, under_way)) => under_way.not_made(),
                None => {}
            },
            Step::Lose(who) => drop(Self::take(&mut self.changes, who)),
            Step::Stamp(subject) => self.reads.push((*subject, self.owner.stamp(), None)),
            Step::Read(who) => {
                if let Some((subject, stamp, read)) = Self::take(&mut self.reads, who) {
                    let value = read.unwrap_or(self.value(subject));
                    self.reads.push((subject, stamp, Some(value)));
                }
            }
            Step::Insert(who) => {
                if let Some((subject, stamp, Some(value))) = Self::take(&mut self.reads, who) {
                    self.cache.insert(subject, (stamp, value));
                }
            }
            Step::Ask(subject) => {
                let Some((stamp, value)) = self.cache.get(subject) else { return };
                if self.owner.usable(*stamp, &subjects(*subject)) {
                    // More than was promised: not only what returned, all that can be seen.
                    assert_eq!(*value, self.value(*subject));
                    self.hits += 1;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_counts_is_what_the_database_holds(steps in vec(step(), 1..120)) {
        let mut world = World::default();
        for step in &steps {
            world.step(step);
        }
        // What is left returns, and then everything can be answered from memory again.
        while !world.changes.is_empty() {
            world.step(&Step::Return(any_index()));
        }
        world.step(&Step::Begin(0));
        world.step(&Step::Commit(any_index()));
        world.step(&Step::Return(any_index()));
        world.reads.clear();
        for subject in 0..SUBJECTS {
            let hits = world.hits;
            for step in [Step::Stamp(subject), Step::Read(any_index()), Step::Insert(any_index()), Step::Ask(subject)] {
                world.step(&step);
            }
            prop_assert_eq!(world.hits, hits + 1);
        }
    }
}

/// Whichever there is.
fn any_index() -> Index {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    any::<Index>().new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

//! The protocol between replicas as it is compiled, run on a world in memory: a database, links to
//! it that lose and delay, processes that are stopped and killed, clocks that go too fast or too
//! slow, all by chance, in a time that passes as fast as it is lived through. For each answer, no
//! change that supersedes it may have returned before the question.
//!
//! `KEYWARD_SIMULATION_SEED` runs one seed, `KEYWARD_SIMULATION_RUNS` so many from the first on.
//! What a seed decides is the same each time; where two things are due in the same millisecond,
//! the runtime chooses which comes first.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "simulation/database.rs"]
mod database;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/link.rs"]
mod link;
#[path = "simulation/node.rs"]
mod node;
#[path = "simulation/plain.rs"]
mod plain;
#[path = "simulation/records.rs"]
mod records;
#[path = "simulation/subject.rs"]
mod subject;
#[path = "simulation/world.rs"]
mod world;

use std::time::Instant;

use world::{Counts, World};

/// How many seeds are run.
const RUNS: u64 = 200;

fn run(seed: u64) -> (Counts, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { World::new(seed).run().await })
}

/// A number that the environment gives.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_answer_is_older_than_a_change_that_had_returned_whatever_happens() {
    let begun = Instant::now();
    let seeds = match given("KEYWARD_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..given("KEYWARD_SIMULATION_RUNS").unwrap_or(RUNS),
    };
    let mut all = Counts::default();
    for seed in seeds.clone() {
        let (counts, faults) = run(seed);
        assert!(
            faults.is_empty(),
            "KEYWARD_SIMULATION_SEED={seed} after {:?}: {faults:#?}",
            begun.elapsed()
        );
        all.add(counts);
    }
    eprintln!("seeds {seeds:?}: {all:?} in {:?}", begun.elapsed());
}

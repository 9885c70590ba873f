//! The protocol between replicas as it is compiled, run on a world in memory: a database, links to
//! it that lose and delay, processes that are stopped and killed, clocks that go too fast or too
//! slow, all by chance, in a time that passes as fast as it is lived through. For each answer, no
//! change that supersedes it may have returned before the question.
//!
//! `KEYWARD_SIMULATION_SEED` runs one seed, `KEYWARD_SIMULATION_RUNS` so many from the first on.
//! What a seed decides is the same each time; where two things are due in the same millisecond,
//! the runtime chooses which comes first.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::print_stderr, reason = "it tells how much a run was worth")]

#[path = "simulation/database.rs"]
mod database;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/eviction.rs"]
mod eviction;
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

use std::{panic::resume_unwind, thread, time::Instant};

use world::{Counts, World};

/// How many seeds are run.
const RUNS: u64 = 80;
const THREADS: usize = 2;

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

/// Runs seeds; fails with the first that shows a fault.
fn run_some(seeds: impl Iterator<Item = u64>) -> Counts {
    let mut all = Counts::default();
    for seed in seeds {
        let (counts, faults) = run(seed);
        assert!(faults.is_empty(), "KEYWARD_SIMULATION_SEED={seed}: {faults:#?}");
        all.add(counts);
    }
    all
}

#[test]
fn no_answer_is_older_than_a_change_that_had_returned_whatever_happens() {
    let begun = Instant::now();
    if let Some(seed) = given("KEYWARD_SIMULATION_SEED") {
        return eprintln!("{:?}", run_some(seed..=seed));
    }
    let runs = given("KEYWARD_SIMULATION_RUNS").unwrap_or(RUNS);
    let mut all = Counts::default();
    thread::scope(|scope| {
        let some = |first| scope.spawn(move || run_some((first..runs).step_by(THREADS)));
        let threads: Vec<_> = (0..runs).take(THREADS).map(some).collect();
        for thread in threads {
            match thread.join() {
                Ok(counts) => all.add(counts),
                Err(failed) => resume_unwind(failed),
            }
        }
    });
    eprintln!("{runs} seeds in {:?}: {all:?}", begun.elapsed());
    if runs >= RUNS {
        // What never happens proves nothing.
        let Counts { answers, hits, joins, refused, stale, changes, repeats, lost } = all;
        let counts = [answers, hits, joins, refused, stale, changes, repeats, lost];
        assert!(counts.iter().all(|count| *count > 0), "{all:?}");
    }
}

//! What each part of an answer costs, in nanoseconds, and its share of all of them together.
//!
//! `cargo bench --bench micro [-- --json FILE] [--quick] [--keys N] [--only PART]`. The parts of a
//! brief answer about a usual key (10 scopes, 3 networks, a limit and a ceiling) from memory make
//! up the whole; what else is measured stands beside them with what it would be of that.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "micro/answer.rs"]
mod answer;
#[path = "furnish/keys.rs"]
mod keys;
#[path = "micro/parts.rs"]
mod parts;
#[path = "micro/table.rs"]
mod table;
#[path = "micro/world.rs"]
mod world;

use std::{path::PathBuf, time::Duration};

use criterion::Criterion;
use table::Table;
use world::World;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut file, mut only, mut quick, mut keys) = (None, None, false, 100_000);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--json" => file = arguments.next().map(PathBuf::from),
            "--only" => only = arguments.next(),
            "--keys" => keys = arguments.next().unwrap().parse().unwrap(),
            "--quick" => quick = true,
            // What `cargo bench` says of itself.
            "--bench" => {}
            unknown => panic!("what is {unknown}?"),
        }
    }
    let time = Duration::from_millis(if quick { 200 } else { 1_000 });
    let directory = table::directory();
    let criterion = Criterion::default()
        .without_plots()
        .output_directory(&directory)
        .warm_up_time(time / 4)
        .measurement_time(time)
        .sample_size(30);
    let world = World::new(keys);
    let mut table = Table::new(criterion, directory, only);
    parts::secrets(&world, &mut table);
    parts::cache(&world, &mut table);
    parts::decision(&world, &mut table);
    parts::limiter(&world, &mut table);
    parts::usage(&world, &mut table);
    answer::all(&mut table);
    parts::whole(&world, &mut table);
    table.print();
    if let Some(file) = file {
        table.write(&file);
    }
}

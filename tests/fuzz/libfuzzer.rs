//! The fuzz targets under libFuzzer: the one that `KEYWARD_FUZZ_TARGET` names. `tests/fuzz/run` starts it.

#![no_main]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod alike;
#[path = "../quick/asked.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod asked;
#[path = "../hostile_policies/attack.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod attack;
#[path = "../oracle/src/rules/networks.rs"]
mod bits;
#[path = "../quick/both.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod both;
#[path = "../oracle/src/rules/resources.rs"]
mod definition;
mod files;
mod furniture;
mod masks;
mod messages;
mod mutate;
mod networks;
#[path = "../quick/policies.rs"]
mod policies;
#[path = "../quick/ports.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod ports;
#[path = "../kill/random.rs"]
#[expect(dead_code, reason = "what replays needs more of it")]
mod random;
#[path = "../policy_file/reader.rs"]
mod reader;
mod resources;
mod rpcs;
mod secrets;
mod seeds;
#[path = "../quick/sent.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod sent;
mod service;
#[expect(dead_code, reason = "what replays needs more of it")]
mod targets;
mod tokens;
#[path = "../quick/world.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod world;

use std::{env, fs, path::Path, sync::LazyLock};

use random::Random;
use targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("KEYWARD_FUZZ_TARGET").unwrap();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("there is no target {name:?}"))
});

/// Writes the inputs that are made by hand where `KEYWARD_FUZZ_SEEDS` says, if it does.
fn sow() {
    let Ok(directory) = env::var("KEYWARD_FUZZ_SEEDS") else { return };
    for (number, seed) in seeds::seeds(TARGET.name).iter().enumerate() {
        fs::write(Path::new(&directory).join(format!("seed-{number:03}")), seed).unwrap();
    }
}

libfuzzer_sys::fuzz_target!(init: sow(), |input: &[u8]| {
    (TARGET.run)(input);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let shaped = TARGET.shaped(&data[..size], &mut Random::new(seed.into()));
    match shaped.filter(|shaped| shaped.len() <= max_size) {
        Some(shaped) => {
            data[..shaped.len()].copy_from_slice(&shaped);
            shaped.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});

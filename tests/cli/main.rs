//! The command line: the real binary, run in a directory of its own with no variable set
//! but what a test sets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod bootstrap;
mod caller;
mod database;
mod descriptors;
mod events;
mod health;
mod help;
mod keyring;
mod metrics;
#[path = "../metrics/reader.rs"]
mod metrics_reader;
mod place;
mod policy;
mod process;
mod quickstart;
mod serve;
mod settings;

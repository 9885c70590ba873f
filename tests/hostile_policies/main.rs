//! Policy files that are wrong on purpose: each is refused, by exactly the faults that it
//! has, each with its place. None is accepted and none makes the reader fall.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod any;
mod attack;
mod bytes;
mod command;
mod counts;
mod keys;
mod names;
mod rates;
#[path = "../policy_file/reader.rs"]
mod reader;
mod resources;
mod scopes;
mod secrets;
mod sent;
mod sizes;
mod spans;
mod types;
mod yaml;

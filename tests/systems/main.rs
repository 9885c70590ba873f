//! The reference systems: each is a policy file, and rows that say what it must do.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod aerovy;
mod fsckmsft;
#[path = "../api/support.rs"]
#[expect(dead_code, reason = "written for the tests of the API, which use more of it")]
mod harness;
mod limits;
mod managed_dev;
mod newport;
#[path = "../policy_file/reader.rs"]
mod reader;
mod scenario;
mod start;
mod support;
mod together;

//! What whoever steals something gets of it, and what ends that: the claims of the README's section "Threat model",
//! each by trying it on the real program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../kill/caller.rs"]
mod caller;
mod claims;
mod memory;
#[path = "../kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
mod replaced;
mod stolen;
mod world;
mod written;

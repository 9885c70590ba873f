//! Every RPC against a real server through the generated clients, one file for each.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod callers;
mod events;
#[path = "../edge/frames.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod frames;
mod introspect;
mod isolation;
mod keys;
mod policies;
mod principals;
mod reads;
mod secrets;
mod server;
mod support;
mod usage;
mod workspaces;

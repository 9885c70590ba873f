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
mod counts;
#[path = "../postgres/database.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod fresh;
mod memory;
#[path = "../metrics/reader.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod metrics_reader;
#[path = "../kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "../redis/server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod redis_server;
mod replaced;
mod stolen;
mod world;
mod written;

use std::time::Duration;

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

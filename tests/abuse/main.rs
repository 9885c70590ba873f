//! Abuse of the real program at its real ports: whatever is sent, it stays up, others are answered
//! as if nothing were, memory and descriptors are bounded, and the log stays short and tells no secret.
//!
//! Each abuse prints a line with what it cost, and leaves it as JSON in `target/abuse/`:
//!
//! ```sh
//! tests/run --test abuse -- --nocapture
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

mod bodies;
#[path = "../kill/caller.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod caller;
mod crowd;
#[path = "../../benches/http2/digits.rs"]
mod digits;
mod floods;
mod heads;
mod honest;
mod hpack;
#[path = "../metrics/reader.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod metrics_reader;
mod mixture;
mod paths;
mod plain;
#[path = "../kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "../kill/random.rs"]
mod random;
mod sizes;
mod slow;
mod stage;
mod vitals;
mod wire;

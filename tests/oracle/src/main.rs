//! Decisions against their definition.
//!
//! [`rules`] says what the language means, with strings and loops, and without the code
//! of the service. Everything else here makes up policies, keys and requests out of a
//! universe so small that they collide all the time, and asks both.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod containment;
mod decisions;
mod dice;
mod minting;
mod order;
mod properties;
mod rules;
mod shrink;
mod world;

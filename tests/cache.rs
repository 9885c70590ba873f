//! What is answered from memory, and that it is never older than what had returned.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

#[path = "meanwhile/between.rs"]
mod between;
#[path = "cache/bounds.rs"]
mod bounds;
#[path = "cache/changes.rs"]
mod changes;
#[path = "cache/interleavings.rs"]
mod interleavings;
#[path = "cache/outcomes.rs"]
mod outcomes;
#[path = "cache/world.rs"]
mod world;

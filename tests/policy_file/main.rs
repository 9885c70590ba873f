//! Policy files: what is read, what is wrong where, and that files, JSON, messages and the
//! schema agree.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod answers;
mod faults;
mod garbage;
mod hints;
mod order;
mod reader;
mod round_trip;
mod schema;
mod shipped;
mod support;
mod values;
mod yaml;

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bell;
mod following;
mod script;
mod standing;
mod waiting;

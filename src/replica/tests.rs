#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bell;
mod following;
mod script;
mod standing;
mod waiting;

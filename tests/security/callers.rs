//! Secrets that do not work, and calls of which every byte is known.

#[path = "../api/callers/minted.rs"]
pub(crate) mod minted;
#[path = "../api/callers/raw.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
pub(crate) mod raw;

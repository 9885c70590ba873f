//! What is looked for.

#[path = "../../canary/needles.rs"]
pub(crate) mod needles;

//! The language of Keyward as a definition: what scopes reach, what patterns match, who
//! is let through. Strings, lists and loops; slow, and meant to be read.

pub(crate) mod decisions;
pub(crate) mod networks;
pub(crate) mod resources;
pub(crate) mod scopes;

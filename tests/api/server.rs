//! What the server does besides the two services, and around them.

mod bodies;
pub(crate) mod ending;
mod fairness;
mod health;
mod reflection;

//! The services: thin, between the protobuf messages and the use cases.

pub mod authenticate;
mod convert;
pub mod introspect;
pub mod key_admin;
pub mod layers;
mod status;

pub use status::ERROR_DOMAIN;

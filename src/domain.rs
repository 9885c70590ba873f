//! The rules of Keyward, pure: no I/O, no clock, no environment, no framework.
//!
//! # Glossary
//!
//! One word for each thing, here and in the API:
//!
//! - **policy**: the rules of one product: scopes, roles, key types, expiry.
//! - **workspace**: a tenant. It follows one policy; no key reaches another workspace.
//! - **principal**: who owns keys: a user, a team or a service.
//! - **key**: the record of an API key, without its secret.
//! - **secret**: the string that a client sends. Shown once.
//! - **grant**: a scope that a key holds, on all resources or on some.
//! - **constraint**: resource patterns that bound all grants of a key.
//! - **caller**: the backend or operator that calls Keyward, with a key of the
//!   workspace `system`.
//! - **decision**: allow, or deny with a reason.
//! - **limit**: a rate at which a key, or all keys of a workspace, may be used.
//! - **event**, **revision**: an entry of the log of changes, and its number.
//! - **checkpoint**: a signed statement of how far the log had come.
//! - **replica**, **lease**: a process that serves, and its permission to answer
//!   from memory.

pub mod advice;
pub mod bits;
pub mod caller;
pub mod checkpoint;
pub mod decision;
pub mod event;
pub mod fault;
pub mod identity;
pub mod key;
pub mod limit;
pub mod live;
pub mod name;
pub mod network;
pub mod policy;
pub mod ports;
pub mod principal;
pub mod replica;
pub mod resource;
pub mod scope;
pub mod secret;
pub mod system;
pub mod time;
pub mod usage;
pub mod warning;
pub mod workspace;

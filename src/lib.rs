//! Keyward manages API keys and answers, for every request that another backend
//! receives, whose key it is and what it may do.

pub mod admin;
pub mod app;
pub mod back;
pub mod cache;
pub mod callers;
pub mod checkpoints;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod files;
pub mod grpc;
pub mod introspect;
pub mod keyring;
pub mod limits;
pub mod logging;
pub mod measure;
mod mutants;
pub mod policy_file;
pub mod proto;
pub mod replica;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod usage;

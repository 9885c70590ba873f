//! Keyward manages API keys and answers, for every request that another backend
//! receives, whose key it is and what it may do.

pub mod domain;
pub mod keyring;
pub mod proto;

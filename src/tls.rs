//! Encrypted connections: the server's certificate, the authorities of its clients and the list of callers among them,
//! each read again when its file changes.
//!
//! This module is the only one that names rustls, and its provider of cryptography is always ring: none is installed
//! for the process, where others could take another for granted.

pub mod client;
mod date;
mod handshake;
mod held;
mod material;
mod reload;
mod shown;
mod tally;

use std::{fmt, sync::Arc};

use rustls::crypto::CryptoProvider;

pub use handshake::{Encrypted, Handshakes, Vouched};
pub use material::{Problem, Span};
pub use reload::Tls;
pub use tally::{Counted, Reloads, Tally};

/// The one protocol that is spoken over these connections (RFC 9113, section 3.2).
const H2: &[u8] = b"h2";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Files that no encrypted connection can be had with. Displays as one line per problem.
#[derive(Debug)]
pub struct InvalidTls(Vec<Problem>);

impl InvalidTls {
    /// All that is wrong; at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for InvalidTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS cannot be served:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for InvalidTls {}

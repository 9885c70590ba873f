//! Who may call what: every RPC of the proto files, with every kind of credentials and
//! with every scope.

mod credentials;
mod late;
pub(crate) mod minted;
pub(crate) mod raw;
mod scopes;

//! Why a use case was not carried out.

use crate::domain::{
    caller::Refused,
    fault::{Fault, Faults},
    policy::effects::Effects,
    ports::StoreError,
};

/// Why a use case was not carried out. Nothing was changed, but for a store that
/// became unavailable while it was.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The caller may not.
    #[error("the caller may not: {0:?}")]
    Refused(Refused),
    /// There is no such resource.
    #[error("{0} was not found")]
    NotFound(String),
    /// The name is taken.
    #[error("{0} exists")]
    Exists(String),
    /// Fields are wrong: all that are.
    #[error("{} fields are wrong", .0.len())]
    Invalid(Vec<Fault>),
    /// The etag is not that of the resource.
    #[error("{0} has changed")]
    EtagMismatch(String),
    /// Others changed the same records again and again.
    #[error("others changed the same records")]
    Contended,
    /// The id was used for another request.
    #[error("the request id {0} was used for another request")]
    RequestIdReused(String),
    /// The key is revoked, for ever.
    #[error("{0} is revoked")]
    KeyRevoked(String),
    /// It is built in.
    #[error("{0} is built in")]
    BuiltIn(String),
    /// The principal is disabled.
    #[error("{0} is disabled")]
    PrincipalDisabled(String),
    /// A key made on behalf of another would exceed it, in these fields.
    #[error("the key is broader than the minting key, in: {}", .0.join(","))]
    BroaderThanMintingKey(Vec<&'static str>),
    /// The key on whose behalf another was to be made does not work.
    #[error("{0} does not work")]
    MintingKeyNotActive(String),
    /// Live keys would lose something.
    #[error("live keys would lose something: {0:?}")]
    LiveKeysAffected(Box<Effects>),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    NoEntropy,
    /// The records could not be asked or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    /// There is no resource of this name.
    pub(super) fn not_found(name: &impl ToString) -> Self {
        Self::NotFound(name.to_string())
    }
}

impl From<Refused> for AdminError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Refuses a request for all that is wrong with it.
pub(super) fn invalid(faults: Faults) -> AdminError {
    AdminError::Invalid(faults.finish().err().unwrap_or_default())
}

/// Ends the parsing of a request: its parts where all are there and nothing is wrong.
pub(super) fn settle<T>(faults: Faults, parts: Option<T>) -> Result<T, AdminError> {
    faults.finish().map_err(AdminError::Invalid)?;
    // Without a fault every part was parsed; a missing one is a fault of ours.
    parts.ok_or_else(|| {
        AdminError::Store(StoreError::Corrupt("a part is missing without a fault".to_owned()))
    })
}

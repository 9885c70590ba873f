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
    /// The principal has live keys.
    #[error("{0} has live keys")]
    PrincipalHasLiveKeys(String),
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
    /// Of what was asked for together some cannot be: all that cannot, each with its place in the
    /// request, such as `requests[3]`.
    #[error("{} of what was asked for together cannot be", .0.len())]
    Several(Vec<(String, AdminError)>),
    /// The records could not be asked or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    /// Whether it is for what was asked for, and not for what the world is like.
    fn is_of_the_request(&self) -> bool {
        match self {
            Self::Refused(_)
            | Self::NotFound(_)
            | Self::Exists(_)
            | Self::Invalid(_)
            | Self::EtagMismatch(_)
            | Self::KeyRevoked(_)
            | Self::BuiltIn(_)
            | Self::PrincipalDisabled(_)
            | Self::PrincipalHasLiveKeys(_)
            | Self::BroaderThanMintingKey(_)
            | Self::MintingKeyNotActive(_)
            | Self::LiveKeysAffected(_) => true,
            Self::Contended
            | Self::RequestIdReused(_)
            | Self::NoEntropy
            | Self::Several(_)
            | Self::Store(_) => false,
        }
    }

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

/// Gathers what of several things that are asked for together can be, and why others cannot.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    refused: Vec<(String, AdminError)>,
}

impl Gathered {
    /// What came of the one at this place; nothing where it cannot be, which is noted.
    ///
    /// # Errors
    ///
    /// What is no fault of that one: the others need not be looked at.
    pub(super) fn take<T>(
        &mut self,
        place: String,
        outcome: Result<T, AdminError>,
    ) -> Result<Option<T>, AdminError> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_of_the_request() => {
                self.refused.push((place, error));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the gathering.
    ///
    /// # Errors
    ///
    /// [`AdminError::Several`] where some cannot be.
    pub(super) fn finish(self) -> Result<(), AdminError> {
        if self.refused.is_empty() { Ok(()) } else { Err(AdminError::Several(self.refused)) }
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

//! The one map from errors to codes and details (AIP-193). What is inside an error
//! never reaches a caller: it is logged here, once, under an incident's number.

mod question;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    admin::AdminError,
    back::Stopped,
    domain::{caller::Refused, fault::Fault, policy::effects::Effects, ports::StoreError},
    introspect::NotAuthenticated,
    proto::ErrorReason,
};

pub(super) use question::of_question;

/// The domain of every ErrorInfo.
pub const ERROR_DOMAIN: &str = "keyward.v1";
/// What the names of reasons begin with in the proto.
const REASON_PREFIX: &str = "ERROR_REASON_";
/// When to come again while the database cannot be asked.
const STORE_RETRY_DELAY: Duration = Duration::from_secs(1);
/// When to come again where too many look-ups wait.
const LOOK_UP_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How much of a list of faults fits, in bytes: details travel in HTTP/2 trailers, of
/// which many clients take 8 KiB.
const FAULTS_BYTES_MAX: usize = 4_096;

/// Details with an ErrorInfo.
pub(super) fn info<const N: usize>(
    reason: ErrorReason,
    metadata: [(&str, String); N],
) -> ErrorDetails {
    let metadata: HashMap<_, _> = metadata.map(|(key, value)| (key.to_owned(), value)).into();
    let reason = reason.as_str_name();
    ErrorDetails::with_error_info(
        reason.strip_prefix(REASON_PREFIX).unwrap_or(reason),
        ERROR_DOMAIN,
        metadata,
    )
}

/// The same status with details.
pub(super) fn with_details(status: &Status, details: ErrorDetails) -> Status {
    Status::with_error_details(status.code(), status.message(), details)
}

fn status(code: Code, message: impl Into<String>, details: ErrorDetails) -> Status {
    Status::with_error_details(code, message, details)
}

fn of_resource(code: Code, reason: ErrorReason, name: String, message: String) -> Status {
    status(code, message, info(reason, [("resource", name)]))
}

/// No credentials were sent.
pub(super) fn credentials_missing() -> Status {
    let message = "send the secret of a key of the workspace `system` as `authorization: Bearer …`";
    status(Code::Unauthenticated, message, info(ErrorReason::CredentialsMissing, []))
}

/// Every wrong field, as far as they fit.
fn invalid(faults: &[Fault]) -> Status {
    let mut room = FAULTS_BYTES_MAX;
    let fits = faults.iter().take_while(|Fault { field, description }| {
        let size = 2 * field.len() + description.len();
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    });
    let shown: Vec<&Fault> = fits.collect();
    let fields: Vec<&str> = shown.iter().map(|fault| fault.field.as_str()).collect();
    let mut details = info(ErrorReason::InvalidFields, [("fields", fields.join(","))]);
    for Fault { field, description } in &shown {
        details.add_bad_request_violation(field, description);
    }
    // A list that was cut ends with a fault of no field.
    let is_cut = faults.last().is_some_and(|last| last.field.is_empty());
    let at_least = if is_cut { "more than " } else { "" };
    let count = faults.len() - usize::from(is_cut);
    if shown.len() < count {
        let left = count - shown.len();
        details.add_bad_request_violation("", format!("{at_least}{left} more fields are wrong"));
    }
    let message = match &*shown {
        [Fault { field, description }] if faults.len() == 1 => format!("{field}: {description}"),
        _ => format!("{at_least}{count} fields are wrong"),
    };
    status(Code::InvalidArgument, message, details)
}

impl From<AdminError> for Status {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Refused(refused) => refused.into(),
            AdminError::NotFound(name) => not_found(name),
            AdminError::Exists(name) => {
                let message = format!("{name} exists; choose another id");
                of_resource(Code::AlreadyExists, ErrorReason::ResourceExists, name, message)
            }
            AdminError::Invalid(faults) => invalid(&faults),
            AdminError::EtagMismatch(name) => {
                let message = format!("{name} has changed: read it again, and send its etag");
                of_resource(Code::Aborted, ErrorReason::EtagMismatch, name, message)
            }
            AdminError::Contended => contended(),
            AdminError::RequestIdReused(id) => {
                let message = "the request_id was used for another request: choose a new one";
                status(
                    Code::InvalidArgument,
                    message,
                    info(ErrorReason::RequestIdReused, [("request_id", id)]),
                )
            }
            AdminError::KeyRevoked(name) => {
                let message = format!("{name} is revoked, for ever: make a new key");
                of_resource(Code::FailedPrecondition, ErrorReason::KeyRevoked, name, message)
            }
            AdminError::BuiltIn(name) => {
                let message = format!("{name} is built in and cannot be changed");
                of_resource(Code::FailedPrecondition, ErrorReason::BuiltIn, name, message)
            }
            AdminError::PrincipalDisabled(name) => {
                let message = format!("{name} is disabled: enable it first");
                of_resource(Code::FailedPrecondition, ErrorReason::PrincipalDisabled, name, message)
            }
            AdminError::PrincipalHasLiveKeys(name) => {
                let message = format!(
                    "{name} has live keys: revoke them first; ListKeys with this principal names them"
                );
                let reason = ErrorReason::PrincipalHasLiveKeys;
                of_resource(Code::FailedPrecondition, reason, name, message)
            }
            AdminError::BroaderThanMintingKey(fields) => {
                let fields = fields.join(",");
                let message = format!("the key is broader than the minting key, in: {fields}");
                let details = info(ErrorReason::BroaderThanMintingKey, [("fields", fields)]);
                status(Code::PermissionDenied, message, details)
            }
            AdminError::MintingKeyNotActive(name) => {
                let message = format!("{name} does not work, so it makes no keys");
                of_resource(
                    Code::FailedPrecondition,
                    ErrorReason::MintingKeyNotActive,
                    name,
                    message,
                )
            }
            AdminError::LiveKeysAffected(effects) => live_keys_affected(&effects),
            AdminError::Several(refused) => several(refused),
            AdminError::NoEntropy => internal(&error),
            AdminError::Store(error) => error.into(),
        }
    }
}

/// Names all of several that cannot be, for the reason of the first.
fn several(refused: Vec<(String, AdminError)>) -> Status {
    let (mut faults, mut first) = (Vec::with_capacity(refused.len()), None);
    for (place, error) in refused {
        let beneath = match &error {
            AdminError::Invalid(of_one) => of_one.clone(),
            _ => Vec::new(),
        };
        let status = Status::from(error);
        if beneath.is_empty() {
            faults.push(Fault { field: place.clone(), description: status.message().to_owned() });
        }
        let within = |fault: Fault| Fault { field: format!("{place}.{}", fault.field), ..fault };
        faults.extend(beneath.into_iter().map(within));
        first.get_or_insert(status);
    }
    let all = invalid(&faults);
    let Some(first) = first.filter(|first| {
        let reason = first.get_details_error_info().map(|info| info.reason);
        reason != all.get_details_error_info().map(|info| info.reason)
    }) else {
        return all;
    };
    let mut details = all.get_error_details();
    if let Some(info) = first.get_details_error_info() {
        details.set_error_info(info.reason, info.domain, info.metadata);
    }
    let message = match faults.len() {
        0 | 1 => all.message().to_owned(),
        count => format!("{}; {count} of what was asked for cannot be", first.message()),
    };
    status(first.code(), message, details)
}

/// How many names of a kind an error about live keys lists.
const ORPHANS_SHOWN: usize = 10;
/// How many bytes they are together, at the most, so that all kinds fit into trailers.
const ORPHANS_BYTES_MAX: usize = 500;

fn live_keys_affected(effects: &Effects) -> Status {
    let Effects { orphaned_scopes, orphaned_prefixes, orphaned_plans, .. } = effects;
    let list = |names: &BTreeSet<String>| {
        let mut room = ORPHANS_BYTES_MAX;
        let shown = names.iter().take(ORPHANS_SHOWN).take_while(|name| {
            let fits = name.len() < room;
            room = room.saturating_sub(name.len() + 1);
            fits
        });
        shown.cloned().collect::<Vec<_>>().join(",")
    };
    let keys = effects.keys_losing_scopes;
    let (scopes, prefixes) = (list(orphaned_scopes), list(orphaned_prefixes));
    let plans = list(orphaned_plans);
    let orphans = [("scopes", &scopes), ("prefixes", &prefixes), ("plans", &plans)];
    let orphans = orphans.into_iter().filter(|(_, names)| !names.is_empty());
    let orphans: String = orphans
        .map(|(what, names)| format!("; {what} in use that would be gone: {names}"))
        .collect();
    let message = format!(
        "live keys that would lose scopes: {keys}{orphans}. Ask with validate_only for all \
         effects, or set force"
    );
    let metadata =
        [("keys", keys.to_string()), ("scopes", scopes), ("prefixes", prefixes), ("plans", plans)];
    status(Code::FailedPrecondition, message, info(ErrorReason::LiveKeysAffected, metadata))
}

fn not_found(name: String) -> Status {
    let message = format!("{name} was not found");
    of_resource(Code::NotFound, ErrorReason::ResourceNotFound, name, message)
}

fn contended() -> Status {
    let message = "others changed the same resources at the same time: try again";
    status(Code::Aborted, message, info(ErrorReason::ConcurrentChange, []))
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ScopeMissing(scope) => {
                let message = format!("the caller lacks the scope {scope} here");
                let details = info(ErrorReason::CallerScopeMissing, [("scope", scope.to_string())]);
                status(Code::PermissionDenied, message, details)
            }
            Refused::Hidden(name) => not_found(name),
            Refused::Broader(fields) => {
                let fields = fields.join(",");
                let message =
                    format!("the key is broader than what the caller may itself, in: {fields}");
                let details = info(ErrorReason::BroaderThanCaller, [("fields", fields)]);
                status(Code::PermissionDenied, message, details)
            }
        }
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Conflict | StoreError::Exists => contended(),
            StoreError::Unavailable(source) => {
                tracing::warn!(error = %source, "the database cannot be asked");
                let mut details = info(ErrorReason::StoreUnavailable, []);
                details.set_retry_info(Some(STORE_RETRY_DELAY));
                let message = "the database cannot be asked; a change may have been made: try again with the same request_id";
                status(Code::Unavailable, message, details)
            }
            StoreError::NoLease => {
                let mut details = info(ErrorReason::NoLease, []);
                details.set_retry_info(Some(STORE_RETRY_DELAY));
                let message = "this replica has not reached the database for so long that it may have missed changes; nothing was done: ask another, or try again";
                status(Code::Unavailable, message, details)
            }
            StoreError::Overloaded => {
                let mut details = info(ErrorReason::TooManyLookUps, []);
                details.set_retry_info(Some(LOOK_UP_RETRY_DELAY));
                let message = "more look-ups wait for the database than it can take; try again";
                status(Code::Unavailable, message, details)
            }
            StoreError::NotInForce { revision, within } => {
                let within = within.as_millis();
                let metadata =
                    [("revision", revision.to_string()), ("within_ms", within.to_string())];
                let details = info(ErrorReason::ChangeNotYetInForce, metadata);
                let message = format!(
                    "change {revision} was made; every replica knows of it within {within} ms"
                );
                status(Code::DeadlineExceeded, message, details)
            }
            StoreError::Corrupt(_) => internal(&error),
        }
    }
}

/// A fault of ours: told by its number, which the log explains.
fn internal(error: &dyn std::error::Error) -> Status {
    let incident = uuid::Uuid::now_v7().to_string();
    tracing::error!(%incident, error = %error, "a call failed by a fault of the server");
    let message = format!("a fault of the server; its log has it under {incident}");
    status(Code::Internal, message, info(ErrorReason::Internal, [("incident", incident)]))
}

impl From<NotAuthenticated> for Status {
    fn from(error: NotAuthenticated) -> Self {
        match error {
            NotAuthenticated::Invalid => {
                let message = "the credentials do not work";
                status(Code::Unauthenticated, message, info(ErrorReason::CredentialsInvalid, []))
            }
            NotAuthenticated::AddressNotAllowed => {
                let message = "the caller's key may not be used from this address";
                status(
                    Code::PermissionDenied,
                    message,
                    info(ErrorReason::CallerAddressNotAllowed, []),
                )
            }
            NotAuthenticated::CertificateEnded => {
                let message = "the client's certificate has ended: connect with a new one";
                status(Code::Unauthenticated, message, info(ErrorReason::CredentialsInvalid, []))
            }
            NotAuthenticated::CertificateNotTrusted => {
                let message = "no authority vouches for the client's certificate any more: connect with a new one";
                status(Code::Unauthenticated, message, info(ErrorReason::CredentialsInvalid, []))
            }
            NotAuthenticated::IdentityUnknown => {
                let message = "no identity of the client's certificate is on the list of callers: \
                               send the secret of a key as `authorization: Bearer …`, or have the \
                               identity listed";
                status(Code::Unauthenticated, message, info(ErrorReason::CredentialsInvalid, []))
            }
            NotAuthenticated::Store(error) => error.into(),
        }
    }
}

/// The back of the process did not finish the call.
pub(super) fn stopped(stopped: Stopped) -> Status {
    match stopped {
        Stopped::Panicked => panicked(),
        Stopped::Ending => ending(),
    }
}

/// A call panicked. Where and how is in the log, by the hook that saw it.
pub(super) fn panicked() -> Status {
    internal(&Stopped::Panicked)
}

/// The database cannot be used yet.
pub(super) fn waiting() -> Status {
    let mut details = info(ErrorReason::StoreUnavailable, []);
    details.set_retry_info(Some(STORE_RETRY_DELAY));
    let message =
        "the server waits for its database, and has done nothing: try again, or go to another";
    status(Code::Unavailable, message, details)
}

fn ending() -> Status {
    let message =
        "the server or this connection is ending: go on with another, with the same request_id";
    status(Code::Unavailable, message, info(ErrorReason::ShuttingDown, []))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::domain::event::Revision;

    #[test]
    fn who_waited_too_long_for_a_look_up_is_told_when_to_come_again() {
        let status = Status::from(StoreError::Overloaded);
        let reason = status.get_details_error_info().unwrap().reason;
        assert_eq!((status.code(), &*reason), (Code::Unavailable, "TOO_MANY_LOOK_UPS"));
        let delay = status.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(LOOK_UP_RETRY_DELAY));
    }

    #[test]
    fn who_waited_too_short_for_a_change_is_told_that_it_was_made() {
        let (revision, within) = (Revision(7), Duration::from_millis(5_000));
        let status = Status::from(StoreError::NotInForce { revision, within });
        assert_eq!(status.code(), Code::DeadlineExceeded);
        let details = status.get_details_error_info().unwrap();
        assert_eq!(details.reason, "CHANGE_NOT_YET_IN_FORCE");
        assert_eq!(details.metadata["revision"], "7");
        assert_eq!(details.metadata["within_ms"], "5000");
        assert_eq!(status.message(), "change 7 was made; every replica knows of it within 5000 ms");
    }
}

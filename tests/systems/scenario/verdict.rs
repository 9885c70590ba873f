//! What answers and refusals must be.

use keyward::proto::{Decision, DenyReason, IntrospectResponse};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What a request is answered: decision, reason, HTTP status and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// No secret was sent.
    Missing,
    /// The key does not work, for this reason.
    Dead(DenyReason),
    /// The client's address is not among the key's.
    Address,
    /// The resource is outside the key's bounds.
    Outside,
    /// The resource is outside the key's bounds, and hidden.
    NotFound,
    /// These scopes are missing, in the order of the request.
    Lacks(&'static [&'static str]),
}

/// What a backend should answer its own client.
type Advised<'a> = (DenyReason, i32, Option<String>, &'a [&'static str]);

impl Verdict {
    fn expected(&self) -> Advised<'_> {
        let challenge = |text: &str| Some(text.to_owned());
        match self {
            Self::Allowed => (DenyReason::Unspecified, 200, None, &[]),
            Self::Missing => (DenyReason::InvalidKey, 401, challenge("Bearer"), &[]),
            Self::Dead(reason) => (*reason, 401, challenge(r#"Bearer error="invalid_token""#), &[]),
            Self::Address => (DenyReason::IpNotAllowed, 403, None, &[]),
            Self::Outside => (DenyReason::OutsideConstraint, 403, None, &[]),
            Self::NotFound => (DenyReason::NotFound, 404, None, &[]),
            Self::Lacks(scopes) => {
                let list = scopes.join(" ");
                let value = format!(r#"Bearer error="insufficient_scope", scope="{list}""#);
                (DenyReason::InsufficientScope, 403, Some(value), scopes)
            }
        }
    }

    #[track_caller]
    pub(crate) fn check(&self, answer: &IntrospectResponse, at: &str) {
        let (reason, status, challenge, missing) = self.expected();
        assert_eq!(answer.reason(), reason, "{at}");
        let allowed = *self == Self::Allowed;
        let decision = if allowed { Decision::Allow } else { Decision::Deny };
        assert_eq!(answer.decision(), decision, "{at}");
        let works = !matches!(self, Self::Missing | Self::Dead(_));
        assert_eq!(answer.active, works, "{at}");
        let http = answer.http.as_ref().unwrap();
        assert_eq!(http.status, status, "{at}");
        let headers: Vec<_> =
            http.headers.iter().map(|header| (header.name.as_str(), &header.value)).collect();
        let expected: Vec<_> = challenge.iter().map(|value| ("WWW-Authenticate", value)).collect();
        assert_eq!(headers, expected, "{at}");
        assert_eq!(answer.missing_scopes, missing, "{at}");
    }
}

/// How a call that changes something is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// This field is wrong and no other, and this is said of it among other things.
    Field(&'static str, &'static str),
    /// There is no such workspace, principal or key.
    Absent,
    /// The key is revoked, for ever.
    Revoked,
    /// The principal is disabled.
    Disabled,
    /// The key on whose behalf it is made has less, in these fields.
    Broader(&'static str),
    /// The key on whose behalf it is made does not work.
    Powerless,
}

impl Refusal {
    #[track_caller]
    pub(crate) fn check(&self, status: &Status, at: &str) {
        let info = status.get_details_error_info().unwrap();
        let (code, reason) = match self {
            Self::Field(..) => (Code::InvalidArgument, "INVALID_FIELDS"),
            Self::Absent => (Code::NotFound, "RESOURCE_NOT_FOUND"),
            Self::Revoked => (Code::FailedPrecondition, "KEY_REVOKED"),
            Self::Disabled => (Code::FailedPrecondition, "PRINCIPAL_DISABLED"),
            Self::Powerless => (Code::FailedPrecondition, "MINTING_KEY_NOT_ACTIVE"),
            Self::Broader(_) => (Code::PermissionDenied, "BROADER_THAN_MINTING_KEY"),
        };
        assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{at}: {status:?}");
        match self {
            Self::Field(field, said) => {
                let violations = status.get_details_bad_request().unwrap().field_violations;
                let fields: Vec<_> = violations.iter().map(|it| it.field.as_str()).collect();
                assert_eq!(fields, [*field], "{at}: {violations:?}");
                assert!(violations[0].description.contains(said), "{at}: {violations:?}");
            }
            Self::Broader(fields) => {
                assert_eq!(info.metadata.get("fields").map(String::as_str), Some(*fields), "{at}");
            }
            Self::Absent | Self::Revoked | Self::Disabled | Self::Powerless => {}
        }
    }
}

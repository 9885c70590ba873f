//! Why questions have no answer.

use tonic::Status;
use tonic_types::{FieldViolation, StatusExt as _};

use super::{STORE_RETRY_DELAY, info, invalid, with_details};
use crate::{
    domain::{
        decision::InvalidInquiry,
        fault::{Fault, without_secrets},
        limit::CannotTell,
    },
    grpc::convert::duration,
    introspect::IntrospectError,
    proto::{ErrorReason, StreamIntrospectError, WrongField},
};

/// The longest scope that is repeated, in characters.
const SCOPE_SHOWN_MAX: usize = 100;

impl From<IntrospectError> for Status {
    fn from(error: IntrospectError) -> Self {
        match error {
            IntrospectError::Refused(refused) => refused.into(),
            IntrospectError::Invalid(faults) => invalid(&faults),
            IntrospectError::Inquiry(error) => senseless(&[fault("", &error)], Some(&error)),
            IntrospectError::Inquiries(errors) => {
                let named =
                    |(place, error): &(usize, _)| fault(&format!("requests[{place}]."), error);
                let faults: Vec<Fault> = errors.iter().map(named).collect();
                senseless(&faults, errors.first().map(|(_, error)| error))
            }
            IntrospectError::Store(error) => error.into(),
            IntrospectError::Limits(CannotTell) => {
                let mut details = info(ErrorReason::LimitsUnavailable, []);
                details.set_retry_info(Some(STORE_RETRY_DELAY));
                let message = "it cannot be told what is left of the key's rate limits, and limits.without_redis is \"refuse\": try again";
                with_details(&Self::unavailable(message), details)
            }
        }
    }
}

/// What of a question makes no sense; `within` is what its fields are named with.
fn fault(within: &str, error: &InvalidInquiry) -> Fault {
    let (field, description) = match error {
        InvalidInquiry::UnknownScope { scope, nearest } => {
            let hint = nearest
                .as_ref()
                .map(|near| format!("; did you mean {near:?}?"))
                .unwrap_or_default();
            let shown = shown(scope);
            ("required_scopes", format!("the key's policy has no scope {shown:?}{hint}"))
        }
        InvalidInquiry::UnknownClass(description) => ("class", description.clone()),
        InvalidInquiry::Resource(error) => ("resource", without_secrets(&error.to_string())),
    };
    Fault { field: format!("{within}{field}"), description }
}

/// Secrets first: half of one would no longer be seen to be one.
fn shown(scope: &str) -> String {
    without_secrets(scope).chars().take(SCOPE_SHOWN_MAX).collect()
}

/// Names all that make no sense, for the reason of the first.
fn senseless(faults: &[Fault], first: Option<&InvalidInquiry>) -> Status {
    let status = invalid(faults);
    let (Some(InvalidInquiry::UnknownScope { scope, nearest }), Some(Fault { field, .. })) =
        (first, faults.first())
    else {
        return status;
    };
    let nearest = nearest.clone().unwrap_or_default();
    let metadata = [("field", field.clone()), ("scope", shown(scope)), ("nearest", nearest)];
    let mut details = status.get_error_details();
    if let Some(info) = info(ErrorReason::UnknownScope, metadata).error_info() {
        details.set_error_info(&info.reason, &info.domain, info.metadata.clone());
    }
    with_details(&status, details)
}

/// Why one question of a stream has no answer.
pub(in crate::grpc) fn of_question(status: &Status) -> StreamIntrospectError {
    let details = status.get_error_details();
    let faults = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let wrong = |fault: FieldViolation| {
        let FieldViolation { field, description, .. } = fault;
        WrongField { field, description }
    };
    StreamIntrospectError {
        code: status.code().into(),
        reason: details.error_info().map(|info| info.reason.clone()).unwrap_or_default(),
        message: status.message().to_owned(),
        wrong_fields: faults.into_iter().map(wrong).collect(),
        retry_after: details.retry_info().and_then(|info| info.retry_delay).map(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ports::StoreError;

    #[test]
    fn what_cannot_be_told_now_says_when_to_ask_again() {
        let later = Some(duration(STORE_RETRY_DELAY));
        let gone = IntrospectError::Store(StoreError::Unavailable("gone".into()));
        for (error, reason) in [
            (gone, "STORE_UNAVAILABLE"),
            (IntrospectError::Limits(CannotTell), "LIMITS_UNAVAILABLE"),
        ] {
            let told = of_question(&error.into());
            assert_eq!((&*told.reason, told.retry_after), (reason, later));
            assert_eq!(told.wrong_fields, []);
        }
    }
}

//! The deadline of a call.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Status;

use crate::{
    grpc::status::{info, with_details},
    proto::ErrorReason,
};

/// The header by which a caller names the time it gives the call.
const HEADER: &str = "grpc-timeout";
/// The same, made once: every call is asked for it.
static NAME: HeaderName = HeaderName::from_static(HEADER);

/// Digits of a timeout at most, as gRPC over HTTP/2 has it.
const DIGITS_MAX: usize = 8;

/// The time that its caller gives a call. None: it says nothing.
///
/// # Errors
/// INVALID_ARGUMENT where the header is no timeout. To ignore it would be to work on for a caller that may have left.
pub(super) fn given(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    match headers.get(&NAME) {
        None => Ok(None),
        Some(value) => parse(value).map(Some).ok_or_else(|| {
            with_details(
                &Status::invalid_argument(
                    "grpc-timeout must be 1 to 8 digits and one of the units H, M, S, m, u, n",
                ),
                info(ErrorReason::MalformedRequest, [("header", HEADER.to_owned())]),
            )
        }),
    }
}

/// The time a call has: what its caller gives it, `max` at most, and `max` where the caller says nothing.
pub(super) fn of(given: Option<Duration>, max: Duration) -> Duration {
    given.map_or(max, |given| given.min(max))
}

/// The answer when `deadline` has passed.
pub(in crate::grpc) fn exceeded(deadline: Duration) -> Status {
    with_details(
        &Status::deadline_exceeded("the deadline passed before there was an answer"),
        info(ErrorReason::DeadlineExceeded, [("deadline_ms", deadline.as_millis().to_string())]),
    )
}

/// `TimeoutValue TimeoutUnit` of the gRPC over HTTP/2 specification.
fn parse(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(count * 3_600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_secs(30);

    #[track_caller]
    fn check(value: &'static str, expected: Option<Duration>) {
        let headers = HeaderMap::from_iter([(NAME.clone(), HeaderValue::from_static(value))]);
        let found = given(&headers).ok().map(|given| of(given, MAX));
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn every_unit_is_read() {
        check("7n", Some(Duration::from_nanos(7)));
        check("7u", Some(Duration::from_micros(7)));
        check("7m", Some(Duration::from_millis(7)));
        check("7S", Some(Duration::from_secs(7)));
        check("0M", Some(Duration::ZERO));
        check("0H", Some(Duration::ZERO));
    }

    #[test]
    fn the_maximum_binds_longer_deadlines_and_none() {
        check("29999m", Some(Duration::from_millis(29_999)));
        check("30S", Some(MAX));
        check("30001m", Some(MAX));
        check("99999999H", Some(MAX));
        assert_eq!(given(&HeaderMap::new()).ok(), Some(None));
        assert_eq!(of(None, MAX), MAX);
    }

    #[test]
    fn what_is_no_timeout_is_refused() {
        for value in ["", "S", "1", "1s", "-1S", "+1S", "1.5S", " 1S", "1S ", "123456789m"] {
            check(value, None);
        }
    }
}

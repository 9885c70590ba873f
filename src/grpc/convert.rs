//! Between protobuf messages and the domain. Every field of a message is named
//! here, so that a new one cannot be forgotten.

pub(super) mod event;
pub(super) mod introspect;
pub(super) mod key;
pub(super) mod policy;
pub(super) mod principal;
pub(super) mod usage;
pub(super) mod warning;
pub(super) mod workspace;

use std::time::Duration;

use prost::Message;
use ring::digest::{Context, SHA256};

use crate::{
    admin::{Intent, Mask, Paged, Paging},
    domain::time::Timestamp,
};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// SHA-256 of a message under the name of its RPC: the same for the same request.
fn fingerprint(rpc: &str, message: &impl Message) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(rpc.as_bytes());
    context.update(&[0]);
    context.update(&message.encode_to_vec());
    // SHA-256 is 32 bytes: the default is never met.
    context.finish().as_ref().try_into().unwrap_or_default()
}

/// How a change is asked for.
pub(super) fn intent(
    rpc: &str,
    message: &impl Message,
    request_id: &str,
    validate_only: bool,
) -> Intent {
    // Only what is remembered under an id is ever compared.
    let fingerprint = if request_id.is_empty() { [0; 32] } else { fingerprint(rpc, message) };
    Intent { request_id: request_id.to_owned(), fingerprint, validate_only }
}

/// A page of the list that `query` describes, its own paging taken out.
pub(super) fn paging(rpc: &str, query: &impl Message, size: i32, token: String) -> Paging {
    Paging { size, token, fingerprint: fingerprint(rpc, query) }
}

pub(super) fn mask(mask: Option<prost_types::FieldMask>) -> Mask {
    Mask::new(mask.unwrap_or_default().paths)
}

/// The moment, to the microsecond below; what is out of range is the last of its side.
pub(super) fn moment(timestamp: prost_types::Timestamp) -> Timestamp {
    let prost_types::Timestamp { seconds, nanos } = timestamp;
    let micros = seconds
        .saturating_mul(MICROS_PER_SECOND)
        .saturating_add(i64::from(nanos.div_euclid(1_000)));
    Timestamp::from_micros(micros)
}

pub(super) fn timestamp(moment: Timestamp) -> prost_types::Timestamp {
    let seconds = moment.micros().div_euclid(MICROS_PER_SECOND);
    let micros = moment.micros().rem_euclid(MICROS_PER_SECOND);
    prost_types::Timestamp { seconds, nanos: i32::try_from(micros * 1_000).unwrap_or_default() }
}

/// The span of time; nothing for a negative one. Not by the conversion of prost,
/// which panics on the least of seconds.
pub(super) fn span(duration: prost_types::Duration) -> Option<Duration> {
    let prost_types::Duration { seconds, nanos } = duration;
    let seconds = u64::try_from(seconds).ok()?;
    let nanos = u64::try_from(nanos).ok()?;
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos))
}

pub(super) fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(span).unwrap_or_default()
}

/// The items of a page and its token.
pub(super) fn page<T, U>(paged: Paged<T>, convert: impl FnMut(T) -> U) -> (Vec<U>, String) {
    let Paged { items, next_token } = paged;
    (items.into_iter().map(convert).collect(), next_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: i64, nanos: i32, micros: i64) {
        assert_eq!(moment(prost_types::Timestamp { seconds, nanos }).micros(), micros);
    }

    #[test]
    fn moments_are_cut_to_the_microsecond_and_kept_in_range() {
        check(0, 999, 0);
        check(1, 1_000, 1_000_001);
        check(-1, 999_999_000, -1);
        check(0, -1, -1);
        check(i64::MAX, i32::MAX, i64::MAX);
        check(i64::MIN, i32::MIN, i64::MIN);
    }

    #[test]
    fn moments_read_as_they_are_written() {
        for micros in [0, 1, -1, 1_700_000_000_123_456, Timestamp::MAX.micros()] {
            let there = Timestamp::from_micros(micros);
            assert_eq!(moment(timestamp(there)), there);
        }
    }

    #[test]
    fn a_negative_span_is_none() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (i64::MIN, 0), (i64::MIN, i32::MIN)] {
            assert_eq!(span(prost_types::Duration { seconds, nanos }), None);
        }
        assert!(span(prost_types::Duration { seconds: i64::MAX, nanos: i32::MAX }).is_some());
        assert_eq!(span(prost_types::Duration { seconds: 1, nanos: 5 }), Some(Duration::new(1, 5)));
    }

    #[test]
    fn the_same_message_for_another_rpc_is_another_request() {
        let message = prost_types::Duration { seconds: 1, nanos: 0 };
        assert_eq!(fingerprint("A", &message), fingerprint("A", &message));
        assert_ne!(fingerprint("A", &message), fingerprint("B", &message));
    }
}

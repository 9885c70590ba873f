//! Details for the errors that tonic answers by itself.
//!
//! A status of ours always carries details. One without comes from tonic, from its health or from its reflection
//! service. Those that a malformed request causes are known by their text, which tests pin against tonic itself: an
//! upgrade that changes a text fails them. Every other status passes as it is.

use http::HeaderMap;
use tonic::Status;
use tonic_types::ErrorDetails;

use crate::{
    grpc::status::{info, with_details},
    proto::ErrorReason,
};

const NO_MESSAGE: &str = "Missing request message";
/// Beginnings of what is said of a body that is no message. The rest may quote the body and is never passed on.
const BAD_MESSAGE: [&str; 3] =
    ["failed to decode Protobuf message", "protocol error", "Unexpected EOF decoding stream"];
const TOO_LARGE: &str = "Error, decoded message length too large";
const COMPRESSED: &str = "Content is compressed with";

/// Replaces in `headers`, the head or the trailers of a response, a status that tonic left without details.
pub(super) fn explain(headers: &mut HeaderMap, max_message_bytes: usize) {
    let failed = headers.get(Status::GRPC_STATUS).is_some_and(|code| code != "0");
    if !failed || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let explained =
        Status::from_header_map(headers).and_then(|status| explained(&status, max_message_bytes));
    // On failure the headers keep tonic's own status, which is whole.
    let _ = explained.map(|status| status.add_header(headers));
}

fn explained(status: &Status, max_message_bytes: usize) -> Option<Status> {
    let said = status.message();
    let (replaced, details): (Status, ErrorDetails) = if said.starts_with(NO_MESSAGE) {
        let text =
            "the body is empty; an empty message is five zero bytes: no compression, length 0";
        (Status::invalid_argument(text), info(ErrorReason::MalformedRequest, []))
    } else if BAD_MESSAGE.iter().any(|beginning| said.starts_with(beginning)) {
        let text = "the body is not the message that this method takes, in Protobuf";
        (Status::invalid_argument(text), info(ErrorReason::MalformedRequest, []))
    } else if said.starts_with(TOO_LARGE) {
        let max = ("max_message_bytes", max_message_bytes.to_string());
        let text = format!("the message has more than {max_message_bytes} bytes");
        (Status::resource_exhausted(text), info(ErrorReason::MessageTooLarge, [max]))
    } else if said.starts_with(COMPRESSED) {
        let text = "the message is compressed; send it as it is (grpc-encoding: identity)";
        (
            Status::unimplemented(text),
            info(ErrorReason::MalformedRequest, [("header", "grpc-encoding".to_owned())]),
        )
    } else {
        let unimplemented = Status::unimplemented("the server has no such method");
        if !said.is_empty() || status.code() != unimplemented.code() {
            return None;
        }
        (unimplemented, info(ErrorReason::UnknownMethod, []))
    };
    Some(with_details(&replaced, details))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tonic_types::StatusExt as _;

    use super::*;

    const MAX: usize = 77;

    fn headers(status: &Status) -> HeaderMap {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers
    }

    #[track_caller]
    fn check(said: &Status, expected: &Status, reason: &str) {
        let mut headers = headers(said);
        explain(&mut headers, MAX);
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!(status.code(), expected.code());
        assert_eq!(status.get_details_error_info().unwrap().reason, reason);
        assert!(!status.message().contains("SECRET"));
    }

    #[test]
    fn what_tonic_says_of_a_body_is_never_passed_on() {
        let bad = Status::internal("failed to decode Protobuf message: SECRET");
        check(&bad, &Status::invalid_argument(""), "MALFORMED_REQUEST");
        let compressed = Status::unimplemented("Content is compressed with `SECRET`");
        check(&compressed, &Status::unimplemented(""), "MALFORMED_REQUEST");
    }

    #[test]
    fn the_limit_is_told_in_the_metadata() {
        let mut headers = headers(&Status::out_of_range(TOO_LARGE));
        explain(&mut headers, MAX);
        let info = Status::from_header_map(&headers)
            .and_then(|status| status.get_details_error_info())
            .unwrap();
        assert_eq!(info.metadata.get("max_message_bytes").map(String::as_str), Some("77"));
    }

    #[test]
    fn success_own_errors_and_those_of_other_services_pass_as_they_are() {
        let own = with_details(&Status::internal(NO_MESSAGE), info(ErrorReason::Internal, []));
        for status in
            [Status::ok(""), own, Status::not_found("service not registered"), Status::internal("")]
        {
            let before = headers(&status);
            let mut after = before.clone();
            explain(&mut after, MAX);
            assert_eq!(after, before);
        }
    }
}

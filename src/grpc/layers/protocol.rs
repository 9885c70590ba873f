//! Whether a request is gRPC at all.

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

const GRPC: &[u8] = b"application/grpc";

/// Refuses what no gRPC client sends, with a status of HTTP: the sender would not read one of gRPC.
/// 405 unless POST; 415 unless `application/grpc`, alone, with `+proto` or with parameters (gRPC over HTTP/2,
/// "Requests"), and said once.
pub(super) fn refuse<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.method() != Method::POST {
        return Some(refusal(StatusCode::METHOD_NOT_ALLOWED, Some((ALLOW, "POST"))));
    }
    if !is_grpc(request.headers()) {
        return Some(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, None));
    }
    None
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let Some(rest) = kind.as_bytes().strip_prefix(GRPC) else { return false };
    let rest = rest.strip_prefix(b"+proto").unwrap_or(rest);
    matches!(rest.trim_ascii_start().first(), None | Some(b';'))
}

fn refusal(status: StatusCode, header: Option<(http::HeaderName, &'static str)>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_type(value: &'static str, expected: bool) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        assert_eq!(is_grpc(&headers), expected, "{value:?}");
    }

    #[test]
    fn protobuf_over_grpc_is_grpc() {
        check_type("application/grpc", true);
        check_type("application/grpc+proto", true);
        check_type("application/grpc; charset=utf-8", true);
        check_type("application/grpc+proto;x=y", true);
    }

    #[test]
    fn other_content_is_not() {
        for value in [
            "",
            "application/json",
            "application/grpc-web",
            "application/grpc+json",
            "application/grpcx",
        ] {
            check_type(value, false);
        }
        assert!(!is_grpc(&HeaderMap::new()));
        let grpc = (CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut twice = HeaderMap::from_iter([grpc.clone()]);
        assert!(is_grpc(&twice));
        twice.append(grpc.0, grpc.1);
        assert!(!is_grpc(&twice));
    }
}

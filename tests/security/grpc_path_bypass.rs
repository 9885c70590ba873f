//! A path that a check takes for another than the service does.
//!
//! - grpc-go, CVE-2026-33186: a path without its leading slash was served, and passed by the rules
//!   that named it with one.
//!
//! What a client of HTTP can send is in `tests/api/server/bodies.rs` and, with what is asked from
//! memory, in `tests/quick/shapes.rs`. Here paths that no client would send, as frames: nothing is
//! read or changed by any of them, with credentials that may do everything and with none.

use keyward::proto;
use prost::Message as _;

use crate::{
    callers::raw::rpcs,
    frames::{DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RESET, head},
    support::reader,
    world::Store,
};

on_each_store!(a_path_that_is_not_exactly_that_of_an_rpc_is_served_to_nobody);

/// How a path can be written otherwise.
fn otherwise(path: &str) -> Vec<String> {
    let (service, method) = path[1..].split_once('/').unwrap();
    let mut paths = vec![
        path[1..].to_owned(),
        format!("/{path}"),
        format!("//{path}"),
        format!("{path}/"),
        format!("{path}//"),
        format!("/{service}//{method}"),
        format!("/./{service}/{method}"),
        format!("/x/..{path}"),
        format!("/{service}/./{method}"),
        format!("/{service}/x/../{method}"),
        format!("/{service}%2f{method}"),
        format!("/{service}/{method}%00"),
        format!("/{service}/{method};v=1"),
        format!("/{service}/%{:02x}{}", method.as_bytes()[0], &method[1..]),
        format!("/{service}/{}", method.to_lowercase()),
        format!("/{service}/{}", method.to_uppercase()),
        format!("/{}/{method}", service.to_lowercase()),
        format!("/{}/{method}", service.to_uppercase()),
        format!("/{service}/ {method}"),
        format!("/{service}/{method} "),
        format!("/{service}/{method}2"),
        format!("/{service}/{}", &method[..method.len() - 1]),
        format!("/{service}2/{method}"),
        format!("/{service}.{method}"),
        format!("/{service}\\{method}"),
        format!("http://test{path}"),
        format!("/{method}"),
        "*".to_owned(),
        "/".to_owned(),
        String::new(),
    ];
    paths.retain(|other| other != path);
    paths
}

/// Whether a call to this path is answered with a message.
async fn is_served(
    address: std::net::SocketAddr,
    path: &str,
    secret: &str,
    message: &[u8],
) -> bool {
    let mut frames = Frames::connect(address).await;
    let bearer = format!("Bearer {secret}");
    let headers = if secret.is_empty() { vec![] } else { vec![("authorization", &*bearer)] };
    let body = crate::callers::raw::framed(message);
    frames.send(HEADERS, END_HEADERS, 1, &head(path, &headers)).await;
    frames.send(DATA, END_STREAM, 1, &body).await;
    loop {
        let frame = frames.receive().await;
        if frame.kind == DATA && !frame.payload.is_empty() {
            return true;
        }
        let is_over = frame.kind == RESET || frame.flags & END_STREAM != 0;
        if frame.kind == GOAWAY || (frame.stream == 1 && is_over) {
            return false;
        }
    }
}

async fn a_path_that_is_not_exactly_that_of_an_rpc_is_served_to_nobody(store: Store) {
    let (server, mut root) = store.with_workspaces().await;
    let secret = &server.root_secret;
    let head = root.head().await;
    let creation = proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key: Some(reader()),
        ..Default::default()
    }
    .encode_to_vec();
    let question = proto::IntrospectRequest { secret: secret.clone(), ..Default::default() };
    let listing: Vec<u8> = Vec::new();
    for (method, message) in [
        ("CreateKey", &creation),
        ("ListPolicies", &listing),
        ("Introspect", &question.encode_to_vec()),
    ] {
        let path = rpcs().into_iter().find(|rpc| rpc.method == method).unwrap().path();
        for other in otherwise(&path) {
            for secret in [secret.as_str(), ""] {
                let is_served = is_served(server.address, &other, secret, message).await;
                assert!(!is_served, "{other:?} with {} bytes of a secret", secret.len());
            }
        }
        // With a query it is another method, and there is none, whoever asks.
        let other = format!("{path}?x");
        assert!(!is_served(server.address, &other, secret, message).await, "{other:?}");
        // What follows a `#` is cut off before anything here sees it; a caller is needed all the same.
        for other in [other, format!("{path}#x"), path] {
            assert!(!is_served(server.address, &other, "", message).await, "{other:?}");
        }
    }
    assert_eq!(root.head().await, head, "nothing was made");
    // That all of it would have been seen.
    for (method, message) in [("CreateKey", &creation), ("ListPolicies", &listing)] {
        let path = rpcs().into_iter().find(|rpc| rpc.method == method).unwrap().path();
        assert!(is_served(server.address, &path, secret, message).await, "{path}");
    }
    assert_eq!(root.head().await, head + 1);
}

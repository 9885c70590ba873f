//! The form of an answer: from a decision to bytes.
//!
//! How an answer is put together is the affair of the service alone. What is measured here is what
//! any way has to do at least, by the messages themselves.

use keyward::proto::{
    Decision, DenyReason, Grant, IntrospectRequest, IntrospectResponse, IntrospectView,
};
use prost::Message as _;

use crate::{
    keys,
    table::{Is, Table},
};

pub(crate) fn all(table: &mut Table) {
    let group = "answer";
    let mut bytes = Vec::with_capacity(4_096);
    let (brief, full) = (brief(), full());
    table.part(Is::Part, group, "brief, made and encoded", || {
        bytes.clear();
        crate::answer::brief().encode(&mut bytes).unwrap();
        bytes.len()
    });
    table.part(Is::Beside, group, "brief, encoded", || {
        bytes.clear();
        std::hint::black_box(&brief).encode(&mut bytes).unwrap();
        bytes.len()
    });
    table.part(Is::Beside, group, "full, made and encoded", || {
        bytes.clear();
        full.clone().encode(&mut bytes).unwrap();
        bytes.len()
    });
    table.part(Is::Beside, group, "full, encoded", || {
        bytes.clear();
        std::hint::black_box(&full).encode(&mut bytes).unwrap();
        bytes.len()
    });
    let encoded = full.encode_to_vec();
    table.part(Is::Beside, group, "full, copied", || {
        bytes.clear();
        bytes.extend_from_slice(std::hint::black_box(&encoded));
        bytes.len()
    });
    let request = request().encode_to_vec();
    table.part(Is::Part, "question", "decoded", || {
        IntrospectRequest::decode(std::hint::black_box(&*request)).unwrap()
    });
}

fn request() -> IntrospectRequest {
    IntrospectRequest {
        secret: format!("bench_live_{}", "0".repeat(50)),
        client_ip: "10.0.2.9".to_owned(),
        required_scopes: vec![keys::scope(3)],
        view: IntrospectView::Decision.into(),
        ..IntrospectRequest::default()
    }
}

/// The decision alone.
fn brief() -> IntrospectResponse {
    IntrospectResponse {
        active: true,
        decision: Decision::Allow.into(),
        reason: DenyReason::Unspecified.into(),
        revision: std::hint::black_box(123_456),
        ..IntrospectResponse::default()
    }
}

/// All that is said of a usual key.
fn full() -> IntrospectResponse {
    let scopes = || (0..keys::USUAL.scopes).map(keys::scope);
    let grant = |scope| Grant { scope, ..Grant::default() };
    IntrospectResponse {
        key: "workspaces/usual-0/keys/0192f7a4-5b7c-7d10-9c3e-2f6b8a1d4e5f".to_owned(),
        key_display_name: "Nightly backup".to_owned(),
        key_type: "live".to_owned(),
        key_labels: [("team".to_owned(), "search".to_owned())].into(),
        workspace: "workspaces/usual-0".to_owned(),
        principal: "workspaces/usual-0/principals/ada".to_owned(),
        grants: scopes().map(grant).collect(),
        effective_scopes: scopes().collect(),
        ..brief()
    }
}

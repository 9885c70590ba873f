//! Several keys and several questions at once, and what is told of the use of keys.

use keyward::proto::{
    BatchCreateKeysRequest, BatchIntrospectRequest, BatchRevokeKeysRequest, GetUsageRequest,
    IntrospectRequest, StreamIntrospectRequest,
};
use prost::Message as _;

use crate::{
    caller::Caller,
    needles::as_text,
    scenario::{WORKSPACE, create, key, request_id},
    seen::Seen,
};

fn batch(ids: &[&str]) -> BatchCreateKeysRequest {
    BatchCreateKeysRequest {
        parent: WORKSPACE.into(),
        requests: ids.iter().map(|id| create("", id, key())).collect(),
        ..Default::default()
    }
}

/// Makes two keys, with a rehearsal and a repetition, which show nothing, and ends them.
pub(crate) async fn mint(seen: &mut Seen, root: &mut Caller) {
    let ids = ["first", "second"];
    let rehearsal = BatchCreateKeysRequest { validate_only: true, ..batch(&ids) };
    let request = BatchCreateKeysRequest { request_id: request_id(), ..batch(&ids) };
    let rehearsed = seen.ok(root.admin.batch_create_keys(rehearsal).await);
    let made = seen.ok(root.admin.batch_create_keys(request.clone()).await);
    let repeated = seen.ok(root.admin.batch_create_keys(request).await);
    for made in made.responses {
        seen.minted(&made.secret);
    }
    assert!(rehearsed.responses.iter().chain(&repeated.responses).all(|one| one.secret.is_empty()));
    let names = ids.map(|id| format!("{WORKSPACE}/keys/{id}")).to_vec();
    let revoke = BatchRevokeKeysRequest { parent: WORKSPACE.into(), names, ..Default::default() };
    seen.ok(root.admin.batch_revoke_keys(revoke).await);
}

/// Sends a secret to every place, most of them wrong.
pub(crate) async fn wrongly(seen: &mut Seen, root: &mut Caller, secret: &str) {
    let s = || secret.to_owned();
    ask(seen, root, secret).await;
    for wrong in [
        BatchCreateKeysRequest { parent: s(), ..batch(&["a"]) },
        BatchCreateKeysRequest { request_id: s(), ..batch(&["a"]) },
        BatchCreateKeysRequest { requests: vec![create(secret, "a", key())], ..batch(&[]) },
        batch(&[secret]),
    ] {
        seen.refused(root.admin.batch_create_keys(wrong).await);
    }
    let named = |name: String| BatchRevokeKeysRequest {
        parent: WORKSPACE.into(),
        names: vec![format!("{WORKSPACE}/keys/ci"), name],
        ..Default::default()
    };
    for wrong in [
        named(s()),
        named(format!("{WORKSPACE}/keys/{secret}")),
        BatchRevokeKeysRequest { request_id: s(), ..named(format!("{WORKSPACE}/keys/none")) },
        BatchRevokeKeysRequest { parent: s(), ..named(s()) },
    ] {
        seen.refused(root.admin.batch_revoke_keys(wrong).await);
    }
    let request = GetUsageRequest { name: secret.into(), ..Default::default() };
    seen.refused(root.admin.get_usage(request).await);
}

async fn ask(seen: &mut Seen, root: &mut Caller, secret: &str) {
    let s = || secret.to_owned();
    let right = || IntrospectRequest { secret: s(), ..Default::default() };
    let requests = vec![right(); 2];
    seen.ok(root.introspect.batch_introspect(BatchIntrospectRequest { requests }).await);
    let wrong = [
        IntrospectRequest { client_ip: s(), ..right() },
        IntrospectRequest { class: secret.repeat(3), ..right() },
        IntrospectRequest { required_scopes: vec![s()], ..right() },
    ];
    for wrong in &wrong[..2] {
        let requests = vec![right(), wrong.clone()];
        seen.refused(root.introspect.batch_introspect(BatchIntrospectRequest { requests }).await);
    }
    let asked = wrong.into_iter().chain([right()]);
    let items: Vec<_> =
        asked.map(|request| StreamIntrospectRequest { id: 1, request: Some(request) }).collect();
    let count = items.len();
    let items = tonic::codegen::tokio_stream::iter(items);
    let mut answers = root.introspect.stream_introspect(items).await.unwrap().into_inner();
    let mut told = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        seen.texts.push(format!("{answer:?} {answer:#?}"));
        seen.messages.push(as_text(&answer.encode_to_vec()));
        told += 1;
    }
    assert_eq!(told, count);
}

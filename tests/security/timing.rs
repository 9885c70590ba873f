//! A secret that is found out bit by bit, by what an answer takes or says.
//!
//! - OpenBao, CVE-2025-54999: users who were there were told from those who were not by the time.
//! - OpenFGA #3168: a key was compared in a time that hung on where it differed.
//!
//! A secret is never compared: it is looked up by a keyed digest, and what does not carry our tag
//! is not looked up (`garbage_flood`, `tests/flood.rs`; the tag itself is compared in constant time,
//! `src/domain/secret/keyring.rs`). What is left is what is answered. Here every byte of it, head
//! and trailers too, of each way to ask and of a caller's own credentials. The message alone, of
//! more kinds of questions: `tests/api/introspect/invalid_key.rs`.

use http::HeaderMap;
use keyward::proto::{self, IntrospectRequest, IntrospectView};
use prost::Message as _;
use tonic::transport::Channel;

use crate::{
    callers::{
        minted::{disable, forged, never_stored, operator, revoke, rotate, short_lived},
        raw::{Reply, Rpc, bearer, framed, rpcs, send},
    },
    support::{Caller, reader, strings},
    world::Store,
};

on_each_store!(
    whatever_is_no_key_is_answered_with_the_same_bytes_in_every_way,
    whoever_is_no_caller_is_answered_with_the_same_bytes_by_every_rpc,
);

const SERVICE: &str = "/keyward.v1.Introspect";

/// Every reply to questions about this secret: a call of each view, a batch and a stream.
async fn replies(channel: &Channel, caller: &str, secret: &str) -> Vec<Reply> {
    let mut replies = Vec::new();
    let question = |view: IntrospectView| IntrospectRequest {
        secret: secret.to_owned(),
        required_scopes: strings(&["sites:read"]),
        resource: "sites/1".to_owned(),
        client_ip: "192.0.2.1".to_owned(),
        view: view.into(),
        ..Default::default()
    };
    let mut ask = async |method: &str, message: Vec<u8>| {
        let path = format!("{SERVICE}/{method}");
        replies.push(send(channel, &path, bearer(caller), framed(&message)).await);
    };
    for view in [IntrospectView::Decision, IntrospectView::Full] {
        ask("Introspect", question(view).encode_to_vec()).await;
        let requests = vec![question(view); 3];
        let batch = proto::BatchIntrospectRequest { requests };
        ask("BatchIntrospect", batch.encode_to_vec()).await;
        let request = Some(question(view));
        let one = proto::StreamIntrospectRequest { id: 7, request };
        ask("StreamIntrospect", one.encode_to_vec()).await;
    }
    replies
}

/// With another last character than it has.
fn mistyped(secret: &str) -> String {
    let (rest, last) = secret.split_at(secret.len() - 1);
    format!("{rest}{}", if last == "x" { "y" } else { "x" })
}

async fn whatever_is_no_key_is_answered_with_the_same_bytes_in_every_way(store: Store) {
    let (server, mut root) = store.with_workspaces().await;
    let valid = root.create_key("acme", "ci", reader()).await.secret;
    let replaced = root.create_key("acme", "cd", reader()).await.secret;
    let hidden = root.create_key("other", "ci", reader()).await.secret;
    rotate(&mut root, "workspaces/acme/keys/cd").await;
    let bound = proto::Key { constraint: strings(&["workspaces/acme"]), ..operator() };
    let bound = root.create_key("system", "bound", bound).await.secret;
    let no_keys = [
        ("of one character", "x".to_owned()),
        ("mistyped", mistyped(&valid)),
        ("truncated", valid[..valid.len() - 1].to_owned()),
        ("forged", forged("acme_live")),
        ("never stored", never_stored(&server.keyring, "acme_live")),
        ("of a prefix that nobody has", never_stored(&server.keyring, "nobody")),
        ("replaced", replaced),
        ("of a hidden workspace", hidden.clone()),
        ("of a caller that is hidden", server.root_secret.clone()),
    ];
    let channel = server.channel().await;
    let expected = replies(&channel, &bound, "y").await;
    for (what, secret) in &no_keys {
        // The second time, it is in memory whether anybody has it.
        for time in ["first", "second"] {
            let replies = replies(&channel, &bound, secret).await;
            for (reply, expected) in replies.iter().zip(&expected) {
                assert_eq!(reply, expected, "{what}, the {time} time");
            }
        }
    }
    let known = replies(&channel, &bound, &valid).await;
    assert!(known.iter().zip(&expected).all(|(known, none)| known != none), "a key is told");
    let known = replies(&channel, &server.root_secret, &hidden).await;
    assert!(known.iter().zip(&expected).all(|(known, none)| known != none), "to who may know");
}

/// One secret for each reason why a secret lets nobody in.
async fn unusable(root: &mut Caller, keyring: &std::path::Path) -> Vec<(&'static str, String)> {
    let owner = root.create_principal("system", "ada", "").await.name;
    let owned = proto::Key { principal: owner.clone(), ..operator() };
    let elsewhere = proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..operator() };
    let mut secrets = Vec::new();
    for (workspace, id, key) in [
        ("system", "rotated", operator()),
        ("system", "revoked", operator()),
        ("system", "expired", short_lived(operator())),
        ("system", "disabled", owned),
        ("system", "revoked-elsewhere", elsewhere),
        ("acme", "ordinary", reader()),
    ] {
        secrets.push((id, root.create_key(workspace, id, key).await.secret));
    }
    rotate(root, "workspaces/system/keys/rotated").await;
    revoke(root, "workspaces/system/keys/revoked").await;
    revoke(root, "workspaces/system/keys/revoked-elsewhere").await;
    disable(root, &owner).await;
    let valid = root.create_key("system", "valid", operator()).await.secret;
    secrets.extend([
        ("truncated", valid[..valid.len() - 1].to_owned()),
        ("forged", forged("keyward")),
        ("never stored", never_stored(keyring, "keyward")),
    ]);
    secrets
}

async fn whoever_is_no_caller_is_answered_with_the_same_bytes_by_every_rpc(store: Store) {
    let (server, mut root) = store.with_workspaces().await;
    let unusable = unusable(&mut root, &server.keyring).await;
    let channel = server.channel().await;
    let good = proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key: Some(reader()),
        ..Default::default()
    };
    // No message, one that is none, and one that would be carried out.
    let bodies = [framed(&[]), b"none".to_vec(), framed(&good.encode_to_vec())];
    let head = root.head().await;
    let first: &Rpc = &rpcs()[0];
    let expected = send(&channel, &first.path(), bearer("y"), framed(&[])).await;
    assert_eq!(expected.reason(), "CREDENTIALS_INVALID");
    let missing = send(&channel, &first.path(), HeaderMap::new(), framed(&[])).await;
    assert_eq!(missing.reason(), "CREDENTIALS_MISSING");
    for rpc in rpcs() {
        for body in &bodies {
            for (what, secret) in &unusable {
                let reply = send(&channel, &rpc.path(), bearer(secret), body.clone()).await;
                assert_eq!(reply, expected, "{}: {what}", rpc.path());
            }
            let reply = send(&channel, &rpc.path(), HeaderMap::new(), body.clone()).await;
            assert_eq!(reply, missing, "{} without credentials", rpc.path());
        }
    }
    assert_eq!(root.head().await, head);
}

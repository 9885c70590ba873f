//! Authentication: it comes first, on every RPC, and says nothing of why it failed.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use keyward::proto;
use tonic::Code;

use super::{
    minted::{disable, forged, never_stored, operator, revoke, rotate, short_lived},
    raw::{Reply, bearer, call, framed, rpcs, send},
};
use crate::support::{Caller, Server, grants, policy, reader, strings};

#[track_caller]
fn check(reply: &Reply, code: Code, reason: &str, what: &str) {
    assert_eq!((reply.status().code(), reply.reason().as_str()), (code, reason), "{what}");
}

#[tokio::test]
async fn every_rpc_without_credentials_is_refused_alike() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let secret = &server.root_secret;
    let none = [
        vec![],
        vec![String::new()],
        vec!["Bearer".to_owned()],
        vec!["Bearer ".to_owned()],
        vec![secret.clone()],
        vec![format!("Basic {secret}")],
        vec![format!("Bearer{secret}")],
        vec![format!("Bearer {secret}ü")],
        vec![format!("Bearer {secret}"); 2],
        vec![format!("Bearer {secret}"), "Bearer x".to_owned()],
    ];
    let expected = send(&channel, &rpcs()[0].path(), HeaderMap::new(), framed(&[])).await;
    check(&expected, Code::Unauthenticated, "CREDENTIALS_MISSING", "the first");
    for rpc in rpcs() {
        for values in &none {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::try_from(value).unwrap());
            }
            let reply = send(&channel, &rpc.path(), headers, framed(&[])).await;
            assert_eq!(reply, expected, "{} with {} headers", rpc.path(), values.len());
        }
    }
}

/// One secret for each reason why a secret does not work.
async fn unusable(root: &mut Caller, keyring: &std::path::Path) -> Vec<(&'static str, String)> {
    root.create_policy("acme", policy()).await;
    root.create_workspace("acme", "policies/acme").await;
    let owner = root.create_principal("system", "ada", "").await.name;
    let owned = proto::Key { principal: owner.clone(), ..operator() };
    let ordinary = proto::Key { grants: grants(&["*"]), ..reader() };
    let elsewhere = proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..operator() };
    let mut secret = Vec::new();
    for (workspace, id, key) in [
        ("system", "rotated", operator()),
        ("system", "revoked", operator()),
        ("system", "expired", short_lived(operator())),
        ("system", "disabled", owned),
        ("acme", "ordinary", ordinary),
        ("acme", "elsewhere", proto::Key { grants: grants(&["*"]), ..elsewhere.clone() }),
        ("system", "revoked-elsewhere", elsewhere),
    ] {
        secret.push((id, root.create_key(workspace, id, key).await.secret));
    }
    rotate(root, "workspaces/system/keys/rotated").await;
    revoke(root, "workspaces/system/keys/revoked").await;
    revoke(root, "workspaces/system/keys/revoked-elsewhere").await;
    disable(root, &owner).await;
    let valid = root.create_key("system", "valid", operator()).await.secret;
    secret.extend([
        ("malformed", "x".to_owned()),
        ("mistyped", valid[..valid.len() - 1].to_owned()),
        ("longer", format!("{valid}0")),
        ("of another keyring", forged("keyward")),
        ("never stored", never_stored(keyring, "keyward")),
    ]);
    secret
}

#[tokio::test]
async fn every_rpc_with_credentials_that_do_not_work_is_refused_alike() {
    let directory = tempfile::tempdir().unwrap();
    let keyring = directory.path().join("keyring");
    let server = Server::start_with(|settings| settings.keyring.path = keyring.clone()).await;
    let mut root = server.root().await;
    let unusable = unusable(&mut root, &keyring).await;
    let head = root.head().await;
    let channel = server.channel().await;
    let expected = call(&channel, &rpcs()[0], "x", &[]).await;
    check(&expected, Code::Unauthenticated, "CREDENTIALS_INVALID", "the first");
    for rpc in rpcs() {
        for (what, secret) in &unusable {
            let reply = call(&channel, &rpc, secret, &[]).await;
            assert_eq!(reply, expected, "{} with a secret that is {what}", rpc.path());
        }
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn every_rpc_is_refused_from_an_address_that_the_callers_key_does_not_allow() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let channel = server.channel().await;
    for cidrs in [["192.0.2.0/24"], ["::/0"], ["127.0.0.2"]] {
        let key = proto::Key { allowed_cidrs: strings(&cidrs), ..operator() };
        let secret = root.create_key("system", "", key).await.secret;
        for rpc in rpcs() {
            let reply = call(&channel, &rpc, &secret, &[]).await;
            let what = format!("{} from {cidrs:?}", rpc.path());
            check(&reply, Code::PermissionDenied, "CALLER_ADDRESS_NOT_ALLOWED", &what);
        }
    }
}

#[tokio::test]
async fn an_address_that_the_callers_key_allows_is_let_through() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for cidrs in [["127.0.0.0/8"], ["127.0.0.1"], ["0.0.0.0/0"], ["*"]] {
        let key = proto::Key { allowed_cidrs: strings(&cidrs), ..operator() };
        let secret = root.create_key("system", "", key).await.secret;
        let mut caller = server.caller_with(Some(&secret)).await;
        caller.admin.list_policies(proto::ListPoliciesRequest::default()).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_of_the_message_is_read_before_the_caller_is_known() {
    let server = Server::start_with(|settings| settings.server.max_message_bytes = 1_000).await;
    let channel = server.channel().await;
    let bodies = [
        vec![],
        b"garbage".to_vec(),
        framed(b"\xff\xff"),
        framed(&[0; 2_000]),
        vec![1, 0, 0, 0, 0],
    ];
    for rpc in rpcs() {
        for (headers, reason) in [
            (HeaderMap::new(), "CREDENTIALS_MISSING"),
            (bearer(&forged("keyward")), "CREDENTIALS_INVALID"),
        ] {
            let expected = send(&channel, &rpc.path(), headers.clone(), framed(&[])).await;
            check(&expected, Code::Unauthenticated, reason, &rpc.path());
            for body in &bodies {
                let reply = send(&channel, &rpc.path(), headers.clone(), body.clone()).await;
                assert_eq!(reply, expected, "{} with {} bytes", rpc.path(), body.len());
            }
        }
    }
}

#[tokio::test]
async fn the_scheme_is_read_without_regard_to_case_and_the_secret_with() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let path = "/keyward.v1.KeyAdmin/ListPolicies";
    let secret = &server.root_secret;
    for (value, reason) in [
        (format!("bearer {secret}"), ""),
        (format!("BEARER   {secret}"), ""),
        (format!("Bearer {}", secret.to_uppercase()), "CREDENTIALS_INVALID"),
    ] {
        let header = HeaderValue::try_from(&value).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, header)]);
        assert_eq!(send(&channel, path, headers, framed(&[])).await.reason(), reason);
    }
}

#[tokio::test]
async fn a_caller_is_refused_from_the_next_call_on_when_its_key_ends() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let owner = root.create_principal("system", "ada", "").await.name;
    let owned = proto::Key { principal: owner.clone(), ..operator() };
    let mut secret = Vec::new();
    for (id, key) in [("rotated", operator()), ("revoked", operator()), ("disabled", owned)] {
        secret.push(root.create_key("system", id, key).await.secret);
    }
    let channel = server.channel().await;
    let list = rpcs().into_iter().find(|rpc| rpc.method == "ListPolicies").unwrap();
    for secret in &secret {
        assert_eq!(call(&channel, &list, secret, &[]).await.reason(), "");
    }
    let fresh = rotate(&mut root, "workspaces/system/keys/rotated").await;
    revoke(&mut root, "workspaces/system/keys/revoked").await;
    disable(&mut root, &owner).await;
    for secret in &secret {
        assert_eq!(call(&channel, &list, secret, &[]).await.reason(), "CREDENTIALS_INVALID");
    }
    assert_eq!(call(&channel, &list, &fresh, &[]).await.reason(), "");
}

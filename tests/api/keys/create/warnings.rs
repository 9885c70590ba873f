//! What is legal but risky in a key that is made.

use keyward::proto::{self, WarningCode};

use crate::{
    keys::{creation, told, ttl},
    support::{Caller, Server, grants, policy, reader, strings},
};

/// A key of which nothing is to be said.
fn calm() -> proto::Key {
    proto::Key { expiration: ttl(3_600), ..reader() }
}

/// Sees to it that making a key warns of just this, also on validation alone.
async fn check(root: &mut Caller, key: proto::Key, expected: &[(WarningCode, &str)]) {
    for validate_only in [true, false] {
        let request = proto::CreateKeyRequest { validate_only, ..creation(key.clone()) };
        let answer = root.admin.create_key(request).await.unwrap().into_inner();
        assert_eq!(told(&answer.warnings), expected, "{key:?}");
        assert!(answer.warnings.iter().all(|warning| !warning.description.is_empty()));
    }
}

#[tokio::test]
async fn a_bounded_key_warns_of_nothing() {
    let (_server, mut root) = Server::with_workspaces().await;
    let allowed_cidrs = strings(&["192.0.2.0/24", "2001:db8::/32"]);
    check(&mut root, proto::Key { allowed_cidrs, ..calm() }, &[]).await;
}

#[tokio::test]
async fn each_risk_is_told_with_its_field() {
    let (_server, mut root) = Server::with_workspaces().await;
    check(&mut root, reader(), &[(WarningCode::NoExpiry, "key.expire_time")]).await;
    let open = |networks: &[&str]| proto::Key { allowed_cidrs: strings(networks), ..calm() };
    let wildcard = (WarningCode::WildcardCidr, "key.allowed_cidrs");
    check(&mut root, open(&["192.0.2.0/24", "0.0.0.0/0"]), &[wildcard]).await;
    check(&mut root, open(&["::/0"]), &[wildcard]).await;
    check(&mut root, open(&["*"]), &[wildcard, wildcard]).await;
    let granted = |scopes: &[&str]| proto::Key { grants: grants(scopes), ..calm() };
    let isolated = (WarningCode::IsolatedScope, "key.grants[1].scope");
    check(&mut root, granted(&["sites:read", "exec:raw"]), &[isolated]).await;
    let admin = (WarningCode::AdminLikeScope, "key.grants[0].scope");
    check(&mut root, granted(&["*"]), &[admin]).await;
    check(&mut root, granted(&["sites:admin"]), &[]).await;
}

#[tokio::test]
async fn a_scope_that_leads_to_an_isolated_one_is_told_of_like_it() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let mut policy = policy();
    policy.scopes.push(proto::Scope {
        name: "boss".to_owned(),
        implies: strings(&["exec:raw"]),
        ..Default::default()
    });
    root.create_policy("acme", policy).await;
    root.create_workspace("acme", "policies/acme").await;
    let boss = proto::Key { grants: grants(&["sites:read", "boss"]), ..calm() };
    check(&mut root, boss, &[(WarningCode::IsolatedScope, "key.grants[1].scope")]).await;
}

#[tokio::test]
async fn all_risks_are_told_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let key = proto::Key {
        grants: grants(&["*", "exec:raw"]),
        allowed_cidrs: strings(&["::/0"]),
        ..reader()
    };
    let expected = [
        (WarningCode::WildcardCidr, "key.allowed_cidrs"),
        (WarningCode::NoExpiry, "key.expire_time"),
        (WarningCode::AdminLikeScope, "key.grants[0].scope"),
        (WarningCode::IsolatedScope, "key.grants[1].scope"),
    ];
    check(&mut root, key, &expected).await;
}

//! Keys made on behalf of others, and the roles and confinements of their owners.

use keyward::proto;

use super::{broader, holder, minted, on_behalf, principal};
use crate::support::{Caller, Server, strings};

fn of(owner: &str, key: proto::Key) -> proto::Key {
    proto::Key { principal: owner.to_owned(), ..key }
}

async fn raise(root: &mut Caller, owner: &str, role: &str) {
    let raised = proto::Principal { name: owner.into(), role: role.into(), ..Default::default() };
    let request = proto::UpdatePrincipalRequest { principal: Some(raised), ..Default::default() };
    root.admin.update_principal(request).await.unwrap();
}

async fn confine(root: &mut Caller, owner: &str, confined_to: &[&str]) {
    let name = owner.to_owned();
    let confined_to = strings(confined_to);
    let confined = proto::Principal { name, confined_to, ..Default::default() };
    let request = proto::UpdatePrincipalRequest {
        principal: Some(confined),
        update_mask: Some(prost_types::FieldMask { paths: strings(&["confined_to"]) }),
        ..Default::default()
    };
    root.admin.update_principal(request).await.unwrap();
}

/// What the holder of a secret may do on a resource.
async fn may(root: &mut Caller, secret: &str, resource: &str) -> Vec<String> {
    root.ask(secret, &[], resource).await.effective_scopes
}

#[tokio::test]
async fn of_one_owner_the_keys_are_compared_as_they_are_written() {
    let (_server, mut root) = Server::with_workspaces().await;
    let eve = principal(&mut root, "eve", "observer", &["sites/1"]).await;
    let minter = of(&eve, holder(&["sites:write"]));
    let minter = root.create_key("acme", "minter", minter).await.secret;
    let made = minted(&mut root, "minter", of(&eve, holder(&["sites:write"]))).await.secret;
    let outcome = root.admin.create_key(on_behalf("minter", of(&eve, holder(&["*"])))).await;
    broader(outcome, "grants", "more is written");
    let both = [minter, made];
    for (role, expected) in
        [("observer", &["sites:read"][..]), ("owner", &["sites:read", "sites:write"])]
    {
        raise(&mut root, &eve, role).await;
        for secret in &both {
            assert_eq!(may(&mut root, secret, "sites/1").await, expected, "{role}");
            assert_eq!(may(&mut root, secret, "sites/2").await, strings(&[]), "{role}");
        }
    }
    confine(&mut root, &eve, &["sites/2"]).await;
    for secret in &both {
        assert_eq!(may(&mut root, secret, "sites/1").await, strings(&[]));
        assert_eq!(may(&mut root, secret, "sites/2").await, ["sites:read", "sites:write"]);
    }
}

#[tokio::test]
async fn what_the_role_of_the_minting_key_forbids_goes_to_no_other_owner_and_to_none() {
    let (_server, mut root) = Server::with_workspaces().await;
    let eve = principal(&mut root, "eve", "observer", &[]).await;
    let ada = principal(&mut root, "ada", "owner", &[]).await;
    let eves = of(&eve, holder(&["sites:write"]));
    root.create_key("acme", "minter", eves).await;
    for owner in [&*ada, ""] {
        let writer = of(owner, holder(&["sites:write"]));
        broader(root.admin.create_key(on_behalf("minter", writer)).await, "grants", owner);
        let reader = of(owner, holder(&["sites:read"]));
        let made = minted(&mut root, "minter", reader).await;
        assert_eq!(may(&mut root, &made.secret, "").await, ["sites:read"]);
    }
}

#[tokio::test]
async fn a_role_that_is_raised_later_never_lets_the_new_key_exceed_the_minting_one() {
    let (_server, mut root) = Server::with_workspaces().await;
    let eve = principal(&mut root, "eve", "observer", &[]).await;
    let reads = root.create_key("acme", "reads", holder(&["sites:read"])).await.secret;
    for scopes in [&["sites:write"][..], &["*"], &["sites:read", "jobs:read"]] {
        // Of these eve's role would leave what the minting key has, or a little more.
        let outcome = root.admin.create_key(on_behalf("reads", of(&eve, holder(scopes)))).await;
        broader(outcome, "grants", scopes[0]);
    }
    let made = minted(&mut root, "reads", of(&eve, holder(&["sites:read"]))).await.secret;
    let writes = root.create_key("acme", "writes", holder(&["sites:write"])).await.secret;
    let writer = minted(&mut root, "writes", of(&eve, holder(&["sites:write"]))).await.secret;
    assert_eq!(may(&mut root, &writer, "").await, ["sites:read"]);
    raise(&mut root, &eve, "owner").await;
    for (minter, made) in [(reads, made), (writes, writer)] {
        let most = may(&mut root, &minter, "").await;
        let has = may(&mut root, &made, "").await;
        assert!(has.iter().all(|scope| most.contains(scope)), "{has:?} of {most:?}");
        assert!(!has.is_empty());
    }
}

#[tokio::test]
async fn the_confinement_of_the_minting_keys_owner_needs_a_constraint_within_it() {
    let (_server, mut root) = Server::with_workspaces().await;
    let eve = principal(&mut root, "eve", "owner", &["sites/1"]).await;
    let ada = principal(&mut root, "ada", "owner", &["sites/1"]).await;
    root.create_key("acme", "minter", of(&eve, holder(&["sites:read"]))).await;
    let bounded = |owner: &str, constraint: &[&str]| {
        let constraint = strings(constraint);
        of(owner, proto::Key { constraint, ..holder(&["sites:read"]) })
    };
    // Ada is confined alike, but may not always be.
    for owner in ["", &*ada] {
        for outside in [&[][..], &["*"], &["sites/2"], &["sites"], &["sites/1", "jobs"]] {
            let request = on_behalf("minter", bounded(owner, outside));
            broader(root.admin.create_key(request).await, "constraint", owner);
        }
        let made = minted(&mut root, "minter", bounded(owner, &["sites/1/pages"])).await.secret;
        assert_eq!(may(&mut root, &made, "sites/1/pages/7").await, ["sites:read"]);
        assert_eq!(may(&mut root, &made, "sites/2").await, strings(&[]));
    }
    minted(&mut root, "minter", bounded(&eve, &[])).await;
}

#[tokio::test]
async fn an_owner_without_a_role_gives_nothing_where_there_are_roles() {
    let (_server, mut root) = Server::with_workspaces().await;
    let eve = principal(&mut root, "eve", "observer", &[]).await;
    root.create_key("acme", "minter", of(&eve, holder(&["sites:read"]))).await;
    let mut lost = proto::Policy { name: "policies/acme".into(), ..crate::support::policy() };
    lost.roles.pop();
    let update = proto::UpdatePolicyRequest {
        policy: Some(lost),
        update_mask: Some(prost_types::FieldMask { paths: strings(&["roles"]) }),
        force: true,
        ..Default::default()
    };
    root.admin.update_policy(update).await.unwrap();
    let outcome = root.admin.create_key(on_behalf("minter", holder(&["sites:read"]))).await;
    broader(outcome, "grants", "the role is gone");
}

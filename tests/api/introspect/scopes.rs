//! What a key may do: the scopes granted, what they imply, and the ceiling of the role.

use keyward::proto::{self, DenyReason};

use super::grant;
use crate::support::{Caller, Server, grants, reader};

const EVERY: [&str; 5] = ["*", "jobs:read", "sites:admin", "sites:read", "sites:write"];

async fn key(root: &mut Caller, principal: &str, scopes: &[&str]) -> String {
    let principal = match principal {
        "" => String::new(),
        id => format!("workspaces/acme/principals/{id}"),
    };
    let key = proto::Key { principal, grants: grants(scopes), ..reader() };
    root.create_key("acme", "", key).await.secret
}

#[tokio::test]
async fn a_scope_brings_all_that_it_implies_and_nothing_else() {
    let (_server, mut root) = Server::with_workspaces().await;
    for (granted, effective) in [
        (&["sites:read"][..], &["sites:read"][..]),
        (&["sites:write"], &["sites:read", "sites:write"]),
        (&["sites:admin"], &["sites:admin", "sites:read", "sites:write"]),
        (&["jobs:read", "sites:read"], &["jobs:read", "sites:read"]),
        (&["*"], &EVERY),
        (&["exec:raw"], &["exec:raw"]),
        (
            &["*", "exec:raw"],
            &["*", "exec:raw", "jobs:read", "sites:admin", "sites:read", "sites:write"],
        ),
    ] {
        let secret = key(&mut root, "", granted).await;
        let answer = root.ask(&secret, &[], "").await;
        assert_eq!(answer.effective_scopes, effective, "{granted:?}");
        assert_eq!(answer.grants, grants(granted));
        assert_eq!(root.ask(&secret, effective, "").await.reason(), DenyReason::Unspecified);
    }
}

#[tokio::test]
async fn every_missing_scope_is_named_in_the_order_of_the_question() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = key(&mut root, "", &["sites:write"]).await;
    for (required, missing) in [
        (&["sites:admin"][..], &["sites:admin"][..]),
        (&["sites:read", "jobs:read"], &["jobs:read"]),
        (&["sites:admin", "sites:write", "jobs:read"], &["sites:admin", "jobs:read"]),
        (&["jobs:read", "exec:raw"], &["jobs:read", "exec:raw"]),
        (&["*"], &["*"]),
    ] {
        let answer = root.ask(&secret, required, "").await;
        assert_eq!(answer.reason(), DenyReason::InsufficientScope, "{required:?}");
        assert!(answer.active);
        assert_eq!(answer.missing_scopes, missing);
        assert_eq!(answer.effective_scopes, ["sites:read", "sites:write"]);
        let header = &answer.http.unwrap().headers[0];
        let scopes = missing.join(" ");
        assert_eq!(header.value, format!(r#"Bearer error="insufficient_scope", scope="{scopes}""#));
    }
    for required in [&[][..], &["sites:read"], &["sites:write", "sites:read", "sites:read"]] {
        let answer = root.ask(&secret, required, "").await;
        assert_eq!(answer.reason(), DenyReason::Unspecified, "{required:?}");
        assert_eq!(answer.missing_scopes, [""; 0]);
    }
}

#[tokio::test]
async fn no_glob_reaches_an_isolated_scope() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = key(&mut root, "", &["*"]).await;
    let answer = root.ask(&secret, &["exec:raw"], "").await;
    assert_eq!(answer.reason(), DenyReason::InsufficientScope);
    assert_eq!(answer.missing_scopes, ["exec:raw"]);
}

#[tokio::test]
async fn the_role_is_a_ceiling_over_what_the_key_was_granted() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    root.create_principal("acme", "bob", "observer").await;
    for (principal, granted, effective) in [
        ("ada", &["*"][..], &EVERY[..]),
        ("ada", &["exec:raw"], &["exec:raw"]),
        ("bob", &["*"], &["jobs:read", "sites:read"]),
        ("bob", &["sites:admin"], &["sites:read"]),
        ("bob", &["exec:raw"], &[]),
    ] {
        let secret = key(&mut root, principal, granted).await;
        let answer = root.ask(&secret, &[], "").await;
        assert_eq!(answer.effective_scopes, effective, "{principal} with {granted:?}");
        assert_eq!(answer.grants, grants(granted), "what was granted is shown as it was");
        let denied = root.ask(&secret, &["sites:write"], "").await;
        let may = effective.contains(&"sites:write");
        assert_eq!(denied.decision() == proto::Decision::Allow, may, "{principal} {granted:?}");
    }
}

#[tokio::test]
async fn a_role_that_is_lowered_lowers_every_key_from_the_next_call_on() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    let secrets =
        [key(&mut root, "ada", &["*"]).await, key(&mut root, "ada", &["sites:admin"]).await];
    for secret in &secrets {
        assert!(root.ask(secret, &["sites:write"], "").await.missing_scopes.is_empty());
    }
    let lowered = proto::Principal {
        name: "workspaces/acme/principals/ada".to_owned(),
        role: "observer".to_owned(),
        ..Default::default()
    };
    let request = proto::UpdatePrincipalRequest { principal: Some(lowered), ..Default::default() };
    let made = root.admin.update_principal(request).await.unwrap().into_inner().principal.unwrap();
    for secret in &secrets {
        let answer = root.ask(secret, &["sites:write"], "").await;
        assert_eq!(answer.missing_scopes, ["sites:write"]);
        assert_eq!(answer.revision, made.revision, "the answer rests on the change");
    }
}

#[tokio::test]
async fn grants_on_some_resources_add_to_those_on_all() {
    let (_server, mut root) = Server::with_workspaces().await;
    let key = proto::Key {
        grants: vec![
            grant("jobs:read", ""),
            grant("sites:read", "sites/*"),
            grant("sites:write", "sites/a"),
            grant("sites:admin", "sites/b/**"),
        ],
        ..reader()
    };
    let secret = root.create_key("acme", "", key).await.secret;
    for (resource, effective) in [
        ("", &["jobs:read"][..]),
        ("sites", &["jobs:read"]),
        ("sites/a", &["jobs:read", "sites:read", "sites:write"]),
        ("sites/b", &["jobs:read", "sites:admin", "sites:read", "sites:write"]),
        ("sites/b/c/d", &["jobs:read", "sites:admin", "sites:read", "sites:write"]),
        ("sites/c", &["jobs:read", "sites:read"]),
        ("sites/a/c", &["jobs:read"]),
        ("sites/bb", &["jobs:read", "sites:read"]),
        ("sites2/a", &["jobs:read"]),
        ("Sites/a", &["jobs:read"]),
        ("/sites/a", &["jobs:read"]),
    ] {
        let answer = root.ask(&secret, &[], resource).await;
        assert_eq!(answer.effective_scopes, effective, "{resource:?}");
        let writes = root.ask(&secret, &["sites:write"], resource).await;
        let may = effective.contains(&"sites:write");
        let expected = if may { DenyReason::Unspecified } else { DenyReason::InsufficientScope };
        assert_eq!(writes.reason(), expected, "{resource:?}");
    }
}

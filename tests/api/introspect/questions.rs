//! Questions that make no sense: the backend's mistake, not an answer about a key.

use keyward::proto::{self, DenyReason, IntrospectRequest};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{answer, question};
use crate::{
    callers::minted::revoke,
    support::{Server, policy, reader, refused, strings, wrong_fields},
};

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    for secret in [secret.as_str(), "x", ""] {
        let bad = IntrospectRequest {
            client_ip: "localhost".to_owned(),
            required_scopes: vec!["sites:read".to_owned(); 101],
            class: "c".repeat(101),
            cost: -1,
            ..question(secret, &[])
        };
        let wrong = wrong_fields(root.introspect.introspect(bad).await);
        assert_eq!(wrong, ["client_ip", "required_scopes", "class", "cost"]);
    }
}

#[tokio::test]
async fn what_is_just_within_the_bounds_is_answered() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let most = IntrospectRequest {
        required_scopes: vec!["sites:read".to_owned(); 100],
        class: "c".repeat(100),
        cost: i64::MAX,
        ..question(&secret, &[])
    };
    assert!(answer(&mut root, most).await.active);
    let least = IntrospectRequest { cost: 0, ..question(&secret, &[]) };
    assert!(answer(&mut root, least).await.active);
}

#[tokio::test]
async fn an_unknown_scope_is_refused_with_the_nearest_one() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    for (scope, nearest) in [
        ("site:read", "sites:read"),
        ("sites:reed", "sites:read"),
        ("Sites:read", "sites:read"),
        ("sites:read ", "sites:read"),
        ("sites:*", ""),
        ("something else entirely", ""),
        ("", ""),
    ] {
        for required in [vec![scope], vec!["sites:read", scope], vec![scope, "exec:raw"]] {
            let question = question(&secret, &required);
            let status = root.introspect.introspect(question).await;
            let status = refused(status, Code::InvalidArgument, "UNKNOWN_SCOPE");
            let metadata = status.get_details_error_info().unwrap().metadata;
            assert_eq!(metadata.get("scope").map(String::as_str), Some(scope));
            if !nearest.is_empty() {
                assert_eq!(metadata.get("nearest").map(String::as_str), Some(nearest), "{scope:?}");
                assert!(status.message().contains(nearest), "{}", status.message());
            }
        }
    }
}

#[tokio::test]
async fn a_long_unknown_scope_is_not_given_back_whole() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let long = "ü".repeat(10_000);
    let status = root.introspect.introspect(question(&secret, &[&long])).await;
    let status = refused(status, Code::InvalidArgument, "UNKNOWN_SCOPE");
    assert!(status.message().len() < 1_000);
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata.get("scope").map(|scope| scope.chars().count()), Some(100));
}

#[tokio::test]
async fn a_malformed_resource_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "", reader()).await.secret;
    let (long, deep) = ("r".repeat(1_025), "r/".repeat(32) + "r");
    for resource in
        ["a//b", "a/", "*", "a/*", "a/**", "a/*/b", "a\n", "a\0b", long.as_str(), deep.as_str()]
    {
        let question =
            IntrospectRequest { resource: resource.to_owned(), ..question(&secret, &[]) };
        let wrong = wrong_fields(root.introspect.introspect(question).await);
        assert_eq!(wrong, ["resource"], "{resource:?}");
    }
    for resource in ["a", "/a", "/", "a*b", "..", "a b", &long[1..], &deep[2..]] {
        let answer = root.ask(&secret, &["sites:read"], resource).await;
        assert_eq!(answer.reason(), DenyReason::Unspecified, "{resource:?}");
    }
}

#[tokio::test]
async fn a_resource_is_read_by_the_grammar_of_the_keys_policy() {
    let (_server, mut root) = Server::with_workspaces().await;
    let grammar = proto::ResourceGrammar {
        separator: ":".to_owned(),
        wildcard: "#".to_owned(),
        types: vec![],
    };
    root.create_policy("colons", proto::Policy { resources: Some(grammar), ..policy() }).await;
    root.create_workspace("colons", "policies/colons").await;
    let key = proto::Key { constraint: strings(&["PLACE:#:a"]), ..reader() };
    let secret = root.create_key("colons", "", key).await.secret;
    for (resource, reason) in [
        ("PLACE:x:a", DenyReason::Unspecified),
        ("PLACE:x:a:b", DenyReason::OutsideConstraint),
        ("PLACE:x:b", DenyReason::OutsideConstraint),
        ("PLACE//a", DenyReason::OutsideConstraint),
    ] {
        let answer = root.ask(&secret, &["sites:read"], resource).await;
        assert_eq!(answer.reason(), reason, "{resource}");
    }
    let question = IntrospectRequest { resource: "PLACE:#:a".into(), ..question(&secret, &[]) };
    assert_eq!(wrong_fields(root.introspect.introspect(question).await), ["resource"]);
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_for_an_ended_key_too() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    revoke(&mut root, "workspaces/acme/keys/ci").await;
    let unknown = root.introspect.introspect(question(&secret, &["site:read"])).await;
    refused(unknown, Code::InvalidArgument, "UNKNOWN_SCOPE");
    let malformed = IntrospectRequest { resource: "a//b".to_owned(), ..question(&secret, &[]) };
    assert_eq!(wrong_fields(root.introspect.introspect(malformed).await), ["resource"]);
}

//! What is no key: all of it is answered alike, to the byte.

use keyward::proto::{self, DenyReason, IntrospectRequest, IntrospectView};
use prost::Message as _;

use super::{answer, question};
use crate::{
    callers::minted::{forged, never_stored, operator, rotate},
    support::{Caller, Server, policy, reader},
};

/// The answer, as it is sent.
async fn encoded(caller: &mut Caller, question: IntrospectRequest) -> Vec<u8> {
    answer(caller, question).await.encode_to_vec()
}

#[tokio::test]
async fn whatever_is_no_key_is_answered_alike_to_the_byte() {
    let directory = tempfile::tempdir().unwrap();
    let keyring = directory.path().join("keyring");
    let server = Server::start_with(|settings| settings.keyring.path = keyring.clone()).await;
    let mut root = server.root().await;
    root.create_policy("acme", policy()).await;
    root.create_workspace("acme", "policies/acme").await;
    root.create_workspace("other", "policies/acme").await;
    let valid = root.create_key("acme", "ci", reader()).await.secret;
    let replaced = root.create_key("acme", "cd", reader()).await.secret;
    rotate(&mut root, "workspaces/acme/keys/cd").await;
    let hidden = root.create_key("other", "ci", reader()).await.secret;
    let no_keys = [
        ("malformed", "x".to_owned()),
        ("a header", format!("Bearer {valid}")),
        ("with a space", format!("{valid} ")),
        ("longer than any", "a".repeat(100_000)),
        ("no ASCII", "acme_live_ü".to_owned()),
        ("mistyped", valid.to_lowercase()),
        ("forged", forged("acme_live")),
        ("never stored", never_stored(&keyring, "acme_live")),
        ("of a prefix that nobody has", never_stored(&keyring, "nobody")),
        ("replaced", replaced),
        ("of a hidden workspace", hidden.clone()),
        ("of a caller that is hidden", server.root_secret.clone()),
    ];
    let mut bound = server.caller(&["introspect"], &["workspaces/acme"]).await;
    for view in [IntrospectView::Full, IntrospectView::Decision] {
        for required in [&[][..], &["sites:read"], &["no such scope"]] {
            let ask = |secret: &str| IntrospectRequest {
                view: view.into(),
                resource: "a//b".to_owned(),
                client_ip: "192.0.2.1".to_owned(),
                ..question(secret, required)
            };
            let expected = encoded(&mut bound, ask("x")).await;
            for (what, secret) in &no_keys {
                assert_eq!(encoded(&mut bound, ask(secret)).await, expected, "{what}");
            }
        }
    }
    assert!(answer(&mut bound, question(&valid, &[])).await.active);
    assert!(answer(&mut root, question(&hidden, &[])).await.active);
}

#[tokio::test]
async fn what_is_no_key_has_an_answer_without_any_detail() {
    let (_server, mut root) = Server::with_workspaces().await;
    let answer = root.ask("x", &["sites:read"], "").await;
    let challenge = proto::HttpHeader {
        name: "WWW-Authenticate".to_owned(),
        value: r#"Bearer error="invalid_token""#.to_owned(),
    };
    let expected = proto::IntrospectResponse {
        decision: proto::Decision::Deny.into(),
        reason: DenyReason::InvalidKey.into(),
        http: Some(proto::HttpAdvice { status: 401, headers: vec![challenge] }),
        max_age: Some(prost_types::Duration::default()),
        ..Default::default()
    };
    assert_eq!(answer, expected);

    // To a client that sent none, no error is named (RFC 6750, section 3.1).
    let challenge =
        proto::HttpHeader { name: "WWW-Authenticate".to_owned(), value: "Bearer".to_owned() };
    let http = Some(proto::HttpAdvice { status: 401, headers: vec![challenge] });
    let absent = root.ask("", &["sites:read"], "").await;
    assert_eq!(absent, proto::IntrospectResponse { http, ..expected });
}

/// Every character in turn is left out, doubled, and replaced by each of some others.
fn edits(secret: &str) -> Vec<String> {
    let mut edits = Vec::new();
    for at in 0..secret.len() {
        let (before, rest) = secret.split_at(at);
        let (own, after) = rest.split_at(1);
        edits.push(format!("{before}{after}"));
        edits.push(format!("{before}{own}{own}{after}"));
        let case = if own == own.to_lowercase() { own.to_uppercase() } else { own.to_lowercase() };
        for other in ["0", "1", "A", "z", "_", "-", " ", "ü", "\0", case.as_str()] {
            if other != own {
                edits.push(format!("{before}{other}{after}"));
            }
        }
    }
    edits
}

#[tokio::test]
async fn every_edit_of_one_character_makes_it_no_key() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let expected = encoded(&mut root, question("x", &[])).await;
    let edits = edits(&secret);
    assert!(edits.len() > 10 * secret.len());
    for edit in edits {
        assert_ne!(edit, secret);
        assert_eq!(encoded(&mut root, question(&edit, &[])).await, expected, "{edit:?}");
    }
    assert!(root.ask(&secret, &["sites:read"], "").await.active);
}

#[tokio::test]
async fn every_part_of_a_secret_and_every_addition_makes_it_no_key() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let expected = encoded(&mut root, question("x", &[])).await;
    let mut others = vec![format!("{secret}{secret}"), format!("\u{feff}{secret}")];
    for at in 1..secret.len() {
        others.extend([secret[..at].to_owned(), secret[at..].to_owned()]);
    }
    for added in ["0", "a", "=", "\n", " ", "\0", "%20", "ü"] {
        others.extend([format!("{secret}{added}"), format!("{added}{secret}")]);
    }
    for other in others {
        assert_eq!(encoded(&mut root, question(&other, &[])).await, expected, "{other:?}");
    }
}

#[tokio::test]
async fn the_end_of_one_secret_fits_no_other() {
    let (_server, mut root) = Server::with_workspaces().await;
    let one = root.create_key("acme", "", reader()).await.secret;
    let two = root.create_key("acme", "", reader()).await.secret;
    assert_eq!(one.len(), two.len());
    for at in 1..one.len() {
        let mixed = format!("{}{}", &one[..at], &two[at..]);
        let reason = root.ask(&mixed, &[], "").await.reason();
        // What both have in common is no mixture.
        let whole = mixed == one || mixed == two;
        let expected = if whole { DenyReason::Unspecified } else { DenyReason::InvalidKey };
        assert_eq!(reason, expected, "{at}");
    }
}

#[tokio::test]
async fn a_secret_of_a_caller_is_a_key_of_the_workspace_system() {
    let (server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("system", "ops", operator()).await.secret;
    let found = root.ask(&secret, &["keys:write"], "").await;
    assert!(found.active);
    assert_eq!(
        (found.workspace.as_str(), found.key.as_str()),
        ("workspaces/system", "workspaces/system/keys/ops")
    );
    let known = root.ask(&server.root_secret, &["keys:write"], "").await;
    assert_eq!(known.workspace, "workspaces/system");
    let unbound = server.caller(&["introspect"], &["workspaces/system"]).await.introspect;
    let mut caller = Caller { introspect: unbound, ..root };
    assert!(answer(&mut caller, question(&secret, &[])).await.active);
}

//! `ListKeys`.

mod pages;

use keyward::proto::{self, Key, KeyState, ListKeysRequest};

use super::{in_seconds, instant, ttl};
use crate::support::{Caller, Server, grants, not_found, reader, scope_missing, wrong_fields};

fn request() -> ListKeysRequest {
    ListKeysRequest { parent: "workspaces/acme".to_owned(), ..ListKeysRequest::default() }
}

/// The identifiers of the keys that a query lists, on one page.
async fn ids(caller: &mut Caller, query: ListKeysRequest) -> Vec<String> {
    let query = ListKeysRequest { page_size: 1_000, ..query };
    let page = caller.admin.list_keys(query).await.unwrap().into_inner();
    assert_eq!(page.next_page_token, "");
    page.keys.iter().map(id).collect()
}

fn id(key: &Key) -> String {
    key.name.strip_prefix("workspaces/acme/keys/").unwrap().to_owned()
}

async fn make(root: &mut Caller, id: &str, title: &str) {
    root.create_key("acme", id, Key { display_name: title.to_owned(), ..reader() }).await;
}

async fn revoke(root: &mut Caller, id: &str) {
    let name = format!("workspaces/acme/keys/{id}");
    let request = proto::RevokeKeyRequest { name, ..Default::default() };
    root.admin.revoke_key(request).await.unwrap();
}

#[tokio::test]
async fn the_keys_of_a_workspace_are_listed_as_they_are_read() {
    let (_server, mut root) = Server::with_workspaces().await;
    assert!(ids(&mut root, request()).await.is_empty());
    let first = root.create_key("acme", "b", reader()).await.key.unwrap();
    let second = root.create_key("acme", "a", reader()).await.key.unwrap();
    root.create_key("other", "c", reader()).await;
    let head = root.head().await;
    for _ in 0..2 {
        let page = root.admin.list_keys(request()).await.unwrap().into_inner();
        assert_eq!(page.keys, [first.clone(), second.clone()]);
        assert_eq!(page.next_page_token, "");
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn active_keys_alone_are_listed_unless_other_states_are_asked_for() {
    let (_server, mut root) = Server::with_workspaces().await;
    make(&mut root, "active", "x").await;
    root.create_key("acme", "brief", Key { expiration: instant(), ..reader() }).await;
    make(&mut root, "ended", "x").await;
    revoke(&mut root, "ended").await;
    root.create_key("acme", "both", Key { expiration: instant(), ..reader() }).await;
    revoke(&mut root, "both").await;
    use KeyState::{Active, Expired, Revoked};
    for (states, expected) in [
        (&[][..], &["active"][..]),
        (&[Active], &["active"]),
        (&[Expired], &["brief"]),
        (&[Revoked], &["ended", "both"]),
        (&[Revoked, Expired], &["brief", "ended", "both"]),
        (&[Active, Expired, Revoked], &["active", "brief", "ended", "both"]),
        (&[Active, Active], &["active"]),
    ] {
        let states = states.iter().map(|state| i32::from(*state)).collect();
        let listed = ids(&mut root, ListKeysRequest { states, ..request() }).await;
        assert_eq!(listed, expected);
    }
}

#[tokio::test]
async fn a_state_is_never_left_out_in_silence() {
    let (_server, mut root) = Server::with_workspaces().await;
    make(&mut root, "ended", "x").await;
    revoke(&mut root, "ended").await;
    let mut states = vec![i32::from(KeyState::Active); 10];
    states.push(KeyState::Revoked.into());
    let outcome = root.admin.list_keys(ListKeysRequest { states, ..request() }).await;
    assert_eq!(wrong_fields(outcome), ["states"]);
}

#[tokio::test]
async fn a_part_of_the_title_is_searched_and_nothing_in_it_is_a_pattern() {
    let (_server, mut root) = Server::with_workspaces().await;
    for (id, title) in [
        ("percent", "100% sure"),
        ("under", "snake_case"),
        ("back", "C:\\temp"),
        ("plain", "Deploy Bot"),
        ("accent", "ÉCOLE"),
        ("quote", "it's \"so\""),
        ("glob", "a*b?c[d]"),
    ] {
        make(&mut root, id, title).await;
    }
    for (query, expected) in [
        ("%", &["percent"][..]),
        ("_", &["under"]),
        ("\\", &["back"]),
        ("0%", &["percent"]),
        ("%0", &[]),
        ("e_c", &["under"]),
        ("e c", &[]),
        ("\\t", &["back"]),
        ("\\%", &[]),
        ("DEPLOY b", &["plain"]),
        ("deploy B", &["plain"]),
        ("eploy", &["plain"]),
        ("École", &["accent"]),
        ("école", &[]),
        ("'", &["quote"]),
        ("\"", &["quote"]),
        ("*", &["glob"]),
        ("?", &["glob"]),
        ("[d]", &["glob"]),
        ("y b", &["plain"]),
        ("E\u{301}COLE", &["accent"]),
        ("nothing", &[]),
    ] {
        let listed = ids(&mut root, ListKeysRequest { query: query.into(), ..request() }).await;
        assert_eq!(listed, expected, "{query:?}");
    }
}

#[tokio::test]
async fn type_owner_scope_and_end_narrow_the_list() {
    let (_server, mut root) = Server::with_workspaces().await;
    for principal in ["ada", "bob"] {
        root.create_principal("acme", principal, "owner").await;
    }
    let owned = |principal: &str| Key {
        r#type: "personal".into(),
        principal: format!("workspaces/acme/principals/{principal}"),
        ..reader()
    };
    root.create_key("acme", "a", Key { expiration: ttl(60), ..owned("ada") }).await;
    root.create_key("acme", "b", Key { expiration: ttl(7_200), ..owned("bob") }).await;
    root.create_key("acme", "c", Key { grants: grants(&["sites:write", "jobs:read"]), ..reader() })
        .await;
    let ada = || "workspaces/acme/principals/ada".to_owned();
    let cases = [
        (ListKeysRequest { r#type: "personal".into(), ..request() }, &["a", "b"][..]),
        (ListKeysRequest { r#type: "live".into(), ..request() }, &["c"]),
        (ListKeysRequest { r#type: "Live".into(), ..request() }, &[]),
        (ListKeysRequest { principal: ada(), ..request() }, &["a"]),
        (ListKeysRequest { principal: format!("{}x", ada()), ..request() }, &[]),
        // Scopes as granted, not what they imply.
        (ListKeysRequest { scope: "sites:read".into(), ..request() }, &["a", "b"]),
        (ListKeysRequest { scope: "jobs:read".into(), ..request() }, &["c"]),
        (ListKeysRequest { scope: "sites:%".into(), ..request() }, &[]),
        // A key without an end expires before nothing.
        (ListKeysRequest { expiring_before: Some(in_seconds(3_600)), ..request() }, &["a"]),
        (ListKeysRequest { expiring_before: Some(in_seconds(86_400)), ..request() }, &["a", "b"]),
        (ListKeysRequest { expiring_before: Some(in_seconds(-60)), ..request() }, &[]),
        (ListKeysRequest { principal: ada(), r#type: "live".into(), ..request() }, &[]),
        (
            ListKeysRequest {
                scope: "sites:read".into(),
                query: "READER".into(),
                principal: ada(),
                ..request()
            },
            &["a"],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(ids(&mut root, query.clone()).await, expected, "{query:?}");
    }
    // A scope that an update took away is not found any more, one that it gave is.
    let key = Key { name: "workspaces/acme/keys/c".into(), ..reader() };
    let update = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
    root.admin.update_key(update).await.unwrap();
    let of = |scope: &str| ListKeysRequest { scope: scope.into(), ..request() };
    assert!(ids(&mut root, of("jobs:read")).await.is_empty());
    assert_eq!(ids(&mut root, of("sites:read")).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn an_end_is_before_a_moment_to_the_microsecond() {
    let (_server, mut root) = Server::with_workspaces().await;
    let end = in_seconds(3_600);
    let expiration = Some(proto::key::Expiration::ExpireTime(end));
    root.create_key("acme", "a", Key { expiration, ..reader() }).await;
    let before = |nanos| {
        let moment = prost_types::Timestamp { nanos, ..end };
        ListKeysRequest { expiring_before: Some(moment), ..request() }
    };
    assert!(ids(&mut root, before(0)).await.is_empty());
    assert_eq!(ids(&mut root, before(1_000)).await, ["a"]);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = ListKeysRequest {
        parent: "acme".into(),
        page_size: -1,
        page_token: "!".into(),
        states: vec![0, KeyState::Active.into(), 99],
        query: "x".repeat(101),
        principal: "ada".into(),
        order_by: "name".into(),
        ..ListKeysRequest::default()
    };
    let mut fields = wrong_fields(root.admin.list_keys(bad).await);
    fields.sort();
    let mut expected = [
        "parent",
        "page_size",
        "page_token",
        "states[0]",
        "states[2]",
        "query",
        "principal",
        "order_by",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(wrong_fields(root.admin.list_keys(ListKeysRequest::default()).await), ["parent"]);
    for order in
        ["create_time asc", "create_time desc ", "DISPLAY_NAME", "create_time,display_name", "1"]
    {
        let query = ListKeysRequest { order_by: order.into(), ..request() };
        assert_eq!(wrong_fields(root.admin.list_keys(query).await), ["order_by"], "{order:?}");
    }
    for part in ["\0", "a\u{202e}b"] {
        let query = ListKeysRequest { query: part.into(), ..request() };
        assert_eq!(wrong_fields(root.admin.list_keys(query).await), ["query"], "{part:?}");
    }
    let longest = ListKeysRequest { query: "é".repeat(100), ..request() };
    assert!(ids(&mut root, longest).await.is_empty());
}

#[tokio::test]
async fn keys_and_owners_of_another_workspace_are_not_found() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_principal("other", "bob", "owner").await;
    make(&mut root, "ci", "x").await;
    let principal = "workspaces/other/principals/bob".to_owned();
    not_found(root.admin.list_keys(ListKeysRequest { principal, ..request() }).await);
    let of = |workspace: &str| ListKeysRequest {
        parent: format!("workspaces/{workspace}"),
        ..ListKeysRequest::default()
    };
    not_found(root.admin.list_keys(of("nobody")).await);
    let mut bound = server.caller(&["keys:read"], &["workspaces/acme"]).await;
    assert_eq!(ids(&mut bound, request()).await, ["ci"]);
    not_found(bound.admin.list_keys(of("other")).await);
    not_found(bound.admin.list_keys(of("nobody")).await);
    let wrong = ListKeysRequest { page_size: -1, ..of("other") };
    not_found(bound.admin.list_keys(wrong).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, _) = Server::with_workspaces().await;
    let mut other = server.caller(&["principals:write", "introspect"], &[]).await;
    scope_missing(other.admin.list_keys(ListKeysRequest::default()).await);
}

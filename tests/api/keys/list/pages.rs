//! Order and pages.

use std::collections::BTreeSet;

use keyward::proto::{Key, KeyState, ListKeysRequest, ListPrincipalsRequest};

use super::{id, ids, make, request, revoke};
use crate::support::{Caller, Server, reader, wrong_fields};

const ORDERS: [&str; 5] =
    ["", "create_time", "create_time desc", "display_name", "display_name desc"];

/// More keys than any test makes.
const KEYS_MAX: usize = 100;

fn ordered(order: &str) -> ListKeysRequest {
    ListKeysRequest { order_by: order.to_owned(), ..request() }
}

/// Makes keys with few titles, many at a time, so that titles and also times are equal.
async fn fill(root: &Caller, count: usize) {
    let made = (0..count).map(|number| {
        let mut root = root.clone();
        let title = ["b", "B", "a", "é"][number % 4];
        // Identifiers in another order than that of making.
        let id = format!("k{:02}", (number * 7) % count);
        async move { make(&mut root, &id, title).await }
    });
    futures_util::future::join_all(made).await;
}

/// All keys of a query, page by page.
async fn through(root: &mut Caller, query: ListKeysRequest, size: i32) -> Vec<String> {
    let mut query = ListKeysRequest { page_size: size, ..query };
    let mut listed = Vec::new();
    loop {
        let page = root.admin.list_keys(query.clone()).await.unwrap().into_inner();
        assert!(page.keys.len() <= usize::try_from(size).unwrap());
        listed.extend(page.keys.iter().map(id));
        assert!(listed.len() <= KEYS_MAX, "the pages do not end");
        if page.next_page_token.is_empty() {
            return listed;
        }
        assert!(!page.keys.is_empty());
        query.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn the_order_is_by_time_or_title_and_then_by_identifier() {
    let (_server, mut root) = Server::with_workspaces().await;
    fill(&root, 25).await;
    let all = root.admin.list_keys(request()).await.unwrap().into_inner().keys;
    assert_eq!(all.len(), 25);
    let sorted = |key: &dyn Fn(&Key) -> (String, String)| {
        let mut keys: Vec<_> = all.iter().map(|each| (key(each), id(each))).collect();
        keys.sort();
        keys.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
    };
    let time = |key: &Key| {
        let time = key.create_time.unwrap();
        (format!("{:012}.{:09}", time.seconds, time.nanos), id(key))
    };
    let title = |key: &Key| (key.display_name.clone(), id(key));
    let (by_time, by_title) = (sorted(&time), sorted(&title));
    let reversed = |ids: &[String]| ids.iter().rev().cloned().collect::<Vec<_>>();
    for (order, expected) in [
        ("", by_time.clone()),
        ("create_time", by_time.clone()),
        ("create_time desc", reversed(&by_time)),
        ("display_name", by_title.clone()),
        ("display_name desc", reversed(&by_title)),
    ] {
        assert_eq!(ids(&mut root, ordered(order)).await, expected, "{order:?}");
    }
}

#[tokio::test]
async fn pages_of_any_size_have_no_gaps_and_nothing_twice() {
    let (_server, mut root) = Server::with_workspaces().await;
    fill(&root, 25).await;
    for order in ORDERS {
        let all = ids(&mut root, ordered(order)).await;
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 25);
        for size in [1, 2, 3, 5, 24, 25, 26] {
            assert_eq!(through(&mut root, ordered(order), size).await, all, "{order:?} by {size}");
        }
    }
    let part = ListKeysRequest { query: "b".into(), ..ordered("display_name") };
    let all = ids(&mut root, part.clone()).await;
    assert_eq!((all.len(), through(&mut root, part, 2).await), (13, all.clone()));
}

#[tokio::test]
async fn a_page_is_of_fifty_keys_unless_said_otherwise_and_a_thousand_at_the_most() {
    let (_server, mut root) = Server::with_workspaces().await;
    fill(&root, 51).await;
    for (size, expected) in [(0, 50), (50, 50), (51, 51), (i32::MAX, 51)] {
        let query = ListKeysRequest { page_size: size, ..request() };
        let page = root.admin.list_keys(query).await.unwrap().into_inner();
        assert_eq!(page.keys.len(), expected, "{size}");
        assert_eq!(page.next_page_token.is_empty(), expected == 51, "{size}");
    }
}

#[tokio::test]
async fn the_size_may_change_between_pages_and_what_goes_is_not_in_the_next() {
    let (_server, mut root) = Server::with_workspaces().await;
    for id in ["a", "b", "c", "d", "e"] {
        make(&mut root, id, "x").await;
    }
    let first = ListKeysRequest { page_size: 2, ..request() };
    let page = root.admin.list_keys(first).await.unwrap().into_inner();
    assert_eq!(page.keys.iter().map(id).collect::<Vec<_>>(), ["a", "b"]);
    // The key at which the page ended, and one after it.
    revoke(&mut root, "b").await;
    revoke(&mut root, "d").await;
    make(&mut root, "0", "x").await;
    let rest = ListKeysRequest { page_token: page.next_page_token, ..request() };
    assert_eq!(ids(&mut root, rest).await, ["c", "e", "0"]);
}

#[tokio::test]
async fn a_token_belongs_to_its_query() {
    let (_server, mut root) = Server::with_workspaces().await;
    for id in ["a", "b", "c"] {
        make(&mut root, id, "x").await;
        root.create_key("other", id, reader()).await;
    }
    for id in ["a", "b"] {
        root.create_principal("acme", id, "owner").await;
    }
    let first = ListKeysRequest { page_size: 1, ..request() };
    let token = root.admin.list_keys(first).await.unwrap().into_inner().next_page_token;
    assert!(!token.is_empty());
    let with = |query: ListKeysRequest| ListKeysRequest { page_token: token.clone(), ..query };
    for query in [
        ListKeysRequest { parent: "workspaces/other".into(), ..request() },
        ListKeysRequest { states: vec![KeyState::Revoked.into()], ..request() },
        ListKeysRequest { states: vec![KeyState::Active.into()], ..request() },
        ListKeysRequest { query: "x".into(), ..request() },
        ListKeysRequest { r#type: "live".into(), ..request() },
        ListKeysRequest { scope: "sites:read".into(), ..request() },
        ordered("create_time"),
        ordered("display_name"),
    ] {
        let outcome = root.admin.list_keys(with(query.clone())).await;
        assert_eq!(wrong_fields(outcome), ["page_token"], "{query:?}");
    }
    let principals = ListPrincipalsRequest {
        parent: "workspaces/acme".into(),
        page_size: 1,
        ..ListPrincipalsRequest::default()
    };
    let page = root.admin.list_principals(principals).await.unwrap().into_inner();
    assert!(!page.next_page_token.is_empty());
    let foreign = ListKeysRequest { page_token: page.next_page_token, ..request() };
    assert_eq!(wrong_fields(root.admin.list_keys(foreign).await), ["page_token"]);
    assert_eq!(ids(&mut root, with(request())).await, ["b", "c"]);
}

#[tokio::test]
async fn garbage_is_no_token() {
    let (_server, mut root) = Server::with_workspaces().await;
    let huge = "A".repeat(1 << 20);
    for token in ["x", "!!", "e30", "bnVsbA", " ", "0", "\0", &huge] {
        let query = ListKeysRequest { page_token: token.to_owned(), ..request() };
        assert_eq!(wrong_fields(root.admin.list_keys(query).await), ["page_token"]);
    }
}

#[tokio::test]
async fn a_page_of_large_keys_ends_early_and_the_list_goes_on() {
    let (_server, mut root) = Server::with_workspaces().await;
    let grants = (0..110).map(|number| keyward::proto::Grant {
        scope: "sites:read".into(),
        resource: format!("{number}-{}", "r".repeat(1_000)),
    });
    let large = keyward::proto::Key { grants: grants.collect(), ..crate::support::reader() };
    for _ in 0..25 {
        root.create_key("acme", "", large.clone()).await;
    }
    let mut request = keyward::proto::ListKeysRequest {
        parent: "workspaces/acme".to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut sizes = Vec::new();
    loop {
        let page = root.admin.list_keys(request.clone()).await.unwrap().into_inner();
        sizes.push(page.keys.len());
        if page.next_page_token.is_empty() {
            break;
        }
        assert!(sizes.len() < 25, "the list goes on");
        request.page_token = page.next_page_token;
    }
    assert_eq!(sizes.iter().sum::<usize>(), 25);
    assert!(sizes.len() > 1, "{sizes:?}");
}

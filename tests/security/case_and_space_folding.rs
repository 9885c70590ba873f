//! Two names that a database, or a trim, makes one; or one that becomes two.
//!
//! - OpenFGA, CVE-2026-55170: identifiers were compared without regard to case by one database.
//! - OpenBao, CVE-2025-54996: an alias was found under another case, with other policies.
//!
//! Identifiers are compared bytewise on every store. The store by itself is in
//! `tests/store/listing.rs`, whose server sorts by the rules of a language unless it is told not
//! to; here what callers send.

use keyward::proto::{self, DenyReason};
use tonic::Code;

use crate::{
    support::{Caller, grants, labels, policy, reader, refused, request_id, strings},
    ways::{WAYS, Ways, is_allowed, question},
    world::Store,
};

on_each_store!(
    a_name_in_another_case_or_with_a_space_is_no_name,
    scopes_roles_and_resources_are_compared_byte_by_byte,
    lists_are_in_the_order_of_bytes_and_their_pages_meet,
    labels_titles_and_request_ids_are_never_folded_together,
);

/// Ways to write `acme` that a database or a trim could take for it.
const LIKE_ACME: [&str; 14] = [
    "Acme",
    "ACME",
    "acmE",
    "acme ",
    " acme",
    "acme\t",
    "acme\n",
    "acme\0",
    "acm\u{435}",
    "ａｃｍｅ",
    "ac\u{200b}me",
    "acme\u{301}",
    "acmé",
    "acme%20",
];

async fn a_name_in_another_case_or_with_a_space_is_no_name(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    root.create_principal("acme", "acme", "owner").await;
    root.create_key("acme", "acme", reader()).await;
    let head = root.head().await;
    for like in LIKE_ACME {
        let admin = &mut root.admin;
        let found = [
            admin
                .get_policy(proto::GetPolicyRequest { name: format!("policies/{like}") })
                .await
                .err(),
            admin
                .get_workspace(proto::GetWorkspaceRequest { name: format!("workspaces/{like}") })
                .await
                .err(),
            admin
                .get_principal(proto::GetPrincipalRequest {
                    name: format!("workspaces/acme/principals/{like}"),
                })
                .await
                .err(),
            admin
                .get_key(proto::GetKeyRequest { name: format!("workspaces/acme/keys/{like}") })
                .await
                .err(),
            admin
                .get_key(proto::GetKeyRequest { name: format!("workspaces/{like}/keys/acme") })
                .await
                .err(),
            admin
                .get_key(proto::GetKeyRequest { name: format!("Workspaces/acme/keys/{like}") })
                .await
                .err(),
            // Nor is it taken for a new one.
            admin
                .create_key(proto::CreateKeyRequest {
                    parent: "workspaces/acme".to_owned(),
                    key_id: like.to_owned(),
                    key: Some(reader()),
                    ..Default::default()
                })
                .await
                .err(),
            admin
                .create_workspace(proto::CreateWorkspaceRequest {
                    workspace_id: like.to_owned(),
                    workspace: Some(proto::Workspace {
                        policy: "policies/acme".to_owned(),
                        ..Default::default()
                    }),
                    ..Default::default()
                })
                .await
                .err(),
        ];
        for (at, error) in found.into_iter().enumerate() {
            let code =
                error.unwrap_or_else(|| panic!("{like:?} is taken for a name at {at}")).code();
            assert_eq!(code, Code::InvalidArgument, "{like:?} at {at}");
        }
    }
    assert_eq!(root.head().await, head);
}

async fn scopes_roles_and_resources_are_compared_byte_by_byte(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    let scope = |name: &str| proto::Scope { name: name.to_owned(), ..Default::default() };
    let role = |name: &str, scopes: &[&str]| proto::Role {
        name: name.to_owned(),
        scopes: strings(scopes),
        ..Default::default()
    };
    let scopes = ["read", "Read", "READ"].map(scope).to_vec();
    let cased = proto::Policy { scopes, roles: vec![role("all", &["read", "READ"])], ..policy() };
    root.create_policy("cased", cased).await;
    root.create_workspace("cased", "policies/cased").await;
    let owner = root.create_principal("cased", "ada", "all").await.name;
    let mut ways = Ways::new(root.clone()).await;
    for held in ["read", "Read", "READ"] {
        let on = |resource: &str| proto::Grant { scope: held.into(), resource: resource.into() };
        let key = proto::Key { grants: vec![on("sites/Ünï")], ..reader() };
        let owned = proto::Key { principal: owner.clone(), ..key.clone() };
        let free = root.create_key("cased", "", key).await.secret;
        let owned = root.create_key("cased", "", owned).await.secret;
        for asked in ["read", "Read", "READ"] {
            for (resource, is_same) in [
                ("sites/Ünï", true),
                ("sites/ünï", false),
                ("Sites/Ünï", false),
                ("sites/U\u{308}ni\u{308}", false),
                ("sites/Ünï ", false),
            ] {
                for way in WAYS {
                    let is_free = question(&free, &[asked], resource);
                    let is_free = is_allowed(&ways.ask(way, &is_free).await.unwrap());
                    assert_eq!(is_free, held == asked && is_same, "{held}: {asked} on {resource}");
                    let is_owned = question(&owned, &[asked], resource);
                    let is_owned = is_allowed(&ways.ask(way, &is_owned).await.unwrap());
                    assert_eq!(is_owned, is_free && held != "Read", "{held}: {asked} of ada");
                }
            }
        }
        // What a policy does not have in this case is unknown to it.
        let unknown = proto::CreateKeyRequest {
            parent: "workspaces/cased".to_owned(),
            key: Some(proto::Key { grants: grants(&["rEAD"]), ..reader() }),
            ..Default::default()
        };
        refused(root.admin.create_key(unknown).await, Code::InvalidArgument, "INVALID_FIELDS");
    }
    // A list by scope gives those that hold this one.
    for held in ["read", "Read", "READ"] {
        let request = proto::ListKeysRequest {
            parent: "workspaces/cased".to_owned(),
            scope: held.to_owned(),
            ..Default::default()
        };
        let keys = root.admin.list_keys(request).await.unwrap().into_inner().keys;
        assert_eq!(keys.len(), 2, "{held}");
        assert!(keys.iter().all(|key| key.grants[0].scope == held));
    }
}

/// In the order of bytes, which is that of no language.
const TITLES: [&str; 12] = ["A", "B", "Z", "Zz", "_", "a", "a b", "a-b", "ab", "b", "z", "Ä"];
const IDS: [&str; 9] = ["0", "a", "a-b", "a0", "ab", "ab-c", "abc", "b-a", "ba"];

async fn lists_are_in_the_order_of_bytes_and_their_pages_meet(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    root.create_policy("acme", policy()).await;
    let mut sorted = TITLES.map(str::as_bytes).to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, TITLES.map(str::as_bytes));
    // Made in another order than they are listed in.
    for id in IDS.iter().rev() {
        root.create_workspace(id, "policies/acme").await;
    }
    for id in IDS.iter().rev() {
        root.create_principal("ab", id, "owner").await;
    }
    for title in TITLES.iter().rev() {
        let key = proto::Key { display_name: (*title).to_owned(), ..reader() };
        root.create_key("ab", "", key).await;
    }
    let mut names = Vec::new();
    let mut request = proto::ListWorkspacesRequest { page_size: 1, ..Default::default() };
    loop {
        let page = root.admin.list_workspaces(request.clone()).await.unwrap().into_inner();
        names.extend(page.workspaces.into_iter().map(|workspace| workspace.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let mut expected: Vec<_> = IDS.iter().map(|id| format!("workspaces/{id}")).collect();
    expected.push("workspaces/system".to_owned());
    assert_eq!(names, expected);
    let mut names = Vec::new();
    let parent = "workspaces/ab".to_owned();
    let mut request =
        proto::ListPrincipalsRequest { parent: parent.clone(), page_size: 2, ..Default::default() };
    loop {
        let page = root.admin.list_principals(request.clone()).await.unwrap().into_inner();
        names.extend(page.principals.into_iter().map(|principal| principal.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, IDS.map(|id| format!("workspaces/ab/principals/{id}")));
    let mut titles = titles_of(&mut root, "display_name", 1).await;
    assert_eq!(titles, TITLES);
    titles.reverse();
    assert_eq!(titles_of(&mut root, "display_name desc", 5).await, titles);
}

async fn titles_of(root: &mut Caller, order_by: &str, page_size: i32) -> Vec<String> {
    let mut request = proto::ListKeysRequest {
        parent: "workspaces/ab".to_owned(),
        order_by: order_by.to_owned(),
        page_size,
        ..Default::default()
    };
    let mut titles = Vec::new();
    loop {
        let page = root.admin.list_keys(request.clone()).await.unwrap().into_inner();
        titles.extend(page.keys.into_iter().map(|key| key.display_name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return titles;
        }
    }
}

async fn labels_titles_and_request_ids_are_never_folded_together(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    // Values of labels are kept to the byte.
    let pairs = labels(&[("a", "X"), ("b", " x "), ("c", "x"), ("d", "")]);
    let key = proto::Key { labels: pairs.clone(), ..reader() };
    root.create_key("acme", "labelled", key).await;
    let name = "workspaces/acme/keys/labelled".to_owned();
    let read = root.admin.get_key(proto::GetKeyRequest { name }).await.unwrap().into_inner();
    assert_eq!(read.labels, pairs);
    // A request id is one byte by byte, on each store, and has no space.
    let id = format!("abcdef{}", &request_id()[6..]);
    let mut made = Vec::new();
    let upper = id.to_uppercase();
    for request_id in [&id, &upper, &format!(" {id}"), &format!("{id}\n"), &upper, &id] {
        let request = proto::CreateKeyRequest {
            parent: "workspaces/acme".to_owned(),
            key: Some(reader()),
            request_id: request_id.clone(),
            ..Default::default()
        };
        match root.admin.create_key(request).await {
            Ok(answer) => made.push(answer.into_inner()),
            Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{status:?}"),
        }
    }
    let shown: Vec<bool> = made.iter().map(|answer| !answer.secret.is_empty()).collect();
    assert_eq!(shown, [true, true, false, false]);
    let names: Vec<_> = made.into_iter().map(|answer| answer.key.unwrap().name).collect();
    assert_eq!((&names[0], &names[1]), (&names[3], &names[2]));
    assert_ne!(names[0], names[1]);
    // A search folds letters of ASCII and nothing else, the same on each store.
    for title in ["Straße", "STRASSE", "İstanbul", "istanbul", "ΣΊΣΥΦΟΣ", "50%_a\\b"] {
        let key = proto::Key { display_name: title.to_owned(), ..reader() };
        root.create_key("other", "", key).await;
    }
    for (query, found) in [
        ("strasse", &["STRASSE"][..]),
        ("STRAßE", &["Straße"]),
        ("straSSE", &["STRASSE"]),
        ("ISTANBUL", &["istanbul"]),
        ("stanbul", &["istanbul", "İstanbul"]),
        ("σίσυφος", &[]),
        ("%", &["50%_a\\b"]),
        ("_", &["50%_a\\b"]),
        ("\\", &["50%_a\\b"]),
        ("%_A\\B", &["50%_a\\b"]),
        ("5%b", &[]),
    ] {
        let request = proto::ListKeysRequest {
            parent: "workspaces/other".to_owned(),
            query: query.to_owned(),
            order_by: "display_name".to_owned(),
            ..Default::default()
        };
        let keys = root.admin.list_keys(request).await.unwrap().into_inner().keys;
        let titles: Vec<_> = keys.into_iter().map(|key| key.display_name).collect();
        assert_eq!(titles, found, "{query:?}");
    }
    assert_eq!(root.ask("x", &[], "").await.reason(), DenyReason::InvalidKey);
}

//! One name taken for another that only begins like it.
//!
//! - SciTokens, CVE-2026-32716: a token for `/john` opened `/johnathan`.
//! - hexpm, CVE-2026-21621: a scope was compared by its beginning.
//!
//! Names are whole, and resources are compared segment by segment. Matching by itself is in
//! `src/domain/resource/tests.rs` and against an oracle in `tests/oracle`; here in every place
//! where a name decides.

use std::path::Path;

use keyward::proto::{self, IntrospectRequest};

use crate::{
    support::{Caller, grants, policy, reader, strings},
    ways::{WAYS, Ways, is_allowed, question},
    world::Store,
};

on_each_store!(
    a_scope_reaches_no_other_that_begins_like_it,
    a_resource_reaches_no_other_that_begins_like_it,
    a_caller_bound_to_one_name_reaches_none_that_begins_like_it,
    a_filter_by_name_finds_none_that_begins_like_it,
);

/// Scopes that begin or end like each other.
fn alike() -> proto::Policy {
    let scope = |name: &str| proto::Scope { name: name.to_owned(), ..Default::default() };
    let names = ["sites", "sites2", "sites:read", "sites:read2", "sites:reader", "sites2:read"];
    let more = ["site", "s", "mysites:read", "sites:read:all", "sites.read", "sites:READ"];
    let mut scopes: Vec<_> = names.into_iter().chain(more).map(scope).collect();
    let implies =
        |name: &str, glob: &str| proto::Scope { implies: strings(&[glob]), ..scope(name) };
    scopes.extend([implies("all-of-sites", "sites:*"), implies("all-reads", "*:read")]);
    let role = |name: &str, scopes: &[&str]| proto::Role {
        name: name.to_owned(),
        scopes: strings(scopes),
        ..Default::default()
    };
    let roles = vec![role("every", &["sit*", "s", "my*", "all-*"]), role("sites", &["sites:*"])];
    proto::Policy { scopes, roles, ..policy() }
}

/// Asks in every way.
async fn is_let(ways: &mut Ways, question: &IntrospectRequest) -> bool {
    let mut all = Vec::new();
    for way in WAYS {
        all.push(is_allowed(&ways.ask(way, question).await.unwrap()));
    }
    assert!(all.iter().all(|one| *one == all[0]), "{question:?}: {all:?}");
    all[0]
}

async fn a_scope_reaches_no_other_that_begins_like_it(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    root.create_policy("alike", alike()).await;
    root.create_workspace("acme", "policies/alike").await;
    let owner = root.create_principal("acme", "ada", "sites").await.name;
    let mut ways = Ways::new(root.clone()).await;
    let names: Vec<String> = alike().scopes.into_iter().map(|scope| scope.name).collect();
    // What each scope gives: of a glob, what it says; of all else, itself.
    for held in &names {
        let key = proto::Key { grants: grants(&[held]), ..reader() };
        let free = root.create_key("acme", "", key.clone()).await.secret;
        let owned = proto::Key { principal: owner.clone(), ..key };
        let owned = root.create_key("acme", "", owned).await.secret;
        for asked in &names {
            let in_glob =
                |asked: &str| asked.split_once(':').is_some_and(|(one, _)| one == "sites");
            let is_read = asked.split(':').next_back() == Some("read") && asked.contains(':');
            let given = held == asked
                || held == "all-of-sites" && in_glob(asked)
                || held == "all-reads" && is_read;
            let question = |secret: &str| question(secret, &[asked], "");
            assert_eq!(is_let(&mut ways, &question(&free)).await, given, "{held}: {asked}");
            let given = given && in_glob(asked);
            let is_let = is_let(&mut ways, &question(&owned)).await;
            assert_eq!(is_let, given, "{held} under a role with sites:*: {asked}");
        }
    }
}

/// A pattern, and resources within it and outside it.
const PATTERNS: [(&str, &[&str], &[&str]); 6] = [
    ("sites", &["sites"], &["sites2", "site", "sites2/a", "Sites", "/sites", "xsites", "sites "]),
    ("/john", &["/john"], &["/johnathan", "/joh", "john", "/john.", "/john%2f", "/John"]),
    (
        "home/john/**",
        &["home/john", "home/john/a", "home/john/a/b"],
        &["home/johnathan", "home/johnathan/a", "home", "home/joh", "xhome/john", "home/a/john"],
    ),
    (
        "a/b",
        &["a/b"],
        &["a/b2", "a/../a/b", "a/./b", "a/b/..", "a%2fb", "a%2Fb", "a\\b", "a/B", "a/b\u{301}"],
    ),
    ("sites/*/pages", &["sites/1/pages", "sites/2/pages"], &["sites/1/pages2", "sites/1/2/pages"]),
    (
        "sites/1/**",
        &["sites/1", "sites/1/.."],
        &["sites/..%2f1", "sites/11", "sites/1%2f..", "sites/..;/1"],
    ),
];

async fn a_resource_reaches_no_other_that_begins_like_it(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    let mut ways = Ways::new(root.clone()).await;
    for (number, (pattern, inside, outside)) in PATTERNS.into_iter().enumerate() {
        let on = vec![proto::Grant { scope: "sites:read".into(), resource: pattern.into() }];
        // A plain path in a constraint is its subtree, which is nothing more of these.
        let owner = root.create_principal("acme", &format!("p{number}"), "owner").await;
        let confined = proto::Principal { confined_to: strings(&[pattern]), ..owner };
        let principal = confined.name.clone();
        let request =
            proto::UpdatePrincipalRequest { principal: Some(confined), ..Default::default() };
        root.admin.update_principal(request).await.unwrap();
        for (what, key) in [
            ("granted", proto::Key { grants: on, ..reader() }),
            ("bound", proto::Key { constraint: strings(&[pattern]), ..reader() }),
            ("confined", proto::Key { principal, ..reader() }),
        ] {
            let secret = root.create_key("acme", "", key).await.secret;
            for (resources, is_inside) in [(inside, true), (outside, false)] {
                for resource in resources {
                    // Beneath a plain path, all of it is within what it bounds.
                    let beneath = resource.starts_with(&format!("{pattern}/"));
                    let expected = is_inside || beneath && what != "granted";
                    let asked = question(&secret, &["sites:read"], resource);
                    let is_let = is_let(&mut ways, &asked).await;
                    assert_eq!(is_let, expected, "{what} {pattern}: {resource}");
                }
            }
        }
    }
}

/// Workspaces, keys and owners whose names begin like each other.
async fn neighbours(root: &mut Caller) {
    root.create_policy("acme", policy()).await;
    for workspace in ["acme", "acme2", "acme-2", "acm"] {
        root.create_workspace(workspace, "policies/acme").await;
        for id in ["ci", "ci2", "ci-2", "c"] {
            let owner = root.create_principal(workspace, id, "owner").await.name;
            let key = proto::Key { principal: owner, ..reader() };
            root.create_key(workspace, id, key).await;
        }
    }
}

async fn a_caller_bound_to_one_name_reaches_none_that_begins_like_it(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    neighbours(&mut root).await;
    for pattern in ["workspaces/acme", "workspaces/acme/**", "workspaces/acme/keys/ci"] {
        let on = proto::Grant { scope: "*".to_owned(), resource: pattern.to_owned() };
        for key in [
            proto::Key { grants: vec![on], ..reader() },
            proto::Key { grants: grants(&["*"]), constraint: strings(&[pattern]), ..reader() },
        ] {
            let exact = key.constraint.is_empty() && pattern == "workspaces/acme";
            let secret = root.create_key("system", "", key).await.secret;
            let mut bound = server.caller_with(Some(&secret)).await;
            for workspace in ["acme", "acme2", "acme-2", "acm"] {
                for id in ["ci", "ci2", "ci-2", "c"] {
                    let name = format!("workspaces/{workspace}/keys/{id}");
                    let reached = bound.admin.get_key(proto::GetKeyRequest { name: name.clone() });
                    let is_of_acme = workspace == "acme" && !exact;
                    let expected =
                        is_of_acme && (id == "ci" || pattern != "workspaces/acme/keys/ci");
                    assert_eq!(reached.await.is_ok(), expected, "{pattern}: {name}");
                }
            }
        }
    }
}

async fn a_filter_by_name_finds_none_that_begins_like_it(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    neighbours(&mut root).await;
    let key = "workspaces/acme/keys/ci".to_owned();
    let filter =
        proto::ListKeysRequest { parent: "workspaces/acme".to_owned(), ..Default::default() };
    let names = |keys: Vec<proto::Key>| keys.into_iter().map(|key| key.name).collect::<Vec<_>>();
    let of_owner = proto::ListKeysRequest {
        principal: "workspaces/acme/principals/ci".to_owned(),
        ..filter.clone()
    };
    let listed = root.admin.list_keys(of_owner).await.unwrap().into_inner();
    assert_eq!(names(listed.keys), std::slice::from_ref(&key));
    for (scope, count) in [("sites:read", 4), ("sites:write", 0)] {
        let of_scope = proto::ListKeysRequest { scope: scope.to_owned(), ..filter.clone() };
        let listed = root.admin.list_keys(of_scope).await.unwrap().into_inner();
        assert_eq!(listed.keys.len(), count, "{scope}");
    }
    let of_subject = proto::ListEventsRequest { subject: key.clone(), ..Default::default() };
    let events = root.admin.list_events(of_subject).await.unwrap().into_inner().events;
    assert_eq!(events.len(), 1);
    let of_parent =
        proto::ListEventsRequest { parent: "workspaces/acme".to_owned(), ..Default::default() };
    let events = root.admin.list_events(of_parent).await.unwrap().into_inner().events;
    assert_eq!(events.len(), 1 + 8, "the workspace, four owners and four keys");
    assert!(events.iter().all(|event| event.workspace == "workspaces/acme"));
}

/// The parts that say who may do what, files and directories: none of them compares texts by how they begin or end.
/// What takes a text apart, such as a glob of a policy or an address, does so elsewhere.
const DECIDING: [&str; 16] = [
    "admin.rs",
    "admin",
    "cache.rs",
    "cache",
    "callers.rs",
    "callers",
    "introspect.rs",
    "introspect",
    "store/find.rs",
    "store/find",
    "domain/caller.rs",
    "domain/live.rs",
    "domain/live",
    "domain/decision.rs",
    "domain/resource/pattern.rs",
    "domain/name.rs",
];

/// The sources of a part but for its tests, each with its place.
fn sources(part: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![root.join(part)];
    let mut sources = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let place = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if !place.contains("tests") {
            let text = std::fs::read_to_string(&path);
            sources.push((text.unwrap_or_else(|error| panic!("{place}: {error}")), place));
        }
    }
    sources
}

/// The lines of this part that compare by beginning or end.
fn comparing(part: &str) -> Vec<String> {
    let sources = sources(part);
    // A part of another name by now would have none, and none that compares.
    assert!(sources.iter().any(|(text, _)| text.contains("fn ")), "{part} has no sources");
    let mut found = Vec::new();
    for (text, place) in sources {
        let compares = |line: &&str| {
            ["starts_with(", "ends_with(", "strip_prefix(", "strip_suffix(", ".contains(\""]
                .iter()
                .any(|call| line.contains(call))
        };
        // Tests stand at the end of a file; where they have one of their own, it is only named.
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines();
        found.extend(lines.filter(compares).map(|line| format!("{place}: {}", line.trim())));
    }
    found
}

#[test]
fn what_decides_compares_no_text_by_its_beginning() {
    for part in DECIDING {
        let found = comparing(part);
        assert_eq!(found, [""; 0], "{part}");
    }
    // That it is found where it is: globs of a policy, which are no names.
    assert_eq!(comparing("domain/scope.rs").len(), 1);
}

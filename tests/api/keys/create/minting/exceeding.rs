//! A key that is made on behalf of another never exceeds it.

use keyward::proto::{self, Grant, key::Expiration};

use super::{broader, holder, minted, on_behalf};
use crate::{
    keys::{creation, end_of, in_seconds, ttl, under},
    support::{Caller, Server, reader, strings},
};

fn on(scope: &str, resource: &str) -> Grant {
    Grant { scope: scope.into(), resource: resource.into() }
}

/// A key with every limit there is.
fn limited() -> proto::Key {
    proto::Key {
        constraint: strings(&["sites/1", "jobs/*/runs"]),
        allowed_cidrs: strings(&["10.0.0.0/8", "2001:db8::/32"]),
        expiration: Some(Expiration::ExpireTime(in_seconds(3_600))),
        ..holder(&["sites:write"])
    }
}

async fn with_limited() -> (Server, Caller, proto::Key) {
    let (server, mut root) = Server::with_workspaces().await;
    let limited = limited();
    root.create_key("acme", "limited", limited.clone()).await;
    (server, root, limited)
}

type Edit = fn(&mut proto::Key);

#[tokio::test]
async fn what_is_the_same_or_narrower_is_made() {
    let (_server, mut root, limited) = with_limited().await;
    let cases: &[(&str, Edit)] = &[
        ("the same", |_| ()),
        ("less of a scope", |key| key.grants = holder(&["sites:read"]).grants),
        ("both", |key| key.grants = holder(&["sites:read", "sites:write"]).grants),
        ("on one resource", |key| key.grants[0].resource = "sites/1/pages".into()),
        ("one of the patterns", |key| key.constraint = strings(&["sites/1"])),
        ("beneath one", |key| key.constraint = strings(&["sites/1/pages/*", "sites/1/**"])),
        ("a part of a network", |key| key.allowed_cidrs = strings(&["10.1.0.0/16"])),
        ("one address", |key| key.allowed_cidrs = strings(&["10.1.2.3", "2001:db8::1"])),
        ("sooner over", |key| key.expiration = ttl(60)),
    ];
    for (what, edit) in cases {
        let mut key = limited.clone();
        edit(&mut key);
        let outcome = root.admin.create_key(on_behalf("limited", key)).await;
        outcome.unwrap_or_else(|status| panic!("{what}: {status:?}"));
    }
}

#[tokio::test]
async fn each_limit_is_kept_and_an_absent_one_exceeds_it() {
    let (_server, mut root, limited) = with_limited().await;
    let head = root.head().await;
    let cases: &[(&str, Edit, &str)] = &[
        ("another scope", |key| key.grants = holder(&["jobs:read"]).grants, "grants"),
        ("what implies it", |key| key.grants = holder(&["sites:admin"]).grants, "grants"),
        ("the wildcard", |key| key.grants = holder(&["*"]).grants, "grants"),
        ("an isolated scope", |key| key.grants = holder(&["exec:raw"]).grants, "grants"),
        ("one too many", |key| key.grants.push(on("jobs:read", "sites/1")), "grants"),
        ("no constraint", |key| key.constraint.clear(), "constraint"),
        ("everything", |key| key.constraint = strings(&["*"]), "constraint"),
        ("a sibling", |key| key.constraint = strings(&["sites/2"]), "constraint"),
        ("a longer name", |key| key.constraint = strings(&["sites/11"]), "constraint"),
        ("what is above", |key| key.constraint = strings(&["sites"]), "constraint"),
        ("any", |key| key.constraint = strings(&["sites/*"]), "constraint"),
        ("one more", |key| key.constraint.push("sites/2".into()), "constraint"),
        // A plain path means its subtree, of which the minting key has the top alone.
        ("beneath a pattern", |key| key.constraint = strings(&["jobs/7/runs"]), "constraint"),
        ("no networks", |key| key.allowed_cidrs.clear(), "allowed_cidrs"),
        ("a wider one", |key| key.allowed_cidrs = strings(&["10.0.0.0/7"]), "allowed_cidrs"),
        ("another one", |key| key.allowed_cidrs.push("192.0.2.0/24".into()), "allowed_cidrs"),
        ("the other family", |key| key.allowed_cidrs = strings(&["::/0"]), "allowed_cidrs"),
        ("all", |key| key.allowed_cidrs = strings(&["*"]), "allowed_cidrs"),
        ("nothing said of its end", |key| key.expiration = None, "expire_time"),
        ("no end", |key| key.expiration = Some(Expiration::NeverExpires(true)), "expire_time"),
        ("a later end", |key| key.expiration = ttl(3_700), "expire_time"),
    ];
    for (what, edit, field) in cases {
        let mut key = limited.clone();
        edit(&mut key);
        broader(root.admin.create_key(on_behalf("limited", key)).await, field, what);
    }
    let all = "grants,constraint,allowed_cidrs,expire_time";
    broader(root.admin.create_key(on_behalf("limited", holder(&["*"]))).await, all, "all");
    let mut checked = on_behalf("limited", holder(&["*"]));
    checked.validate_only = true;
    broader(root.admin.create_key(checked).await, all, "validated");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_key_without_limits_mints_whatever_its_scopes_are() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "all", holder(&["*"])).await;
    minted(&mut root, "all", reader()).await;
    minted(&mut root, "all", limited()).await;
    minted(&mut root, "all", holder(&["*"])).await;
    let raw = root.admin.create_key(on_behalf("all", holder(&["exec:raw"]))).await;
    broader(raw, "grants", "no glob reaches an isolated scope");
    root.create_key("acme", "raw", holder(&["exec:raw"])).await;
    minted(&mut root, "raw", holder(&["exec:raw"])).await;
    let more = root.admin.create_key(on_behalf("raw", reader())).await;
    broader(more, "grants", "one scope");
}

#[tokio::test]
async fn grants_on_some_resources_are_kept_to_them() {
    let (_server, mut root) = Server::with_workspaces().await;
    let of = |grants: &[Grant]| proto::Key { grants: grants.to_vec(), ..reader() };
    let minter = of(&[on("sites:write", "sites/*"), on("jobs:read", "")]);
    root.create_key("acme", "some", minter).await;
    for grant in [
        on("sites:write", "sites/*"),
        on("sites:read", "sites/1"),
        on("jobs:read", ""),
        on("jobs:read", "anything/**"),
    ] {
        minted(&mut root, "some", of(&[grant])).await;
    }
    for grant in [
        on("sites:write", ""),
        on("sites:read", ""),
        on("sites:read", "*"),
        on("sites:read", "sites/**"),
        on("sites:read", "sites/1/pages"),
        on("sites:read", "sites"),
        on("sites:admin", "sites/1"),
    ] {
        let outcome =
            root.admin.create_key(on_behalf("some", of(std::slice::from_ref(&grant)))).await;
        broader(outcome, "grants", &format!("{grant:?}"));
    }
    // A constraint is a bound of its own: grants that exceed are not cut by it.
    let bounded = proto::Key { constraint: strings(&["sites/1"]), ..of(&[on("sites:read", "")]) };
    broader(root.admin.create_key(on_behalf("some", bounded)).await, "grants", "bounded");
}

#[tokio::test]
async fn the_default_end_of_the_policy_counts_as_if_it_were_given() {
    let span = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let (_server, mut root) = under(|policy| {
        policy.expiry =
            Some(proto::ExpiryRule { default_ttl: span(600), max_ttl: None, required: false });
    })
    .await;
    let of = |seconds| proto::Key { expiration: ttl(seconds), ..reader() };
    root.create_key("acme", "short", of(60)).await;
    root.create_key("acme", "long", of(6_000)).await;
    let outcome = root.admin.create_key(on_behalf("short", reader())).await;
    broader(outcome, "expire_time", "by default");
    let made = minted(&mut root, "long", reader()).await;
    let minter = root.admin.create_key(creation(of(6_000))).await.unwrap().into_inner();
    assert!(end_of(&made.key.unwrap()) < end_of(&minter.key.unwrap()));
}

#[tokio::test]
async fn what_presets_add_is_kept_within_the_minting_key_too() {
    let preset = |name: &str, scopes: &[&str]| proto::Preset {
        name: name.into(),
        scopes: strings(scopes),
        ..Default::default()
    };
    let (_server, mut root) = under(|policy| {
        policy.presets = vec![preset("reading", &["*:read"]), preset("sites", &["sites:read"])];
    })
    .await;
    root.create_key("acme", "writer", holder(&["sites:write"])).await;
    let of = |presets: &[&str]| {
        let mut request = on_behalf("writer", proto::Key { grants: vec![], ..reader() });
        request.presets = strings(presets);
        request
    };
    let head = root.head().await;
    broader(root.admin.create_key(of(&["reading"])).await, "grants", "reading");
    broader(root.admin.create_key(of(&["sites", "reading"])).await, "grants", "both");
    assert_eq!(root.head().await, head);
    let made = root.admin.create_key(of(&["sites"])).await.unwrap().into_inner().key.unwrap();
    assert_eq!(made.grants, reader().grants);
    assert_eq!(made.minting_key, "workspaces/acme/keys/writer");
}

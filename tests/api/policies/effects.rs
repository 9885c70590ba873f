//! What a change of a policy takes from live keys: told, refused, forced.

use futures_util::{StreamExt as _, stream};
use keyward::proto::{
    self, DenyReason, PolicyEffects, ResourceGrammar, UpdatePolicyRequest, UpdatePolicyResponse,
};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::{plan, preset, stored};
use crate::support::{Caller, Server, grants, policy, reader, refused, strings};

/// As the fixture, with `jobs:write`, which a rule makes imply `jobs:read`.
fn rules() -> proto::Policy {
    let mut rules = proto::Policy { name: "policies/acme".into(), ..policy() };
    rules.scopes.push(proto::Scope { name: "jobs:write".into(), ..Default::default() });
    let implies = strings(&["{x}:read"]);
    rules.implications = vec![proto::Implication { scope: "{x}:write".into(), implies }];
    rules
}

pub(super) async fn change(
    root: &mut Caller,
    policy: proto::Policy,
    [force, validate_only]: [bool; 2],
) -> Result<Response<UpdatePolicyResponse>, Status> {
    let update_mask = Some(prost_types::FieldMask { paths: strings(&["*"]) });
    let policy = Some(policy);
    let request =
        UpdatePolicyRequest { policy, update_mask, force, validate_only, ..Default::default() };
    root.admin.update_policy(request).await
}

/// What a change would do, which is not made.
pub(super) async fn effects(root: &mut Caller, policy: proto::Policy) -> PolicyEffects {
    change(root, policy, [false, true]).await.unwrap().into_inner().effects.unwrap()
}

async fn principal(root: &mut Caller, id: &str, role: &str, confined_to: &[&str]) {
    let principal = proto::Principal {
        kind: proto::PrincipalKind::User.into(),
        role: role.into(),
        confined_to: strings(confined_to),
        ..Default::default()
    };
    let request = proto::CreatePrincipalRequest {
        parent: "workspaces/acme".into(),
        principal_id: id.into(),
        principal: Some(principal),
        ..Default::default()
    };
    root.admin.create_principal(request).await.unwrap();
}

fn holder(scope: &str) -> proto::Key {
    proto::Key { grants: grants(&[scope]), ..reader() }
}

fn on(resource: &str) -> proto::Key {
    let mut key = reader();
    key.grants[0].resource = resource.into();
    key
}

fn owned(id: &str) -> proto::Key {
    proto::Key { principal: format!("workspaces/acme/principals/{id}"), ..reader() }
}

/// A server with keys of many kinds, each called by what it is.
async fn with_keys() -> (Server, Caller) {
    let server = Server::start().await;
    let mut root = server.root().await;
    for (id, policy) in [("acme", rules()), ("apart", rules())] {
        root.create_policy(id, policy).await;
        root.create_workspace(id, &format!("policies/{id}")).await;
    }
    principal(&mut root, "ada", "observer", &[]).await;
    principal(&mut root, "bob", "owner", &["home/1"]).await;
    for (id, key) in [
        ("admin", holder("sites:admin")),
        ("all", holder("*")),
        ("bounded", proto::Key { constraint: strings(&["sites"]), ..reader() }),
        ("confined", owned("bob")),
        ("everywhere", on("*")),
        ("lowered", owned("ada")),
        ("one", on("home")),
        ("patterns", on("sites/*")),
        ("raw", holder("exec:raw")),
        ("reader", reader()),
        ("ruled", holder("jobs:write")),
        ("star", proto::Key { constraint: strings(&["*"]), ..reader() }),
    ] {
        root.create_key("acme", id, key).await;
    }
    root.create_key("apart", "all", holder("*")).await;
    let revoked = root.create_key("acme", "revoked", holder("*")).await.key.unwrap().name;
    let revoke = proto::RevokeKeyRequest { name: revoked, ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    let soon = prost_types::Duration { seconds: 0, nanos: 1_000 };
    let expiration = Some(proto::key::Expiration::Ttl(soon));
    root.create_key("acme", "expired", proto::Key { expiration, ..holder("*") }).await;
    (server, root)
}

/// The identifiers of the keys of `acme` that would lose something, and that no more would.
#[track_caller]
fn losing(effects: &PolicyEffects) -> Vec<&str> {
    assert_eq!(effects.keys_losing_scopes, i64::try_from(effects.sample_keys.len()).unwrap());
    let names = effects.sample_keys.iter();
    names.map(|name| name.strip_prefix("workspaces/acme/keys/").unwrap()).collect()
}

type Edit = fn(&mut proto::Policy);

#[tokio::test]
async fn every_key_that_can_do_less_is_counted_and_no_other() {
    let (_server, mut root) = with_keys().await;
    let head = root.head().await;
    let grammar = |separator: &str, wildcard: &str| {
        let (separator, wildcard) = (separator.to_owned(), wildcard.to_owned());
        Some(ResourceGrammar { separator, wildcard, types: vec![] })
    };
    let cases: &[(&str, Edit, &[&str])] = &[
        ("a scope is removed", |p| _ = p.scopes.remove(4), &["all", "ruled"]),
        ("implies is narrowed", |p| p.scopes[1].implies.clear(), &["admin"]),
        ("the wildcard is narrowed", |p| p.scopes[0].implies = strings(&["*:read"]), &["all"]),
        ("a scope becomes isolated", |p| p.scopes[4].isolated = true, &["all", "ruled"]),
        ("a role is narrowed", |p| p.roles[1].scopes = strings(&["jobs:read"]), &["lowered"]),
        ("a role is removed", |p| _ = p.roles.pop(), &["lowered"]),
        ("all roles are removed", |p| p.roles.clear(), &["confined", "lowered"]),
        ("the rule is removed", |p| p.implications.clear(), &["ruled"]),
        ("an own scope is removed", |p| _ = p.scopes.remove(5), &["raw"]),
    ];
    for (what, edit, expected) in cases {
        let mut policy = rules();
        edit(&mut policy);
        policy.roles.iter_mut().for_each(|role| {
            role.scopes.retain(|text| {
                text.contains('*') || policy.scopes.iter().any(|scope| scope.name == *text)
            });
        });
        assert_eq!(losing(&effects(&mut root, policy).await), *expected, "{what}");
    }
    let colons = proto::Policy { resources: grammar(":", "*"), ..rules() };
    let lost = effects(&mut root, colons).await;
    assert_eq!(losing(&lost), ["bounded", "confined", "patterns"]);
    let hashes = proto::Policy { resources: grammar("/", "#"), ..rules() };
    assert_eq!(losing(&effects(&mut root, hashes).await), ["patterns"]);
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_change_that_takes_nothing_is_told_so_and_made_without_force() {
    let (_server, mut root) = with_keys().await;
    let wider: &[(&str, Edit)] = &[
        ("nothing", |_| ()),
        ("more is implied", |p| p.scopes[3].implies = strings(&["jobs:read"])),
        ("more is known", |p| {
            p.scopes.insert(0, proto::Scope { name: "new".into(), ..Default::default() });
        }),
        ("in another order", |p| p.scopes.reverse()),
        ("a scope is isolated no more", |p| p.scopes[5].isolated = false),
        ("a role is raised", |p| p.roles[1].scopes = strings(&["*"])),
        ("a role is added", |p| {
            p.roles.push(proto::Role { name: "guest".into(), ..Default::default() });
        }),
        ("titles", |p| p.display_name = "other".into()),
        ("descriptions", |p| p.scopes[3].description = "reads sites".into()),
        ("classes", |p| p.scopes[3].class = "read".into()),
        ("presets", |p| p.presets = vec![preset("ops", &["jobs:read"])]),
        ("fewer presets", |p| p.presets.clear()),
        ("plans", |p| p.plans = vec![plan("pro")]),
        ("expiry", |p| p.expiry = Some(proto::ExpiryRule { required: true, ..Default::default() })),
        ("hiding", |p| p.hide_existence = true),
        ("an unused type", |p| _ = p.key_types.pop()),
    ];
    for (what, edit) in wider {
        let mut policy = rules();
        edit(&mut policy);
        let answer = change(&mut root, policy, [false, false]).await;
        let answer = answer.unwrap_or_else(|status| panic!("{what}: {status:?}")).into_inner();
        assert_eq!(answer.effects, Some(PolicyEffects::default()), "{what}");
        // Back to where it was, which may take what was given.
        change(&mut root, rules(), [true, false]).await.unwrap();
    }
}

#[tokio::test]
async fn without_force_it_is_refused_with_it_done_and_validation_alone_tells_both() {
    let (_server, mut root) = with_keys().await;
    let secret = root.create_key("acme", "probe", holder("sites:admin")).await.secret;
    let before = stored(&mut root, "policies/acme").await;
    let head = root.head().await;
    let mut narrow = rules();
    narrow.scopes[1].implies.clear();
    let status = refused(
        change(&mut root, narrow.clone(), [false, false]).await,
        Code::FailedPrecondition,
        "LIVE_KEYS_AFFECTED",
    );
    let mut metadata: Vec<_> =
        status.get_details_error_info().unwrap().metadata.into_iter().collect();
    metadata.sort();
    let expected = [("keys", "2"), ("plans", ""), ("prefixes", ""), ("scopes", "")];
    assert_eq!(metadata, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let expected = PolicyEffects {
        keys_losing_scopes: 2,
        sample_keys: strings(&["workspaces/acme/keys/admin", "workspaces/acme/keys/probe"]),
        ..Default::default()
    };
    for force in [false, true] {
        let told = change(&mut root, narrow.clone(), [force, true]).await.unwrap().into_inner();
        assert_eq!(told.effects, Some(expected.clone()));
        assert_eq!(told.policy.unwrap().etag, before.etag);
    }
    assert_eq!(stored(&mut root, "policies/acme").await, before);
    assert!(root.ask(&secret, &["sites:read"], "").await.active);
    assert_eq!(root.ask(&secret, &["sites:read"], "").await.reason(), DenyReason::Unspecified);
    assert_eq!(root.head().await, head);
    let done = change(&mut root, narrow.clone(), [true, false]).await.unwrap().into_inner();
    assert_eq!(done.effects, Some(expected));
    let answer = root.ask(&secret, &["sites:read"], "").await;
    let revision = done.policy.unwrap().revision;
    assert_eq!((answer.reason(), answer.revision), (DenyReason::InsufficientScope, revision));
    let again = change(&mut root, narrow, [false, false]).await.unwrap().into_inner();
    assert_eq!(again.effects, Some(PolicyEffects::default()), "it is so already");
    assert_eq!(root.head().await, head + 1);
}

#[tokio::test]
async fn of_many_keys_all_are_counted_and_a_hundred_named_of_those_that_may_be_known() {
    let (server, mut root) = Server::with_workspaces().await;
    stream::iter((0..150).map(|number| {
        let mut root = root.clone();
        let workspace = if number % 3 == 0 { "other" } else { "acme" };
        async move { root.create_key(workspace, &format!("k{number:03}"), reader()).await }
    }))
    .buffer_unordered(16)
    .count()
    .await;
    let mut narrow = proto::Policy { name: "policies/acme".into(), ..policy() };
    narrow.scopes.remove(3);
    narrow.scopes[2].implies.clear();
    let told = effects(&mut root, narrow.clone()).await;
    assert_eq!(told.keys_losing_scopes, 150);
    let numbers = (0..150).filter(|number| number % 3 != 0);
    let acme = numbers.map(|number| format!("workspaces/acme/keys/k{number:03}"));
    assert_eq!(told.sample_keys, acme.collect::<Vec<_>>());
    let mut writer = server.caller(&["policies:write"], &[]).await;
    let unnamed = effects(&mut writer, narrow.clone()).await;
    assert_eq!((unnamed.keys_losing_scopes, unnamed.sample_keys), (150, vec![]));
    for (bounds, named) in [
        (&["policies/acme"][..], 0),
        (&["policies/acme", "workspaces/other"], 50),
        (&["policies/acme", "workspaces/acme/keys/k001"], 1),
        (&["policies/acme", "workspaces"], 100),
    ] {
        let mut bound = server.caller(&["policies:write", "keys:read"], bounds).await;
        let told = effects(&mut bound, narrow.clone()).await;
        assert_eq!((told.keys_losing_scopes, told.sample_keys.len()), (150, named), "{bounds:?}");
        let known = |name: &String| bounds.iter().any(|bound| name.starts_with(bound));
        assert!(told.sample_keys.iter().all(known), "{:?}", told.sample_keys);
        let outcome = change(&mut bound, narrow.clone(), [false, false]).await;
        let status = refused(outcome, Code::FailedPrecondition, "LIVE_KEYS_AFFECTED");
        assert!(!format!("{status:?}").contains("k0"), "{status:?}");
    }
}

#[tokio::test]
async fn keys_that_are_only_stopped_are_counted_for_they_may_go_on() {
    let (_server, mut root) = with_keys().await;
    let name = "workspaces/acme/principals/ada".to_owned();
    let disable = proto::DisablePrincipalRequest { name, ..Default::default() };
    root.admin.disable_principal(disable).await.unwrap();
    let name = "workspaces/acme".to_owned();
    let suspend = proto::SuspendWorkspaceRequest { name, ..Default::default() };
    root.admin.suspend_workspace(suspend).await.unwrap();
    let mut narrow = rules();
    narrow.roles.pop();
    assert_eq!(losing(&effects(&mut root, narrow).await), ["lowered"]);
}

//! What a policy costs: to compile it, and to decide under it. A large one has 5,000
//! scopes and 500 roles; a decision under it is to cost what it costs under a small one.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use keyward::domain::{
    decision::Inquiry,
    event::Revision,
    fault::Faults,
    key::{Grant, Key},
    live::{Facts, LiveKey, Stored},
    name::Title,
    network::AllowedNetworks,
    policy::{CompiledPolicy, Implication, KeyType, Policy, Preset, Role, Scope},
    principal::{Principal, PrincipalKind},
    time::Timestamp,
    workspace::Workspace,
};

/// How many scopes an area of the product has: reading, writing and administering its
/// things, and all of them at once.
const SCOPES_PER_AREA: usize = 10;

/// A policy of so many areas and roles. Each role holds twenty names or globs.
fn policy(areas: usize, roles: usize) -> Policy {
    let scope = |name: String, implies: Vec<String>| Scope { name, implies, ..Scope::default() };
    let area = |area: usize| {
        let things = (0..3).flat_map(move |thing| {
            let name = move |action: &str| format!("area-{area}.thing-{thing}:{action}");
            [name("read"), name("write"), name("admin")].map(|name| scope(name, Vec::new()))
        });
        let all = format!("area-{area}.*");
        things.chain([scope(all.clone(), vec![all])])
    };
    let rule = |held: &str, implied: &str| Implication {
        scope: format!("{{x}}:{held}"),
        implies: vec![format!("{{x}}:{implied}")],
    };
    let role = |role: usize| {
        let area = |place: usize| (role * 7 + place) % areas;
        let texts = (0..20).map(|place| match place % 4 {
            0 => format!("area-{}.*", area(place)),
            1 => format!("area-{}.thing-1:*", area(place)),
            2 => "*:read".to_owned(),
            _ => format!("area-{}.thing-2:admin", area(place)),
        });
        Role { name: format!("role-{role}"), scopes: texts.collect(), ..Role::default() }
    };
    let preset = Preset {
        name: "read-only".into(),
        scopes: vec!["*.thing-0:read".into()],
        ..Preset::default()
    };
    let key_type = KeyType {
        name: "live".into(),
        prefix: "acme_live".into(),
        is_default: true,
        ..KeyType::default()
    };
    Policy {
        scopes: (0..areas).flat_map(area).collect(),
        implications: vec![rule("write", "read"), rule("admin", "write")],
        presets: vec![preset],
        roles: (0..roles).map(role).collect(),
        key_types: vec![key_type],
        ..Policy::default()
    }
}

fn small() -> Policy {
    policy(1, 1)
}

fn large() -> Policy {
    policy(500, 500)
}

fn compile(policy: Policy) -> CompiledPolicy {
    let mut faults = Faults::new();
    let compiled = CompiledPolicy::compile(policy, "policy", &mut faults);
    faults.finish().unwrap();
    compiled.unwrap()
}

/// A key of an owner with a role, with a scope everywhere and one on a part: of the last
/// area, whose numbers are the highest. The role must allow that.
fn key(policy: Policy, area: &str, role: &str) -> LiveKey {
    let stored = |revision| Stored {
        value: (),
        revision: Revision(revision),
        create_time: Timestamp::from_micros(0),
        update_time: Timestamp::from_micros(0),
    };
    let grant = |scope: &str, resource: Option<&str>| Grant {
        scope: scope.into(),
        resource: resource.map(Into::into),
    };
    let key = Key {
        name: "workspaces/acme/keys/ci".parse().unwrap(),
        title: Title::default(),
        key_type: "live".into(),
        principal: Some("ada".parse().unwrap()),
        grants: vec![
            grant(&format!("{area}.thing-0:read"), None),
            grant(&format!("{area}.*"), Some("team/acme/site/*")),
        ],
        constraint: vec!["team/acme".into()],
        allowed_cidrs: AllowedNetworks::default(),
        expire_time: None,
        plan: String::new(),
        labels: [].into(),
        minting_key: None,
        revoke_time: None,
    };
    let principal = Principal {
        name: "workspaces/acme/principals/ada".parse().unwrap(),
        title: Title::default(),
        kind: PrincipalKind::User,
        role: role.into(),
        confined_to: Vec::new(),
        disabled: false,
        deleted: false,
    };
    let workspace = Workspace {
        name: "workspaces/acme".parse().unwrap(),
        title: Title::default(),
        policy: "policies/acme".parse().unwrap(),
        plan: String::new(),
        suspended: false,
    };
    let facts = Facts {
        key: stored(3).with(key),
        replaced: None,
        workspace: stored(1).with(workspace).into(),
        principal: Some(stored(2).with(principal).into()),
        policy: ("policies/acme".parse().unwrap(), Revision(1)),
    };
    LiveKey::new(facts, Arc::new(compile(policy)))
}

fn compiling(criterion: &mut Criterion) {
    assert_eq!(large().scopes.len(), 500 * SCOPES_PER_AREA);
    let mut group = criterion.benchmark_group("compile");
    for (name, policy) in [("10 scopes, 1 role", small()), ("5000 scopes, 500 roles", large())] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| policy.clone(), compile, BatchSize::LargeInput);
        });
    }
}

fn deciding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for (name, area, role, policy) in [
        ("10 scopes", "area-0", "role-0", small()),
        ("5000 scopes", "area-499", "role-285", large()),
    ] {
        let key = key(policy, area, role);
        let required = [format!("{area}.thing-2:write")];
        let resource = Some("team/acme/site/7");
        let inquiry =
            Inquiry { required_scopes: required[..].into(), resource, ..Inquiry::default() };
        let now = Timestamp::from_micros(1);
        let decision = key.decide(&inquiry, now).unwrap();
        assert_eq!(decision.denial, None);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&key).decide(black_box(&inquiry), now));
        });
        group.bench_function(format!("{name}, and what is effective"), |bencher| {
            bencher.iter(|| black_box(&key).effective(black_box(&inquiry), &decision));
        });
    }
}

criterion_group!(benches, compiling, deciding);
criterion_main!(benches);

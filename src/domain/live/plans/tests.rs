#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::domain::{
    event::Revision,
    fault::Faults,
    key::Key,
    limit::Mark,
    live::Stored,
    name::{KeyName, Title},
    network::AllowedNetworks,
    policy::{KeyType, Policy, RateLimit, Scope},
    time::Timestamp,
    workspace::Workspace,
};

const NOW: Timestamp = Timestamp::from_micros(0);

/// A policy with these plans: each has a limit of a key and one of a workspace, of its name.
fn policy(plans: &[&str]) -> Arc<CompiledPolicy> {
    let limit = |name: String| {
        let window = std::time::Duration::from_secs(1);
        vec![RateLimit { name, quota: 1, window, ..RateLimit::default() }]
    };
    let plan = |name: &&str| Plan {
        name: (*name).into(),
        key_limits: limit(format!("{name}-key")),
        workspace_limits: limit(format!("{name}-all")),
        ..Plan::default()
    };
    let policy = Policy {
        scopes: vec![Scope { name: "sites:read".into(), ..Scope::default() }],
        key_types: vec![KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        plans: plans.iter().map(plan).collect(),
        ..Policy::default()
    };
    Arc::new(CompiledPolicy::compile(policy, "policy", &mut Faults::new()).unwrap())
}

fn live(policy: &Arc<CompiledPolicy>, plan: &str, of_workspace: &str) -> LiveKey {
    fn stored<T>(value: T) -> Stored<T> {
        Stored { value, revision: Revision(1), create_time: NOW, update_time: NOW }
    }
    let key = Key {
        name: "workspaces/acme/keys/ci".parse().unwrap(),
        title: Title::default(),
        key_type: "live".into(),
        principal: None,
        grants: vec![],
        constraint: vec![],
        allowed_cidrs: AllowedNetworks::default(),
        expire_time: None,
        labels: Default::default(),
        plan: plan.into(),
        minting_key: None,
        revoke_time: None,
    };
    let workspace = Workspace {
        name: "workspaces/acme".parse().unwrap(),
        title: Title::default(),
        policy: "policies/acme".parse().unwrap(),
        plan: of_workspace.into(),
        suspended: false,
    };
    let facts = crate::domain::live::Facts {
        key: stored(key),
        replaced: None,
        workspace: stored(workspace).into(),
        principal: None,
        policy: ("policies/acme".parse().unwrap(), Revision(1)),
    };
    LiveKey::new(facts, Arc::clone(policy))
}

#[test]
fn a_key_has_the_limits_of_its_plan_or_of_its_workspaces_and_always_that_ones_ceiling() {
    let policy = policy(&["free", "pro"]);
    let check = |plan, of_workspace, own: &[&str], common: &[&str]| {
        let live = live(&policy, plan, of_workspace);
        let charge = live.charge("", 1, true);
        let names = |shared| charge.limits(shared).map(|limit| &*limit.name).collect::<Vec<_>>();
        assert_eq!((&*names(false), &*names(true)), (own, common), "{plan:?} {of_workspace:?}");
        assert_eq!(charge.is_free(), own.is_empty() && common.is_empty());
    };
    check("pro", "free", &["pro-key"], &["free-all"]);
    check("", "free", &["free-key"], &["free-all"]);
    check("lost", "pro", &["pro-key"], &["pro-all"]);
    check("pro", "", &["pro-key"], &[]);
    check("pro", "lost", &["pro-key"], &[]);
    check("", "", &[], &[]);
    check("lost", "lost", &[], &[]);
}

#[test]
fn a_charge_is_of_the_key_and_costs_something() {
    let live = live(&policy(&["free"]), "free", "");
    let charge = live.charge("read", 0, false);
    assert_eq!((charge.cost, charge.class, charge.tells), (1, "read", false));
    assert_eq!(live.charge("", 7, true).cost, 7);
    assert_eq!((charge.key, charge.marks), (&live.key().name, Marks::of(&live.key().name)));
    assert_eq!((charge.mark(false), charge.mark(true)), (charge.marks.key, charge.marks.workspace));
    assert_eq!((&*charge.holder(false), &*charge.holder(true)), ("acme/ci", "acme"));
}

#[test]
fn no_two_names_have_the_same_mark_nor_a_key_and_its_workspace() {
    let names = ["a/keys/b", "b/keys/a", "a/keys/a", "ab/keys/c", "a/keys/bc"];
    let names: Vec<KeyName> =
        names.iter().map(|name| format!("workspaces/{name}").parse().unwrap()).collect();
    let keys = names.iter().map(Mark::of_key);
    let workspaces = ["a", "b", "ab"].map(|id| Mark::of_workspace(&id.parse().unwrap()));
    let marks: Vec<Mark> = keys.chain(workspaces).collect();
    for (place, one) in marks.iter().enumerate() {
        assert!(marks.iter().skip(place + 1).all(|other| other != one), "{place}");
    }
    assert_eq!(marks.first(), names.first().map(Mark::of_key).as_ref());
}

#[test]
fn a_key_has_no_text_of_its_own_where_its_workspace_has_the_same() {
    let live = live(&policy(&[]), "", "");
    let workspace = live.workspace();
    let [one, other] = [live.name().workspace.as_str(), workspace.name.workspace.as_str()];
    assert!(std::ptr::eq(one, other));
    let [one, other] = [live.policy_name(), &workspace.policy].map(|name| name.policy.as_str());
    assert!(std::ptr::eq(one, other));
}

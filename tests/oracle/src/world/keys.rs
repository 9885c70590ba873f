//! Keys and requests, made up.

use std::{collections::BTreeMap, net::IpAddr};

use keyward::domain::{
    key::{Grant, Key},
    name::Title,
    network::AllowedNetworks,
    policy::Policy,
    principal::{Principal, PrincipalKind},
    resource::Grammar,
    time::Timestamp,
};

use super::{Case, NOW, Request, strings};
use crate::dice::Dice;

/// Names that begin one another.
const SEGMENTS: [&str; 4] = ["s", "st", "1", "10"];
const NETWORKS: [&str; 10] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3/32",
    "10.128.0.0/9",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "2001:db8:0:8000::/49",
    "2001:db8::1/128",
    "::/1",
];
pub(crate) const CLIENTS: [&str; 9] = [
    "10.1.2.3",
    "10.1.2.4",
    "10.129.0.1",
    "192.0.2.1",
    "::ffff:10.1.2.3",
    "::ffff:192.0.2.1",
    "2001:db8::1",
    "2001:db8:0:8000::1",
    "fe80::1",
];

/// A key that holds these scopes everywhere, without any bound.
pub(crate) fn plain_key(policy: Policy, scopes: &[&str]) -> Case {
    let grant = |scope: &&str| Grant { scope: (*scope).to_owned(), resource: None };
    let key = Key {
        name: "workspaces/small/keys/it".parse().unwrap(),
        title: Title::default(),
        key_type: "live".into(),
        principal: None,
        grants: scopes.iter().map(grant).collect(),
        constraint: vec![],
        allowed_cidrs: AllowedNetworks::default(),
        expire_time: None,
        labels: BTreeMap::new(),
        plan: String::new(),
        minting_key: None,
        revoke_time: None,
    };
    Case { policy, key, principal: None, suspended: false, replaced: None }
}

/// An owner.
pub(crate) fn principal(role: &str, confined_to: &[&str]) -> Principal {
    Principal {
        name: "workspaces/small/principals/she".parse().unwrap(),
        title: Title::default(),
        kind: PrincipalKind::User,
        role: role.into(),
        confined_to: strings(confined_to),
        disabled: false,
        deleted: false,
    }
}

/// A key of a policy.
pub(crate) fn any_key(dice: &mut Dice, policy: &Policy) -> Case {
    let grammar = &policy.resources;
    let mut case = plain_key(policy.clone(), &[]);
    case.key.grants = dice.some(4, |dice| Grant {
        scope: any_scope(dice, policy),
        resource: dice.chance(50).then(|| any_pattern(dice, grammar)),
    });
    if dice.chance(40) {
        case.key.constraint = dice.some(2, |dice| any_pattern(dice, grammar));
    }
    if dice.chance(35) {
        let networks = dice.some(2, |dice| dice.pick(&NETWORKS));
        case.key.allowed_cidrs = AllowedNetworks::parse(networks.into_iter()).unwrap();
    }
    case.key.expire_time = dice.chance(30).then(|| any_moment(dice));
    case.key.revoke_time = dice.chance(5).then(|| any_moment(dice));
    case.replaced = dice.chance(12).then(|| any_moment(dice));
    case.suspended = dice.chance(5);
    if dice.chance(55) {
        // Mostly a role of the policy; or one that it lost; or none.
        let mut roles: Vec<&str> = policy.roles.iter().map(|role| role.name.as_str()).collect();
        if roles.is_empty() || dice.chance(15) {
            roles = vec!["", "lost"];
        }
        let mut principal = principal(dice.pick(&roles), &[]);
        principal.disabled = dice.chance(8);
        if dice.chance(30) {
            principal.confined_to = dice.some(2, |dice| any_pattern(dice, grammar));
        }
        case.key.principal = Some(principal.name.principal.clone());
        case.principal = Some(principal);
    }
    case
}

/// A request to a key of a policy.
pub(crate) fn any_request(dice: &mut Dice, policy: &Policy) -> Request {
    Request {
        now: any_moment(dice),
        client: dice.chance(75).then(|| dice.pick(&CLIENTS).parse::<IpAddr>().unwrap()),
        required: dice.some(2, |dice| any_scope(dice, policy)),
        resource: dice.chance(75).then(|| any_path(dice, &policy.resources)),
    }
}

/// A scope of the policy, or rarely something like it.
fn any_scope(dice: &mut Dice, policy: &Policy) -> String {
    if dice.chance(2) {
        return dice.pick(&["a:raed", "roots", "completely/else", "b:rea", ""]).to_owned();
    }
    dice.pick(&policy.scopes).name
}

/// Just before, at, and just after a moment.
fn any_moment(dice: &mut Dice) -> Timestamp {
    Timestamp::from_micros(NOW - 1 + dice.below(3) as i64)
}

/// A path, or rarely something like it.
fn any_path(dice: &mut Dice, grammar: &Grammar) -> String {
    let length = 1 + dice.below(3);
    let names: Vec<&str> = (0..length).map(|_| dice.pick(&SEGMENTS)).collect();
    spelled(dice, grammar, names)
}

/// A pattern, or rarely something like it: that is what patterns are where the grammar
/// of the policy has changed.
pub(crate) fn any_pattern(dice: &mut Dice, grammar: &Grammar) -> String {
    if dice.chance(5) {
        return "*".to_owned();
    }
    let wildcard = grammar.wildcard().to_string();
    let length = 1 + dice.below(3);
    let one = |dice: &mut Dice| {
        if dice.chance(20) { wildcard.clone() } else { dice.pick(&SEGMENTS).to_owned() }
    };
    let mut segments: Vec<String> = (0..length).map(|_| one(dice)).collect();
    if dice.chance(25) {
        segments.push("**".to_owned());
    }
    spelled(dice, grammar, segments.iter().map(String::as_str).collect())
}

fn spelled(dice: &mut Dice, grammar: &Grammar, mut segments: Vec<&str>) -> String {
    if dice.chance(8) {
        segments.insert(0, "");
    }
    if dice.chance(3) {
        let place = dice.below(segments.len());
        segments[place] = dice.pick(&["", "*", "#", "**", "s*", "1#"]);
    }
    segments.join(&grammar.separator().to_string())
}

//! A key mints keys that it covers. Whatever such a key is allowed, its maker is.

use std::collections::BTreeMap;

use keyward::domain::{network::AllowedNetworks, time::Timestamp};

use crate::{
    dice::Dice,
    rules::{
        decisions::{Answer, Holding, decide, holdings},
        scopes,
    },
    world::{CLIENTS, Case, NOW, Request, any_key, any_pattern, any_policy, compile},
};

/// How many pairs of keys are compared.
const PAIRS: usize = if cfg!(debug_assertions) { 400 } else { 5_000 };

#[test]
fn a_covered_key_is_allowed_nothing_that_is_denied_to_the_one_that_covers_it() {
    let mut dice = Dice::of("minting");
    let (mut covered, mut allowed) = (0, 0);
    let mut short: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..PAIRS {
        let policy = any_policy(&mut dice);
        let compiled = compile(&policy).unwrap();
        let ours = working(any_key(&mut dice, &policy));
        let theirs = other(&mut dice, &ours);
        let (our, their) = (ours.live(&compiled), theirs.live(&compiled));
        let shortfall = our.shortfall(&their);
        for field in &shortfall {
            *short.entry(*field).or_default() += 1;
        }
        assert_eq!(shortfall.contains(&"expire_time"), outlives(&theirs, &ours));
        if !our.covers(&their) {
            continue;
        }
        covered += 1;
        assert!(shortfall.is_empty(), "covered, but for {shortfall:?}");
        let (held, asked) = (holdings(&ours), holdings(&theirs));
        for request in requests(&ours) {
            if !is_allowed(&theirs, &asked, &request) {
                continue;
            }
            allowed += 1;
            let again = dice.again();
            assert!(
                is_allowed(&ours, &held, &request),
                "{again}\n{request}\nis allowed to\n{theirs}which is covered by\n{ours}"
            );
        }
    }
    println!("{covered} of {PAIRS} covered, {allowed} requests allowed, short: {short:?}");
    assert!(covered * 10 > PAIRS && covered * 10 < PAIRS * 9, "{covered} of {PAIRS}");
    assert!(allowed > PAIRS, "{allowed} requests are allowed to covered keys");
    assert_eq!(short.len(), 4, "each field falls short: {short:?}");
}

fn is_allowed(case: &Case, held: &[Holding<'_>], request: &Request) -> bool {
    decide(case, held, request) == Answer::Allow
}

/// Whether there is a moment at which one key is not expired and another is.
fn outlives(one: &Case, another: &Case) -> bool {
    let lives = |case: &Case, now: i64| case.key.expire_time.is_none_or(|end| now < end.micros());
    [NOW - 1, NOW, NOW + 1, i64::MAX].iter().any(|now| lives(one, *now) && !lives(another, *now))
}

/// A key that mints works now, and for a while.
fn working(mut case: Case) -> Case {
    let soon = Timestamp::from_micros(NOW + 1);
    case.key.expire_time = case.key.expire_time.map(|_| soon);
    case.key.revoke_time = None;
    case.replaced = None;
    case.suspended = false;
    if let Some(owner) = &mut case.principal {
        owner.disabled = false;
    }
    case
}

/// Another key of the same policy. Mostly it is made narrower in some fields, sometimes
/// it is any; often one field is that of any other key.
fn other(dice: &mut Dice, ours: &Case) -> Case {
    let policy = &ours.policy;
    let any = working(any_key(dice, policy));
    if dice.chance(10) {
        return any;
    }
    let mut theirs = ours.clone();
    for grant in &mut theirs.key.grants {
        let reach = scopes::closure(policy, &grant.scope);
        if dice.chance(30) && !reach.is_empty() {
            grant.scope = dice.pick(&reach).to_owned();
        }
        if dice.chance(30) {
            grant.resource = Some(any_pattern(dice, &policy.resources));
        }
    }
    if dice.chance(30) {
        let keep = dice.below(theirs.key.grants.len() + 1);
        theirs.key.grants.truncate(keep);
    }
    if dice.chance(30) {
        theirs.key.constraint.truncate(1);
    }
    // What confines the maker must stand in the constraint of what it makes.
    if let Some(owner) = ours.principal.as_ref().filter(|_| theirs.key.constraint.is_empty()) {
        theirs.key.constraint.clone_from(&owner.confined_to);
    }
    if dice.chance(30) {
        theirs.key.expire_time = Some(Timestamp::from_micros(NOW));
    }
    match dice.below(12) {
        0 => theirs.key.grants = any.key.grants,
        1 => theirs.key.grants.extend(any.key.grants.into_iter().next()),
        2 => theirs.key.constraint = any.key.constraint,
        3 => theirs.key.allowed_cidrs = any.key.allowed_cidrs,
        4 => theirs.key.expire_time = any.key.expire_time,
        5 => theirs.principal = any.principal,
        6 => theirs.key.allowed_cidrs = AllowedNetworks::parse(["10.1.2.3"].into_iter()).unwrap(),
        _ => {}
    }
    theirs
}

/// All requests of a universe in which they can still be counted: each scope alone, and
/// none; all paths of up to three names, and none; before and at the moments that keys
/// end; from everywhere.
fn requests(case: &Case) -> Vec<Request> {
    let separator = case.policy.resources.separator();
    let names = ["s", "st", "1"];
    let mut paths: Vec<String> = names.map(str::to_owned).to_vec();
    let mut first = 0;
    for _ in 1..3 {
        let longer = first..paths.len();
        first = paths.len();
        for place in longer {
            paths.extend(names.map(|name| format!("{}{separator}{name}", paths[place])));
        }
    }
    paths.extend(["s", "st"].map(|name| format!("{separator}{name}")));
    let resources = || std::iter::once(None).chain(paths.iter().cloned().map(Some));
    let mut required = vec![vec![]];
    required.extend(case.policy.scopes.iter().map(|scope| vec![scope.name.clone()]));
    let clients = || CLIENTS.iter().map(|client| client.parse().ok()).chain([None]);
    let mut all = vec![];
    for micros in [NOW - 1, NOW, NOW + 1] {
        let now = Timestamp::from_micros(micros);
        for client in clients() {
            let from = Request { now, client, required: vec![], resource: None };
            all.push(from);
        }
    }
    let now = Timestamp::from_micros(NOW - 1);
    for resource in resources() {
        for required in &required {
            for client in clients() {
                let (required, resource) = (required.clone(), resource.clone());
                all.push(Request { now, client, required, resource });
            }
        }
    }
    all
}

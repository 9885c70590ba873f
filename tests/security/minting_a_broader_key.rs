//! A key that makes a key which can do more than itself.
//!
//! - better-auth, CVE-2025-61928: a key was made for whoever the request named.
//! - Capgo, CVE-2026-56216: a limited key made one without limits.
//! - StudioCMS, GHSA-667w-mmh7-mrr4: an editor made a token of an owner.
//!
//! Whether one key covers another is compared with an oracle in `tests/oracle/src/minting.rs`, field by
//! field in `tests/api/keys/create/minting`, and for the keys of callers in
//! `tests/api/keys/own_keys.rs`. Here by what keys can do once they are made: keys at random ask for
//! others at random, alone, in batches and over generations, and no question that such a key is
//! allowed is denied to the one that it was made by.

use std::time::{SystemTime, UNIX_EPOCH};

use keyward::proto::{self, IntrospectRequest, key::Expiration};
use prost_types::Timestamp;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    random::{Random, seed},
    support::{Caller, strings},
    ways::{is_allowed, question},
    world::Store,
};

on_each_store!(
    what_a_minted_key_is_allowed_its_maker_is,
    a_caller_makes_no_caller_that_can_do_more,
);

/// How many keys ask for another.
const MINTERS: usize = 25;
/// How many others each asks for.
const EACH: usize = 8;

const SCOPES: [&str; 6] =
    ["sites:admin", "sites:write", "sites:read", "jobs:read", "exec:raw", "*"];
/// No resource stands for all of them.
const PATTERNS: [&str; 7] = ["", "", "sites/1", "sites/1/**", "sites/*", "sites/12", "*"];
const RESOURCES: [&str; 6] = ["", "sites", "sites/1", "sites/1/pages", "sites/12", "sites/2"];
const NETWORKS: [&str; 6] =
    ["192.0.2.0/24", "192.0.2.0/25", "192.0.2.1", "0.0.0.0/0", "::/0", "2001:db8::/32"];
const CLIENTS: [&str; 5] = ["", "192.0.2.1", "192.0.2.200", "198.51.100.1", "2001:db8::1"];
const ROLES: [&str; 3] = ["owner", "observer", "reader"];

fn some<'a>(random: &mut Random, texts: &[&'a str], most: usize) -> Vec<&'a str> {
    (0..random.below(most + 1)).map(|_| texts[random.below(texts.len())]).collect()
}

fn in_hours(hours: i64) -> Expiration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    Expiration::ExpireTime(Timestamp { seconds: now + hours * 3_600, nanos: 0 })
}

/// A key at random, of one of the owners or of nobody.
fn any_key(random: &mut Random, scopes: &[&str]) -> proto::Key {
    let mut grants = Vec::new();
    for _ in 0..=random.below(3) {
        let scope = scopes[random.below(scopes.len())].to_owned();
        let resource = PATTERNS[random.below(PATTERNS.len())].to_owned();
        grants.push(proto::Grant { scope, resource });
    }
    let expiration = match random.below(4) {
        0 => None,
        1 => Some(Expiration::NeverExpires(true)),
        _ => Some(in_hours(1 + random.below(3) as i64)),
    };
    let principal = match random.below(5) {
        at @ 0..3 => format!("workspaces/acme/principals/{}", ROLES[at]),
        3 => "workspaces/acme/principals/confined".to_owned(),
        _ => String::new(),
    };
    let constraint: Vec<&str> = some(random, &PATTERNS[2..], 1);
    proto::Key {
        display_name: "a key".to_owned(),
        grants,
        constraint: strings(&constraint),
        allowed_cidrs: strings(&some(random, &NETWORKS, 2)),
        expiration,
        principal,
        ..Default::default()
    }
}

/// Nearly the same key: each field of another at times.
fn near(random: &mut Random, key: &proto::Key, scopes: &[&str]) -> proto::Key {
    let other = any_key(random, scopes);
    let mut near = proto::Key { name: String::new(), ..key.clone() };
    let mut is_other = || random.below(4) == 0;
    if is_other() {
        near.grants = other.grants;
    }
    if is_other() {
        near.constraint = other.constraint;
    }
    if is_other() {
        near.allowed_cidrs = other.allowed_cidrs;
    }
    if is_other() {
        near.expiration = other.expiration;
    }
    if is_other() {
        near.principal = other.principal;
    }
    near
}

/// What the key of this secret is allowed, of all that can be asked.
async fn allowed(root: &mut Caller, secret: &str) -> Vec<bool> {
    let mut requests = Vec::new();
    for scope in SCOPES {
        for resource in RESOURCES {
            for client in CLIENTS {
                let client_ip = client.to_owned();
                requests
                    .push(IntrospectRequest { client_ip, ..question(secret, &[scope], resource) });
            }
        }
    }
    let request = proto::BatchIntrospectRequest { requests };
    let answers = root.introspect.batch_introspect(request).await.unwrap().into_inner();
    answers.responses.iter().map(is_allowed).collect()
}

/// The end of a key; none: never.
fn end(key: &proto::Key) -> Option<i64> {
    match key.expiration {
        Some(Expiration::ExpireTime(end)) => Some(end.seconds),
        _ => None,
    }
}

#[track_caller]
fn is_no_more(minted: (&proto::Key, &[bool]), minter: (&proto::Key, &[bool])) {
    let more = minted.1.iter().zip(minter.1).any(|(its, makers)| *its && !*makers);
    assert!(!more, "{:#?}\ncan do more than\n{:#?}", minted.0, minter.0);
    if let Some(last) = end(minter.0) {
        assert!(end(minted.0).is_some_and(|end| end <= last), "{:#?}", minted.0);
    }
    assert_eq!(minted.0.name.split('/').nth(1), Some("acme"));
}

async fn mint(
    root: &mut Caller,
    minter: &str,
    key: proto::Key,
    together: bool,
) -> Result<proto::CreateKeyResponse, tonic::Status> {
    let parent = "workspaces/acme".to_owned();
    let minting_key = minter.to_owned();
    let one = proto::CreateKeyRequest {
        parent: parent.clone(),
        key: Some(key),
        minting_key,
        ..Default::default()
    };
    if together {
        let requests = vec![one];
        let request = proto::BatchCreateKeysRequest { parent, requests, ..Default::default() };
        let made = root.admin.batch_create_keys(request).await?.into_inner().responses;
        Ok(made.into_iter().next().unwrap())
    } else {
        Ok(root.admin.create_key(one).await?.into_inner())
    }
}

async fn what_a_minted_key_is_allowed_its_maker_is(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    let mut policy = crate::support::policy();
    policy.roles.push(proto::Role {
        name: "reader".to_owned(),
        scopes: strings(&["sites:read"]),
        ..Default::default()
    });
    policy.name = "policies/acme".to_owned();
    let request = proto::UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    root.admin.update_policy(request).await.unwrap();
    for role in ROLES {
        root.create_principal("acme", role, role).await;
    }
    let confined = root.create_principal("acme", "confined", "owner").await;
    let confined = proto::Principal { confined_to: strings(&["sites/1"]), ..confined };
    let request = proto::UpdatePrincipalRequest { principal: Some(confined), ..Default::default() };
    root.admin.update_principal(request).await.unwrap();

    let mut random = Random::new(seed("minting_a_broader_key"));
    let (mut made, mut refused, mut telling) = (0, 0, 0);
    for _ in 0..MINTERS {
        let first = root.create_key("acme", "", any_key(&mut random, &SCOPES)).await;
        let mut minter = first.key.unwrap();
        let mut makers = allowed(&mut root, &first.secret).await;
        for _ in 0..EACH {
            let wanted = near(&mut random, &minter, &SCOPES);
            let together = random.below(2) == 0;
            match mint(&mut root, &minter.name, wanted, together).await {
                Ok(minted) => {
                    let key = minted.key.unwrap();
                    let its = allowed(&mut root, &minted.secret).await;
                    is_no_more((&key, &its), (&minter, &makers));
                    made += 1;
                    telling += usize::from(its.contains(&true));
                    // At times it makes the next one.
                    if random.below(3) == 0 {
                        (minter, makers) = (key, its);
                    }
                }
                Err(status) => {
                    let reason = status.get_details_error_info().unwrap().reason;
                    let expected = (Code::PermissionDenied, "BROADER_THAN_MINTING_KEY");
                    assert_eq!((status.code(), reason.as_str()), expected, "{status:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(made > MINTERS && refused > MINTERS, "{made} were made, {refused} refused");
    assert!(telling > MINTERS / 2, "{telling} of {made} were allowed anything");
}

/// What a caller may call, for each workspace, in brief.
async fn may_do(caller: &mut Caller) -> Vec<bool> {
    let mut may = Vec::new();
    for workspace in ["acme", "other", "system"] {
        let parent = format!("workspaces/{workspace}");
        let admin = &mut caller.admin;
        let keys = proto::ListKeysRequest { parent: parent.clone(), ..Default::default() };
        may.push(admin.list_keys(keys).await.is_ok());
        let events = proto::ListEventsRequest { parent: parent.clone(), ..Default::default() };
        may.push(admin.list_events(events).await.is_ok());
        let made = proto::CreateKeyRequest {
            parent: parent.clone(),
            key: Some(proto::Key {
                display_name: "tried".to_owned(),
                grants: crate::support::grants(&["events:read"]),
                ..Default::default()
            }),
            validate_only: true,
            ..Default::default()
        };
        // What it may not is told before what is wrong.
        may.push(match admin.create_key(made).await {
            Ok(_) => true,
            Err(status) => status.code() == Code::InvalidArgument,
        });
        let suspend = proto::SuspendWorkspaceRequest {
            name: parent,
            validate_only: true,
            ..Default::default()
        };
        may.push(match admin.suspend_workspace(suspend).await {
            Ok(_) => true,
            Err(status) => !matches!(status.code(), Code::PermissionDenied | Code::NotFound),
        });
    }
    let events = caller.admin.list_events(proto::ListEventsRequest::default()).await;
    may.push(events.is_ok());
    may
}

async fn a_caller_makes_no_caller_that_can_do_more(store: Store) {
    const OF_SYSTEM: [&str; 5] =
        ["*", "keys:write", "keys:read", "events:read", "workspaces:write"];
    const REACHED: [&str; 6] =
        ["", "", "workspaces/system", "workspaces/system/**", "workspaces/acme/**", "workspaces/*"];
    const HERE: [&str; 3] = ["127.0.0.0/8", "0.0.0.0/0", "*"];
    let (server, mut root) = store.with_workspaces().await;
    let mut random = Random::new(seed("a_caller_makes_no_caller"));
    let any = |random: &mut Random| {
        let mut key = any_key(random, &OF_SYSTEM);
        for grant in &mut key.grants {
            grant.resource = REACHED[random.below(REACHED.len())].to_owned();
        }
        key.constraint = strings(&some(random, &REACHED[2..], 2));
        key.allowed_cidrs = strings(&some(random, &HERE, 1));
        key.principal = String::new();
        key
    };
    let (mut made, mut refused) = (0, 0);
    for _ in 0..MINTERS {
        let mut own = any(&mut random);
        // Who can make callers at all reaches where they are.
        let on = "workspaces/system/**".to_owned();
        own.grants.push(proto::Grant { scope: "keys:write".to_owned(), resource: on.clone() });
        if !own.constraint.is_empty() {
            own.constraint.push(on);
        }
        let secret = root.create_key("system", "", own.clone()).await.secret;
        let mut caller = server.caller_with(Some(&secret)).await;
        let makers = may_do(&mut caller).await;
        for _ in 0..EACH {
            let mut wanted = own.clone();
            let other = any(&mut random);
            match random.below(5) {
                0 => wanted.grants = other.grants,
                1 => wanted.constraint = other.constraint,
                2 => wanted.allowed_cidrs = other.allowed_cidrs,
                3 => wanted.expiration = other.expiration,
                _ => wanted.grants.truncate(1),
            }
            let parent = "workspaces/system".to_owned();
            let request =
                proto::CreateKeyRequest { parent, key: Some(wanted), ..Default::default() };
            match caller.admin.create_key(request).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    let mut minted = server.caller_with(Some(&answer.secret)).await;
                    let its = may_do(&mut minted).await;
                    let more = its.iter().zip(&makers).any(|(its, makers)| *its && !*makers);
                    assert!(!more, "{:#?}\n{its:?}\nby\n{own:#?}\n{makers:?}", answer.key);
                    if let Some(last) = end(&own) {
                        let its = end(answer.key.as_ref().unwrap());
                        assert!(its.is_some_and(|end| end <= last), "{its:?} after {last}");
                    }
                    made += 1;
                }
                Err(status) => {
                    let reason = status.get_details_error_info().unwrap().reason;
                    assert_eq!(reason, "BROADER_THAN_CALLER", "{status:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(made > MINTERS && refused > MINTERS / 2, "{made} were made, {refused} refused");
}

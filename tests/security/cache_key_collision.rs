//! Two questions that a cache takes for one.
//!
//! - OpenFGA, CVE-2026-33729, -34972, -41131, -48096: what was cached was the decision, under a key
//!   into which parts of the question were joined without saying where each ends, or were left out.
//! - SpiceDB, CVE-2026-55866, -46668: the same with caveats and contexts.
//!
//! Here records are cached, never decisions. Questions that differ in one part only, or in where
//! one part ends and the next begins, are asked in every order by callers who may know different
//! things, of one warm cache: each is answered as if it were the only one.

use std::collections::HashMap;

use keyward::proto::{self, DenyReason, IntrospectRequest};

use crate::{
    random::{Random, seed},
    support::{Caller, policy, strings},
    ways::{WAYS, Ways, question},
    world::Store,
};

on_each_store!(questions_that_differ_in_one_part_are_never_taken_for_one_another);

/// How often all questions are asked, each time in another order.
const ROUNDS: usize = 1;

/// A key: its workspace, its grants with the resource of each, its constraint, and its network.
struct Kept {
    workspace: &'static str,
    grants: &'static [(&'static str, &'static str)],
    constraint: &'static str,
    network: &'static str,
}

/// The same id in two workspaces, and scopes whose names run into each other.
const KEYS: [Kept; 4] = [
    Kept {
        workspace: "acme",
        grants: &[("a:b", ""), ("c", "x/1")],
        constraint: "",
        network: "10.0.0.1",
    },
    Kept { workspace: "other", grants: &[("a", ""), ("b:c", "x/11")], constraint: "", network: "" },
    Kept { workspace: "acme", grants: &[("a", ""), ("c", "")], constraint: "x/1", network: "" },
    Kept { workspace: "other", grants: &[("a:b", "x/1"), ("c", "")], constraint: "x", network: "" },
];

const REQUIRED: [&[&str]; 8] =
    [&[], &["a"], &["a:b"], &["a:b", "c"], &["a", "b:c"], &["c", "a"], &["a", "c"], &["a", "a:b"]];
const RESOURCES: [&str; 4] = ["", "x/1", "x/11", "x1"];
const CLIENTS: [&str; 2] = ["10.0.0.1", "10.0.0.11"];
/// Who asks, by the workspace that it is bound to.
const CALLERS: [&str; 3] = ["", "acme", "other"];

/// What a question is denied for, said by hand.
fn expected(kept: &Kept, bound: &str, asked: &IntrospectRequest) -> DenyReason {
    let beneath = |resource: &str, root: &str| {
        let (mut path, mut root) = (resource.split('/'), root.split('/'));
        !resource.is_empty() && root.all(|part| path.next() == Some(part))
    };
    let holds = |scope: &String| {
        kept.grants
            .iter()
            .any(|(held, on)| held == scope && (on.is_empty() || *on == asked.resource))
    };
    if !bound.is_empty() && bound != kept.workspace {
        DenyReason::InvalidKey
    } else if !kept.network.is_empty() && kept.network != asked.client_ip {
        DenyReason::IpNotAllowed
    } else if !kept.constraint.is_empty() && !beneath(&asked.resource, kept.constraint) {
        DenyReason::OutsideConstraint
    } else if !asked.required_scopes.iter().all(holds) {
        DenyReason::InsufficientScope
    } else {
        DenyReason::Unspecified
    }
}

async fn keys(root: &mut Caller) -> Vec<String> {
    let scope = |name: &str| proto::Scope { name: name.to_owned(), ..Default::default() };
    let scopes = ["a", "b", "c", "a:b", "b:c"].map(scope).to_vec();
    let policy = proto::Policy { scopes, roles: Vec::new(), ..policy() };
    root.create_policy("joined", policy).await;
    for workspace in ["acme", "other"] {
        root.create_workspace(workspace, "policies/joined").await;
    }
    let mut secrets = Vec::new();
    for (number, kept) in KEYS.iter().enumerate() {
        let grant = |(scope, resource): &(&str, &str)| proto::Grant {
            scope: (*scope).to_owned(),
            resource: (*resource).to_owned(),
        };
        let given = |text: &str| if text.is_empty() { Vec::new() } else { strings(&[text]) };
        let key = proto::Key {
            display_name: "a key".to_owned(),
            grants: kept.grants.iter().map(grant).collect(),
            constraint: given(kept.constraint),
            allowed_cidrs: given(kept.network),
            ..Default::default()
        };
        // Two and two have one id.
        secrets
            .push(root.create_key(kept.workspace, &format!("k{}", number / 2), key).await.secret);
    }
    secrets
}

async fn questions_that_differ_in_one_part_are_never_taken_for_one_another(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    let secrets = keys(&mut root).await;
    let mut callers = Vec::new();
    for bound in CALLERS {
        let constraint = format!("workspaces/{bound}");
        let constraint = if bound.is_empty() { vec![] } else { vec![&*constraint] };
        callers.push(Ways::new(server.caller(&["introspect"], &constraint).await).await);
    }
    let mut all = Vec::new();
    for (key, secret) in secrets.iter().enumerate() {
        for required in REQUIRED {
            for resource in RESOURCES {
                for client in CLIENTS {
                    let client_ip = client.to_owned();
                    let asked =
                        IntrospectRequest { client_ip, ..question(secret, required, resource) };
                    all.extend((0..CALLERS.len()).map(|caller| (key, caller, asked.clone())));
                }
            }
        }
    }
    let mut random = Random::new(seed("cache_key_collision"));
    let mut reasons: HashMap<DenyReason, usize> = HashMap::new();
    for _ in 0..ROUNDS {
        // Fisher and Yates.
        for last in (1..all.len()).rev() {
            all.swap(last, random.below(last + 1));
        }
        for (key, caller, asked) in &all {
            let way = WAYS[random.below(WAYS.len())];
            let answer = callers[*caller].ask(way, asked).await.unwrap();
            let expected = expected(&KEYS[*key], CALLERS[*caller], asked);
            assert_eq!(answer.reason(), expected, "key {key}, {way:?}, {asked:?}");
            *reasons.entry(expected).or_default() += 1;
        }
    }
    assert_eq!(reasons.len(), 5, "every answer is met with: {reasons:?}");
    // All of it rests on four records, beside those of the callers.
    let counts = server.cache.counts();
    assert!(counts.hits > 10 * counts.loads, "the cache was warm: {counts:?}");
}

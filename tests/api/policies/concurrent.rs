//! Changes of a policy while keys are made and changed.

use futures_util::future::{Either, join, join_all};
use keyward::proto::{self, DenyReason, UpdatePolicyRequest};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::effects::change;
use crate::support::{self, Caller, Server, grants, policy, reader, strings};

const ROUNDS: usize = 24;
const KEYS: usize = 6;
const UPDATES: usize = 8;

/// A policy of this id under which `sites:write` does not imply `sites:read`.
fn narrow(id: &str) -> proto::Policy {
    let mut narrow = proto::Policy { name: format!("policies/{id}"), ..policy() };
    narrow.scopes[2].implies.clear();
    narrow
}

fn writer() -> proto::Key {
    proto::Key { grants: grants(&["sites:write"]), ..reader() }
}

/// Gives a key what the narrower policy would take from it: makes it anew, or changes one
/// that is there. The revision and the secret of it.
async fn give(mut root: Caller, workspace: String, number: usize) -> (i64, String) {
    if number.is_multiple_of(2) {
        let made = root.create_key(&workspace, "", writer()).await;
        return (made.key.unwrap().revision, made.secret);
    }
    let idle = proto::Key { grants: grants(&["jobs:read"]), ..reader() };
    let made = root.create_key(&workspace, "", idle).await;
    let key = proto::Key { name: made.key.unwrap().name, ..writer() };
    let request = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
    let changed = root.admin.update_key(request).await.unwrap().into_inner().key.unwrap();
    (changed.revision, made.secret)
}

#[tokio::test]
async fn an_update_that_was_not_forced_took_nothing_from_keys_made_before_it() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for round in 0..ROUNDS {
        let id = format!("round-{round}");
        root.create_policy(&id, policy()).await;
        root.create_workspace(&id, &format!("policies/{id}")).await;
        let calls = (0..=KEYS).map(|place| {
            let (mut root, id) = (root.clone(), id.clone());
            // The update is now the first, now the last, mostly between.
            if place == round % (KEYS + 1) {
                return Either::Left(async move {
                    Err(change(&mut root, narrow(&id), [false, false]).await)
                });
            }
            Either::Right(async move { Ok(give(root, id, place).await) })
        });
        let mut given = Vec::new();
        let mut update = None;
        for outcome in join_all(calls).await {
            match outcome {
                Ok(key) => given.push(key),
                Err(outcome) => update = Some(outcome),
            }
        }
        let done = match update.unwrap() {
            Ok(answer) => answer.into_inner().policy.unwrap().revision,
            Err(status) => {
                let reason = status.get_details_error_info().unwrap().reason;
                assert_eq!(
                    (status.code(), &*reason),
                    (Code::FailedPrecondition, "LIVE_KEYS_AFFECTED")
                );
                i64::MAX
            }
        };
        for (revision, secret) in given {
            let reason = root.ask(&secret, &["sites:read"], "").await.reason();
            let could_before = revision < done;
            let expected =
                if could_before { DenyReason::Unspecified } else { DenyReason::InsufficientScope };
            assert_eq!(reason, expected, "round {round}: {revision} and {done}");
        }
    }
}

#[tokio::test]
async fn a_role_raised_meanwhile_is_seen_or_the_update_comes_first() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for round in 0..ROUNDS {
        let id = format!("round-{round}");
        let mut wide = policy();
        wide.roles[1].scopes = strings(&["jobs:read"]);
        root.create_policy(&id, wide.clone()).await;
        root.create_workspace(&id, &format!("policies/{id}")).await;
        let name = root.create_principal(&id, "eve", "observer").await.name;
        let key = proto::Key { principal: name.clone(), ..writer() };
        let secret = root.create_key(&id, "ci", key).await.secret;
        let raised = proto::Principal { name, role: "owner".into(), ..Default::default() };
        let raise = proto::UpdatePrincipalRequest { principal: Some(raised), ..Default::default() };
        let mut narrow = narrow(&id);
        narrow.roles = wide.roles;
        let (mut one, mut other) = (root.clone(), root.clone());
        let (raised, changed) =
            join(one.admin.update_principal(raise), change(&mut other, narrow, [false, false]))
                .await;
        let raised = raised.unwrap().into_inner().principal.unwrap().revision;
        let reason = root.ask(&secret, &["sites:read"], "").await.reason();
        match changed {
            Ok(answer) => {
                assert!(answer.into_inner().policy.unwrap().revision < raised, "round {round}");
                assert_eq!(reason, DenyReason::InsufficientScope);
            }
            Err(_) => assert_eq!(reason, DenyReason::Unspecified),
        }
    }
}

#[tokio::test]
async fn of_many_updates_at_once_none_seems_to_take_what_another_gives() {
    let server = Server::start().await;
    let mut root = server.root().await;
    for round in 0..ROUNDS {
        let id = format!("round-{round}");
        root.create_policy(&id, narrow("")).await;
        root.create_workspace(&id, &format!("policies/{id}")).await;
        root.create_key(&id, "ci", writer()).await;
        let name = format!("policies/{id}");
        let titled = |number: usize| proto::Policy {
            name: name.clone(),
            display_name: format!("title {number}"),
            ..Default::default()
        };
        let updates = (0..UPDATES).map(|number| {
            let mut policy = titled(number);
            if number == UPDATES / 2 {
                policy.scopes = support::policy().scopes;
            }
            let (mut root, policy) = (root.clone(), Some(policy));
            async move {
                root.admin.update_policy(UpdatePolicyRequest { policy, ..Default::default() }).await
            }
        });
        for outcome in join_all(updates).await {
            outcome.unwrap_or_else(|status| panic!("round {round}: {status:?}"));
        }
    }
}

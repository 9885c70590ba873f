//! A change of one system's policy is for its own keys.

use keyward::proto;
use prost_types::FieldMask;

use super::{Sample, samples};
use crate::{
    harness::{Caller, grants, strings},
    scenario::Verdict,
    support::{SYSTEMS, all_systems},
};

/// What every key is answered, all that is said of it.
async fn answers(root: &mut Caller, samples: &[Sample]) -> Vec<proto::IntrospectResponse> {
    let mut answers = Vec::new();
    for sample in samples {
        answers.push(root.ask(&sample.secret, &[sample.scope], "").await);
    }
    answers
}

/// Changes these fields of a system's policy, whatever its keys lose.
async fn change(
    root: &mut Caller,
    system: &str,
    fields: &[&str],
    change: impl FnOnce(&mut proto::Policy),
) {
    let name = format!("policies/{system}");
    let request = proto::GetPolicyRequest { name };
    let mut policy = root.admin.get_policy(request).await.unwrap().into_inner();
    change(&mut policy);
    let request = proto::UpdatePolicyRequest {
        policy: Some(policy),
        update_mask: Some(FieldMask { paths: strings(fields) }),
        force: true,
        ..Default::default()
    };
    root.admin.update_policy(request).await.unwrap();
}

#[tokio::test]
async fn a_changed_policy_leaves_the_keys_of_the_other_systems_alone() {
    let (_server, mut root, samples) = samples().await;
    for changed in SYSTEMS {
        let before = answers(&mut root, &samples).await;
        change(&mut root, changed, &["scopes", "hide_existence"], |policy| {
            policy.hide_existence = !policy.hide_existence;
            let held = samples.iter().find(|sample| sample.system == changed).unwrap().scope;
            let scope = policy.scopes.iter_mut().find(|scope| scope.name == held).unwrap();
            scope.implies.push("extra".to_owned());
            policy.scopes.push(proto::Scope { name: "extra".into(), ..Default::default() });
        })
        .await;
        let after = answers(&mut root, &samples).await;
        for ((sample, before), after) in samples.iter().zip(&before).zip(&after) {
            let system = sample.system;
            if system == changed {
                assert!(after.effective_scopes.contains(&"extra".to_owned()), "{system}");
                assert!(after.revision > before.revision, "{system}");
            } else {
                assert_eq!(after, before, "{system}, when {changed} was changed");
            }
        }
    }
}

#[tokio::test]
async fn a_scope_that_one_system_takes_away_is_still_there_in_the_others() {
    let (_server, mut root) = all_systems().await;
    let key = proto::Key {
        display_name: "admin".into(),
        grants: grants(&["admin"]),
        ..Default::default()
    };
    let mut secrets = Vec::new();
    for system in ["newport", "fsckmsft", "aerovy"] {
        secrets.push(root.create_key(system, "admin", key.clone()).await.secret);
    }
    change(&mut root, "newport", &["scopes"], |policy| {
        policy.scopes.retain(|scope| scope.name != "admin");
    })
    .await;
    let lost = root.ask(&secrets[0], &["read:all"], "").await;
    Verdict::Lacks(&["read:all"]).check(&lost, "newport");
    for (secret, system) in secrets[1..].iter().zip(["fsckmsft", "aerovy"]) {
        Verdict::Allowed.check(&root.ask(secret, &["admin"], "").await, system);
    }
}

#[tokio::test]
async fn a_suspended_system_stops_its_own_keys_alone() {
    let (_server, mut root, samples) = samples().await;
    let name = "workspaces/fsckmsft".to_owned();
    let request = proto::SuspendWorkspaceRequest { name, ..Default::default() };
    root.admin.suspend_workspace(request).await.unwrap();
    for (sample, answer) in samples.iter().zip(answers(&mut root, &samples).await) {
        let verdict = match sample.system {
            "fsckmsft" => Verdict::Dead(proto::DenyReason::Disabled),
            _ => Verdict::Allowed,
        };
        verdict.check(&answer, sample.system);
    }
}

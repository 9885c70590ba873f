//! The RPCs of policies.

mod create;
mod get;
mod list;
mod update;

use keyward::proto;

use crate::support::{Caller, policy};

/// The policy `acme` as a change of it is sent.
fn acme() -> proto::Policy {
    proto::Policy { name: "policies/acme".to_owned(), ..policy() }
}

async fn stored(root: &mut Caller, name: &str) -> proto::Policy {
    let request = proto::GetPolicyRequest { name: name.to_owned() };
    root.admin.get_policy(request).await.unwrap().into_inner()
}

/// One of each part that a later version serves, with the fields that say so.
fn with_parts_of_later_versions(policy: proto::Policy) -> (proto::Policy, Vec<&'static str>) {
    let mut later = policy;
    later.implications = vec![proto::Implication::default()];
    later.presets = vec![proto::Preset::default()];
    later.rotation = Some(proto::RotationRule::default());
    later.plans = vec![proto::Plan::default()];
    later.scopes[3].class = "read".to_owned();
    later.resources = Some(proto::ResourceGrammar {
        types: vec![proto::ResourceType::default()],
        ..Default::default()
    });
    let fields = vec![
        "policy.implications",
        "policy.presets",
        "policy.rotation",
        "policy.plans",
        "policy.scopes[3].class",
        "policy.resources.types",
    ];
    (later, fields)
}

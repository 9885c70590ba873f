//! The RPCs of policies.

mod concurrent;
mod create;
mod effects;
mod get;
mod kinds;
mod language;
mod limits;
mod list;
mod orphans;
mod update;

use keyward::proto;

use crate::support::{Caller, policy, strings};

/// The policy `acme` as a change of it is sent.
fn acme() -> proto::Policy {
    proto::Policy { name: "policies/acme".to_owned(), ..policy() }
}

async fn stored(root: &mut Caller, name: &str) -> proto::Policy {
    let request = proto::GetPolicyRequest { name: name.to_owned() };
    root.admin.get_policy(request).await.unwrap().into_inner()
}

/// A policy with every part of the language, written with the defaults spelt out.
fn full() -> proto::Policy {
    let span = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let mut full = policy();
    full.scopes[1].description = "everything about sites".into();
    full.scopes[3].class = "read".into();
    full.implications =
        vec![proto::Implication { scope: "{x}:write".into(), implies: strings(&["{x}:read"]) }];
    full.presets = vec![preset("ops", &["jobs:read", "sites:*"])];
    full.roles[0].description = "who made it".into();
    let segment = |name: &str, values: &[&str]| proto::ResourceSegment {
        name: name.into(),
        values: strings(values),
    };
    full.resources = Some(proto::ResourceGrammar {
        separator: ":".into(),
        wildcard: "#".into(),
        types: vec![proto::ResourceType {
            name: "PLACE".into(),
            segments: vec![segment("placeType", &["Site", "Fleet"]), segment("placeId", &[])],
        }],
    });
    full.key_types[0].description = "for programs".into();
    full.expiry = Some(proto::ExpiryRule {
        default_ttl: span(60, 1_000_000),
        max_ttl: span(3_600, 0),
        required: true,
    });
    full.rotation = Some(proto::RotationRule {
        due_after: span(7_776_000, 0),
        default_grace: span(0, 1_000),
        max_grace: span(86_400, 0),
    });
    full.hide_existence = true;
    full.unmatched_resource = proto::UnmatchedResource::NotFound.into();
    let limit = |name: &str, class: &str, quota, burst| proto::RateLimit {
        name: name.into(),
        class: class.into(),
        quota,
        window: span(60, 0),
        burst,
    };
    full.plans = vec![proto::Plan {
        description: "for those who pay".into(),
        key_limits: vec![limit("reads", "read", 600, 50), limit("all", "", 1_000_000_000, 0)],
        workspace_limits: vec![limit("all", "", 6_000, 0)],
        ..plan("pro")
    }];
    full
}

fn preset(name: &str, scopes: &[&str]) -> proto::Preset {
    proto::Preset { name: name.into(), scopes: strings(scopes), ..Default::default() }
}

fn plan(name: &str) -> proto::Plan {
    proto::Plan { name: name.into(), ..Default::default() }
}

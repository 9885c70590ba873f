//! The rules of the tests.

use keyward::proto;

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn limit(name: &str, class: &str, quota: i64) -> proto::RateLimit {
    let window = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    proto::RateLimit { name: name.into(), class: class.into(), quota, window, burst: 0 }
}

/// Ten areas to read, sites to write, classes and plans. `hides`: what is out of reach is not there.
pub(crate) fn policy(prefix: &str, hides: bool) -> proto::Policy {
    // Not in the order of their names, in which answers have them.
    let areas = (0..10).rev().map(|number| proto::Scope {
        name: format!("area{number}:read"),
        class: "read".into(),
        ..Default::default()
    });
    let write = proto::Scope {
        name: "sites:write".into(),
        implies: strings(&["area0:read", "area1:read"]),
        class: "write".into(),
        ..Default::default()
    };
    let open = proto::Scope { name: "open".into(), ..Default::default() };
    let operator =
        proto::Role { name: "operator".into(), scopes: strings(&["area*"]), ..Default::default() };
    let key_type = |name: &str, prefix: String, is_default| proto::KeyType {
        name: name.into(),
        prefix,
        is_default,
        ..Default::default()
    };
    let metered = proto::Plan {
        name: "metered".into(),
        key_limits: vec![limit("own", "", 30), limit("writes", "write", 7)],
        workspace_limits: vec![limit("ceiling", "", 50)],
        ..Default::default()
    };
    let narrow = proto::Plan {
        name: "narrow".into(),
        key_limits: vec![limit("one", "", 3)],
        ..Default::default()
    };
    let day = prost_types::Duration { seconds: 86_400, nanos: 0 };
    let rotation = proto::RotationRule { max_grace: Some(day), ..Default::default() };
    let unmatched = if hides {
        proto::UnmatchedResource::NotFound
    } else {
        proto::UnmatchedResource::InsufficientScope
    };
    proto::Policy {
        display_name: prefix.into(),
        scopes: areas.chain([write, open]).collect(),
        roles: vec![operator],
        key_types: vec![
            key_type("live", format!("{prefix}_live"), true),
            key_type("robot", format!("{prefix}_robot"), false),
        ],
        rotation: Some(rotation),
        hide_existence: hides,
        unmatched_resource: unmatched.into(),
        plans: vec![metered, narrow],
        ..Default::default()
    }
}

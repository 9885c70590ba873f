//! What the policy of managed.dev declares: limits, and the grace of a roll.

use keyward::proto::{self, Plan, RateLimit};

use super::POLICY;
use crate::{
    scenario::{DAY, MINUTE},
    support::all_systems,
};

async fn stored() -> proto::Policy {
    let (_server, mut root) = all_systems().await;
    let request = proto::GetPolicyRequest { name: format!("policies/{POLICY}") };
    root.admin.get_policy(request).await.unwrap().into_inner()
}

fn per_minute(name: &str, class: &str, quota: i64) -> RateLimit {
    let window = Some(prost_types::Duration { seconds: MINUTE, nanos: 0 });
    RateLimit { name: name.to_owned(), class: class.to_owned(), quota, window, burst: 0 }
}

#[tokio::test]
async fn a_bucket_per_key_by_action_class_and_a_ceiling_for_all_keys_of_a_team() {
    let [Plan { key_limits, workspace_limits, .. }] = &*stored().await.plans else {
        panic!("there is one plan");
    };
    let buckets = [("read", 1_000), ("write", 100), ("create", 5)]
        .map(|(on, quota)| per_minute(on, on, quota));
    assert_eq!(*key_limits, buckets);
    assert_eq!(*workspace_limits, [per_minute("team", "", 5_000)]);
}

#[tokio::test]
async fn each_scope_is_of_the_class_of_its_action() {
    for scope in stored().await.scopes {
        let class = if scope.name.ends_with(":read") { "read" } else { "write" };
        assert_eq!(scope.class, class, "{}", scope.name);
    }
}

#[tokio::test]
async fn roll_has_a_grace_window() {
    let rotation = stored().await.rotation.unwrap();
    let days = |span: Option<prost_types::Duration>| span.unwrap().seconds / DAY;
    assert_eq!((days(rotation.default_grace), days(rotation.max_grace)), (1, 7));
    assert_eq!(rotation.due_after, None);
}

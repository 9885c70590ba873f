//! Keys that have limits, counted in Redis: what was let through, and how much may have been.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use keyward::proto::{self, DenyReason};
use tonic::Status;

use crate::{
    caller::Caller,
    load::World,
    random::Random,
    spans::{Passed, Rate},
};

/// How many keys share the limit of their workspace.
const KEYS: usize = 6;
const WINDOW: Duration = Duration::from_secs(1);
/// Longer spans are looked at in parts: every pair of moments is.
const PART: Duration = Duration::from_secs(15);
const NAME: &str = "limited";

/// How much is let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) of_key: Rate,
    /// Of all keys together.
    pub(crate) of_all: Rate,
}

/// Limits that are spent by some hundred calls a second.
pub(crate) const USUAL: Limits = Limits {
    of_key: Rate { burst: 20, quota: 20, window: WINDOW },
    of_all: Rate { burst: 50, quota: 40, window: WINDOW },
};
/// And by some few, where the machine has no time for more.
pub(crate) const LITTLE: Limits = Limits {
    of_key: Rate { burst: 4, quota: 2, window: WINDOW },
    of_all: Rate { burst: 8, quota: 5, window: WINDOW },
};

/// The keys, and every call about one of them.
pub(crate) struct Limited {
    pub(crate) limits: Limits,
    begun: Instant,
    /// Names and secrets.
    pub(crate) keys: Vec<(String, String)>,
    pub(crate) calls: Mutex<Vec<Call>>,
}

/// A question about a key with a limit. Times are since the run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) key: usize,
    pub(crate) replica: usize,
    pub(crate) begun: Duration,
    /// [`Duration::MAX`]: it did not.
    pub(crate) ended: Duration,
    /// Whether it passed; None: nobody said.
    pub(crate) passed: Option<bool>,
}

/// A span of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// None: all replicas reached Redis all the time. Else how often it was lost or a replica began
    /// anew, one of these for each replica.
    pub(crate) lost: Option<u64>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    /// Calls that passed while Redis counted for all.
    pub(crate) passed: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    /// Calls that passed while it did not for some, and the most that may have.
    pub(crate) passed_without: u64,
    pub(crate) most_without: u64,
    pub(crate) spans: u64,
    pub(crate) violations: Vec<String>,
}

impl Limited {
    /// Makes the policy, the workspace and the keys.
    pub(crate) async fn furnish(mut root: Caller, limits: Limits, begun: Instant) -> Self {
        let limit = |name: &str, rate: Rate| proto::RateLimit {
            name: name.to_owned(),
            quota: i64::try_from(rate.quota).unwrap(),
            burst: i64::try_from(rate.burst).unwrap(),
            window: Some(rate.window.try_into().unwrap()),
            ..Default::default()
        };
        let plan = proto::Plan {
            name: NAME.to_owned(),
            key_limits: vec![limit("key", limits.of_key)],
            workspace_limits: vec![limit("all", limits.of_all)],
            ..Default::default()
        };
        let policy = proto::Policy {
            scopes: vec![proto::Scope { name: "docs:read".to_owned(), ..Default::default() }],
            key_types: vec![proto::KeyType {
                name: "live".to_owned(),
                prefix: "limited_live".to_owned(),
                is_default: true,
                ..Default::default()
            }],
            plans: vec![plan],
            ..Default::default()
        };
        let request = proto::CreatePolicyRequest {
            policy_id: NAME.to_owned(),
            policy: Some(policy),
            ..Default::default()
        };
        root.admin.create_policy(request).await.unwrap();
        let workspace = proto::Workspace {
            policy: format!("policies/{NAME}"),
            plan: NAME.to_owned(),
            ..Default::default()
        };
        let request = proto::CreateWorkspaceRequest {
            workspace_id: NAME.to_owned(),
            workspace: Some(workspace),
            ..Default::default()
        };
        root.admin.create_workspace(request).await.unwrap();
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let key = proto::Key {
                display_name: format!("{number}"),
                grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
                expiration: Some(proto::key::Expiration::NeverExpires(true)),
                ..Default::default()
            };
            let request = proto::CreateKeyRequest {
                parent: format!("workspaces/{NAME}"),
                key_id: format!("k{number}"),
                key: Some(key),
                ..Default::default()
            };
            let made = root.admin.create_key(request).await.unwrap().into_inner();
            keys.push((made.key.unwrap().name, made.secret));
        }
        Self { limits, begun, keys, calls: Mutex::default() }
    }
}

/// Asks about one of the keys.
pub(crate) async fn ask(
    world: &World,
    mut caller: Caller,
    replica: usize,
    random: &mut Random,
) -> Result<(), Status> {
    let limited = &world.limited;
    let key = random.below(limited.keys.len());
    let secret = limited.keys[key].1.clone();
    let request = proto::IntrospectRequest { secret, ..Default::default() };
    let begun = limited.begun.elapsed();
    // Before it is sent: whoever waits for the answer may give up.
    let place = {
        let mut calls = limited.calls.lock().unwrap();
        calls.push(Call { key, replica, begun, ended: Duration::MAX, passed: None });
        calls.len() - 1
    };
    let answer = caller.introspect.introspect(request).await;
    let ended = limited.begun.elapsed();
    let (passed, outcome) = match answer {
        Ok(answer) => {
            let reason = answer.get_ref().reason();
            if !matches!(reason, DenyReason::Unspecified | DenyReason::RateLimited) {
                world.tally.violation(format!("a key with a limit was answered {reason:?}"));
            }
            (Some(reason == DenyReason::Unspecified), Ok(()))
        }
        Err(status) => (None, Err(status)),
    };
    let mut calls = limited.calls.lock().unwrap();
    (calls[place].ended, calls[place].passed) = (ended, passed);
    outcome
}

/// How many may pass in so long while some replicas do not reach Redis: what Redis lets through and
/// what the replicas do beside it, both twice where their number changes, and a burst more for each
/// time that counts begin anew. Rounded up.
fn most_without(rate: Rate, span: Duration, lost: u64) -> u64 {
    let comes_back = span.as_secs_f64() / rate.window.as_secs_f64() * rate.quota as f64;
    2 * (rate.burst + comes_back.ceil() as u64) + 2 * rate.burst * lost
}

/// Holds what was let through against the limits.
pub(crate) fn judge(limits: Limits, calls: &[Call], segments: &[Segment]) -> Judged {
    let Limits { of_key: rate_of_key, of_all: rate_of_all } = limits;
    let count = |passed| calls.iter().filter(|call| call.passed == passed).count() as u64;
    let (refused, unknown) = (count(Some(false)), count(None));
    let mut judged = Judged { refused, unknown, ..Judged::default() };
    for segment in segments {
        let Segment { from, to, lost } = *segment;
        let is_inside = |call: &&Call| call.begun >= from && call.ended <= to;
        let inside: Vec<_> =
            calls.iter().filter(|call| call.passed == Some(true)).filter(is_inside).collect();
        let of_key = |key: usize| inside.iter().filter(move |call| call.key == key);
        let keys = inside.iter().map(|call| call.key + 1).max().unwrap_or_default();
        if let Some(lost) = lost {
            judged.passed_without += inside.len() as u64;
            let most = most_without(rate_of_all, to.saturating_sub(from), lost);
            judged.most_without += most;
            let mut counts = vec![("all".to_owned(), inside.len() as u64, most)];
            counts.extend((0..keys).map(|key| {
                let most = most_without(rate_of_key, to.saturating_sub(from), lost);
                (format!("key {key}"), of_key(key).count() as u64, most)
            }));
            let over = counts.into_iter().filter(|(_, count, most)| count > most);
            judged.violations.extend(over.map(|(what, count, most)| {
                format!("{what}: {count} passed of {most} in {segment:?}")
            }));
            continue;
        }
        judged.passed += inside.len() as u64;
        let mut part = from;
        while part < to {
            let end = to.min(part + PART);
            let passed = |calls: &mut dyn Iterator<Item = &&Call>| -> Vec<Passed> {
                let inside = calls.filter(|call| call.begun >= part && call.ended <= end);
                inside.map(|call| Passed { begun: call.begun, ended: call.ended }).collect()
            };
            let mut looks = vec![rate_of_all.holds(&passed(&mut inside.iter()))];
            looks.extend((0..keys).map(|key| rate_of_key.holds(&passed(&mut of_key(key)))));
            judged.spans += looks.len() as u64;
            judged.violations.extend(looks.into_iter().filter_map(Result::err));
            part = end;
        }
    }
    judged
}

#[test]
fn too_much_of_a_budget_is_seen_with_redis_and_without() {
    let second = Duration::from_secs;
    let call = |number: u64| {
        let begun = second(20) + Duration::from_micros(number);
        Call { key: 0, replica: 0, begun, ended: begun, passed: Some(true) }
    };
    let calls = |count: u64| (0..count).map(call).collect::<Vec<_>>();
    let segment = |lost| [Segment { from: second(10), to: second(30), lost }];
    let count = |calls: &[Call], lost| judge(USUAL, calls, &segment(lost)).violations.len();
    assert_eq!(count(&calls(20), None), 0);
    assert_eq!(count(&calls(21), None), 1, "of the key");
    assert_eq!(count(&calls(51), None), 2, "and of all");
    // 20 at once and 400 that come back, twice; and 40 for each time that Redis was lost.
    assert_eq!(count(&calls(840), Some(0)), 0);
    assert_eq!(count(&calls(841), Some(0)), 1);
    assert_eq!(count(&calls(880), Some(1)), 0);
    assert_eq!(count(&calls(881), Some(1)), 1);
    // What was refused does not count, nor what was in flight when the span began.
    let refused: Vec<_> =
        calls(60).iter().map(|call| Call { passed: Some(false), ..*call }).collect();
    assert_eq!(count(&refused, None), 0);
    let early: Vec<_> = calls(60).iter().map(|call| Call { begun: second(9), ..*call }).collect();
    assert_eq!(count(&early, None), 0);
}

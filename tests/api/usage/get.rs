//! `GetUsage`.

use keyward::proto::{DenyReason, KeyUsage, UsageStep};

use super::*;
use crate::support::{not_found, reader, refused, scope_missing, wrong_fields};

const ACME: &str = "workspaces/acme";

/// The calls by outcome, in the order of the outcomes.
pub(super) fn outcomes(usage: &GetUsageResponse) -> Vec<(DenyReason, i64)> {
    let mut all: Vec<(DenyReason, i64)> = Vec::new();
    for count in usage.points.iter().flat_map(|point| &point.counts) {
        match all.iter_mut().find(|(reason, _)| *reason == count.reason()) {
            Some((_, calls)) => *calls += count.calls,
            None => all.push((count.reason(), count.calls)),
        }
    }
    all.sort_by_key(|(reason, _)| i32::from(*reason));
    all
}

#[tokio::test]
async fn calls_are_told_by_workspace_and_key_and_outcome_and_exactly() {
    let (_server, mut root) = counting().await;
    let ci = root.create_key("acme", "ci", reader()).await.secret;
    let cd = root.create_key("acme", "cd", reader()).await.secret;
    let theirs = root.create_key("other", "ci", reader()).await.secret;
    for _ in 0..3 {
        root.ask(&ci, &["sites:read"], "").await;
    }
    root.ask(&cd, &["sites:read"], "").await;
    root.ask(&cd, &["sites:write"], "").await;
    root.ask(&theirs, &[], "").await;
    // Of no key, and so not counted.
    root.ask("acme_live_nonsense", &[], "").await;
    root.ask("", &[], "").await;

    let whole = with_calls(&mut root, ACME, 5).await;
    let (allowed, missing) = (DenyReason::Unspecified, DenyReason::InsufficientScope);
    assert_eq!(outcomes(&whole), [(allowed, 4), (missing, 1)]);
    let top = |id: &str, calls| KeyUsage { key: format!("{ACME}/keys/{id}"), calls };
    assert_eq!(whole.top_keys, [top("ci", 3), top("cd", 2)]);

    let of_ci = usage(&mut root, request("workspaces/acme/keys/ci")).await;
    assert_eq!(outcomes(&of_ci), [(allowed, 3)]);
    assert_eq!((of_ci.top_keys.len(), of_ci.top_keys_start_time), (0, None));
    let of_cd = usage(&mut root, request("workspaces/acme/keys/cd")).await;
    assert_eq!(outcomes(&of_cd), [(allowed, 1), (missing, 1)]);
    with_calls(&mut root, "workspaces/other", 1).await;
}

#[tokio::test]
async fn counting_is_no_change_and_no_event() {
    let (_server, mut root) = counting().await;
    let made = root.create_key("acme", "ci", reader()).await;
    let head = root.head().await;
    root.ask(&made.secret, &[], "").await;
    with_calls(&mut root, ACME, 1).await;
    assert_eq!(root.head().await, head);
    let name = "workspaces/acme/keys/ci".to_owned();
    let read = root.admin.get_key(proto::GetKeyRequest { name }).await.unwrap().into_inner();
    let made = made.key.unwrap();
    assert_eq!((read.revision, &read.etag), (made.revision, &made.etag));
    assert_eq!(read.update_time, made.update_time);
}

#[tokio::test]
async fn the_key_of_a_caller_counts_its_calls_too() {
    let (server, mut root) = counting().await;
    let mut caller = server.caller(&["introspect"], &[]).await;
    let parent = "workspaces/system".to_owned();
    let request = proto::ListKeysRequest { parent, ..Default::default() };
    let keys = root.admin.list_keys(request).await.unwrap().into_inner().keys;
    let name = &keys.iter().find(|key| key.display_name == "a caller").unwrap().name;
    for _ in 0..4 {
        caller.ask("", &[], "").await;
    }
    with_calls(&mut root, name, 4).await;
}

#[tokio::test]
async fn a_day_is_one_step_and_an_hour_another() {
    let (_server, mut root) = counting().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    root.ask(&secret, &[], "").await;
    let by_hour = with_calls(&mut root, ACME, 1).await;
    let day = GetUsageRequest { step: UsageStep::Day.into(), ..request(ACME) };
    let by_day = usage(&mut root, day).await;
    let start = |usage: &GetUsageResponse| {
        let [point] = &usage.points[..] else { panic!("{usage:?}") };
        point.start_time.unwrap().seconds
    };
    let hour = start(&by_hour);
    assert_eq!((hour % 3_600, start(&by_day)), (0, hour - hour % 86_400));
    assert_eq!(outcomes(&by_day), outcomes(&by_hour));

    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let within = |from, until| GetUsageRequest {
        start_time: at(from),
        end_time: at(until),
        ..request(ACME)
    };
    let mut found = Vec::new();
    for (from, until) in [
        (hour - 3_600, hour),
        (hour - 3_600, hour + 1),
        (hour + 3_599, hour + 3_600),
        (hour + 3_600, hour + 3_601),
    ] {
        found.push(calls(&usage(&mut root, within(from, until)).await));
    }
    assert_eq!(found, [0, 1, 1, 0]);
}

#[tokio::test]
async fn so_many_top_keys_are_named_as_are_asked_for() {
    let (_server, mut root) = counting().await;
    for number in 10..21 {
        let secret = root.create_key("acme", &format!("k{number}"), reader()).await.secret;
        root.ask(&secret, &[], "").await;
    }
    let all = with_calls(&mut root, ACME, 11).await;
    assert_eq!(all.top_keys.len(), 10);
    for (asked, named) in [(1, 1), (100, 11)] {
        let top = usage(&mut root, GetUsageRequest { top_keys: asked, ..request(ACME) }).await;
        assert_eq!(top.top_keys.len(), named);
        assert_eq!(top.top_keys[0].key, "workspaces/acme/keys/k10");
    }
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = GetUsageRequest {
        name: "acme".into(),
        start_time: None,
        end_time: None,
        step: 9,
        top_keys: -1,
    };
    let mut fields = wrong_fields(root.admin.get_usage(bad).await);
    fields.sort_unstable();
    assert_eq!(fields, ["name", "start_time", "step", "top_keys"]);
    let ranged = |start_time, end_time| GetUsageRequest { start_time, end_time, ..request(ACME) };
    let (now, long_ago) = (Some(in_seconds(0)), Some(Timestamp { seconds: i64::MIN, nanos: 0 }));
    for (field, bad) in [
        ("end_time", ranged(now, now)),
        ("end_time", ranged(Some(in_seconds(9)), None)),
        ("start_time", ranged(Some(in_seconds(-3_600 * 1_001)), now)),
        ("start_time", ranged(long_ago, None)),
        ("top_keys", GetUsageRequest { top_keys: 101, ..request(ACME) }),
    ] {
        assert_eq!(wrong_fields(root.admin.get_usage(bad).await), [field]);
    }
    let step = UsageStep::Day.into();
    let days = GetUsageRequest { step, ..ranged(Some(in_seconds(-86_400 * 998)), now) };
    assert_eq!(calls(&usage(&mut root, days).await), 0);
}

#[tokio::test]
async fn what_is_not_there_or_not_reached_is_not_found() {
    let (server, mut root) = Server::with_workspaces().await;
    root.create_key("acme", "ci", reader()).await;
    for name in ["workspaces/none", "workspaces/acme/keys/none", "workspaces/none/keys/ci"] {
        not_found(root.admin.get_usage(request(name)).await);
    }
    let mut bound = server.caller(&["usage:read"], &["workspaces/other"]).await;
    assert_eq!(calls(&usage(&mut bound, request("workspaces/other")).await), 0);
    for name in [ACME, "workspaces/acme/keys/ci", "workspaces/none"] {
        not_found(bound.admin.get_usage(request(name)).await);
        let wrong = GetUsageRequest { name: name.to_owned(), ..GetUsageRequest::default() };
        not_found(bound.admin.get_usage(wrong).await);
    }
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let server = Server::start().await;
    let mut other = server.caller(&["keys:write", "introspect"], &[]).await;
    scope_missing(other.admin.get_usage(GetUsageRequest::default()).await);
    let mut nobody = server.caller_with(None).await;
    let refusal = nobody.admin.get_usage(GetUsageRequest::default()).await;
    refused(refusal, tonic::Code::Unauthenticated, "CREDENTIALS_MISSING");
}

#[tokio::test]
async fn what_a_rate_limit_refuses_is_a_use_that_was_denied_for_it() {
    let window = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let limit = proto::RateLimit { name: "all".into(), quota: 2, window, ..Default::default() };
    let plan = proto::Plan { name: "small".into(), key_limits: vec![limit], ..Default::default() };
    let policy = proto::Policy { plans: vec![plan], ..policy() };
    let (_server, mut root) = counting_under(policy).await;
    let key = proto::Key { plan: "small".into(), ..reader() };
    let secret = root.create_key("acme", "ci", key).await.secret;
    for _ in 0..5 {
        root.ask(&secret, &["sites:read"], "").await;
    }
    let whole = with_calls(&mut root, ACME, 5).await;
    assert_eq!(outcomes(&whole), [(DenyReason::Unspecified, 2), (DenyReason::RateLimited, 3)]);
}

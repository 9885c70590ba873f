//! How often keys were used.

use super::{moment, timestamp};
use crate::{
    admin::{Usage, UsageFilter},
    domain::{
        name::Id,
        time::Timestamp,
        usage::{MostUsed, Outcome, Step, UsageRow},
    },
    proto,
};

pub(in crate::grpc) fn get(request: proto::GetUsageRequest) -> UsageFilter {
    let proto::GetUsageRequest { name, start_time, end_time, step, top_keys } = request;
    let mut unread = Vec::new();
    let step = match proto::UsageStep::try_from(step) {
        Ok(proto::UsageStep::Unspecified | proto::UsageStep::Hour) => Step::Hour,
        Ok(proto::UsageStep::Day) => Step::Day,
        Err(_) => {
            unread.push(("step".to_owned(), "must be HOUR or DAY".to_owned()));
            Step::Hour
        }
    };
    let (from, until) = (start_time.map(moment), end_time.map(moment));
    UsageFilter { name, from, until, step, top_keys, unread }
}

/// The usage of what the request named.
pub(in crate::grpc) fn got(usage: Usage, name: &str) -> proto::GetUsageResponse {
    let Usage { rows, most_used } = usage;
    let mut points: Vec<proto::UsagePoint> = Vec::new();
    let mut last = None;
    for UsageRow { start, outcome, calls } in rows {
        if last.replace(start) != Some(start) {
            points.push(point(start));
        }
        if let Some(point) = points.last_mut() {
            let reason = reason(outcome).into();
            point.counts.push(proto::UsageCount { reason, calls: number(calls) });
        }
    }
    let from = most_used.as_ref().map(|most_used| timestamp(most_used.from.start()));
    let keys = most_used.map(|MostUsed { keys, from: _ }| keys).unwrap_or_default();
    let key = |(key, calls): (Id, u64)| proto::KeyUsage {
        key: format!("{name}/keys/{key}"),
        calls: number(calls),
    };
    let top_keys = keys.into_iter().map(key).collect();
    proto::GetUsageResponse { points, top_keys, top_keys_start_time: from }
}

fn point(start: Timestamp) -> proto::UsagePoint {
    proto::UsagePoint { start_time: Some(timestamp(start)), counts: Vec::new() }
}

fn number(calls: u64) -> i64 {
    i64::try_from(calls).unwrap_or(i64::MAX)
}

fn reason(outcome: Outcome) -> proto::DenyReason {
    match outcome {
        Outcome::Allowed => proto::DenyReason::Unspecified,
        Outcome::InvalidKey => proto::DenyReason::InvalidKey,
        Outcome::Revoked => proto::DenyReason::Revoked,
        Outcome::Expired => proto::DenyReason::Expired,
        Outcome::Disabled => proto::DenyReason::Disabled,
        Outcome::IpNotAllowed => proto::DenyReason::IpNotAllowed,
        Outcome::RateLimited => proto::DenyReason::RateLimited,
        Outcome::NotFound => proto::DenyReason::NotFound,
        Outcome::OutsideConstraint => proto::DenyReason::OutsideConstraint,
        Outcome::InsufficientScope => proto::DenyReason::InsufficientScope,
    }
}

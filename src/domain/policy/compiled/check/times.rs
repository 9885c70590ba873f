//! What can be wrong with spans of time and rates.

use std::{collections::HashSet, time::Duration};

use crate::domain::{
    fault::Faults,
    policy::{ExpiryRule, PLANS_MAX, Plan, QUOTA_MAX, RateLimit, RotationRule},
};

/// The shortest window of a rate.
const WINDOW_MIN: Duration = Duration::from_secs(1);
/// The longest window of a rate: 366 days.
const WINDOW_MAX: Duration = Duration::from_hours(366 * 24);

pub(super) fn expiry(rule: &ExpiryRule, at: &str, faults: &mut Faults) {
    let field = format!("{at}.expiry");
    positive([("default_ttl", rule.default_ttl), ("max_ttl", rule.max_ttl)], &field, faults);
    if let (Some(default), Some(max)) = (rule.default_ttl, rule.max_ttl)
        && default > max
    {
        faults.note(format!("{field}.default_ttl"), "is longer than max_ttl");
    }
}

pub(super) fn rotation(rule: &RotationRule, at: &str, faults: &mut Faults) {
    let field = format!("{at}.rotation");
    let RotationRule { due_after, default_grace, max_grace } = *rule;
    positive([("due_after", due_after), ("max_grace", max_grace)], &field, faults);
    if default_grace.is_some_and(|default| default > max_grace.unwrap_or_default()) {
        faults.note(format!("{field}.default_grace"), "is longer than max_grace");
    }
}

fn positive(spans: [(&str, Option<Duration>); 2], field: &str, faults: &mut Faults) {
    for (name, span) in spans {
        if span.is_some_and(|span| span.is_zero()) {
            faults.note(format!("{field}.{name}"), "must be longer than nothing");
        }
    }
}

pub(super) fn plans(plans: &[Plan], at: &str, faults: &mut Faults) {
    if !faults.bound(format!("{at}.plans"), plans.len(), PLANS_MAX) {
        return;
    }
    let mut names = HashSet::new();
    for (place, plan) in plans.iter().enumerate() {
        let field = format!("{at}.plans[{place}]");
        super::name(&plan.name, &mut names, &field, faults);
        super::description(&plan.description, &field, faults);
        limits(&plan.key_limits, &format!("{field}.key_limits"), faults);
        limits(&plan.workspace_limits, &format!("{field}.workspace_limits"), faults);
    }
}

fn limits(limits: &[RateLimit], field: &str, faults: &mut Faults) {
    if !faults.bound(field, limits.len(), PLANS_MAX) {
        return;
    }
    let mut names = HashSet::new();
    for (place, limit) in limits.iter().enumerate() {
        let field = format!("{field}[{place}]");
        super::name(&limit.name, &mut names, &field, faults);
        super::class(&limit.class, &field, faults);
        if !(1..=QUOTA_MAX).contains(&limit.quota) {
            faults.note(format!("{field}.quota"), format_args!("must be 1 to {QUOTA_MAX}"));
        }
        if limit.burst > QUOTA_MAX {
            faults.note(format!("{field}.burst"), format_args!("must be at most {QUOTA_MAX}"));
        }
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&limit.window) {
            faults.note(format!("{field}.window"), "must be one second to 366 days");
        }
    }
}

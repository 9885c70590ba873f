//! Questions and answers of `Introspect`.

use super::{
    duration,
    key::{grants, max_age},
    timestamp,
};
use crate::{
    domain::{
        advice::Advice,
        decision::Denial,
        limit::{LimitStatus, Wait},
        scope::ScopeSet,
    },
    introspect::{Answer, Question},
    proto,
};

pub(in crate::grpc) fn question(request: &proto::IntrospectRequest) -> Question<'_> {
    let proto::IntrospectRequest {
        secret,
        client_ip,
        required_scopes,
        resource,
        class,
        cost,
        view,
    } = request;
    Question {
        secret,
        client_ip,
        required_scopes: required_scopes.into(),
        resource,
        class,
        cost: *cost,
        full: is_full(*view),
        without_hint: false,
    }
}

/// Whether all is to be said.
pub(in crate::grpc) fn is_full(view: i32) -> bool {
    match proto::IntrospectView::try_from(view) {
        Ok(proto::IntrospectView::Decision) => false,
        Ok(proto::IntrospectView::Full | proto::IntrospectView::Unspecified) | Err(_) => true,
    }
}

pub(in crate::grpc) fn answer(answer: &Answer, full: bool) -> proto::IntrospectResponse {
    let Answer { decision, effective, key, presented, verdict, stale_since } = answer;
    let denial = decision.denial;
    let outcome = if denial.is_none() { proto::Decision::Allow } else { proto::Decision::Deny };
    let mut response = proto::IntrospectResponse {
        active: denial.is_none_or(Denial::is_active),
        decision: outcome.into(),
        reason: reason(denial).into(),
        revision: key.as_ref().map(|key| key.revision().0).unwrap_or_default(),
        stale_since: stale_since.map(timestamp),
        retry_after: verdict.wait.and_then(|wait| match wait {
            Wait::For(wait) => Some(duration(wait)),
            Wait::Forever => None,
        }),
        ..proto::IntrospectResponse::default()
    };
    if !full {
        return response;
    }
    response.max_age = Some(max_age());
    let Some(live) = key else {
        response.http = Some(http(Advice::new(denial, *presented, std::iter::empty())));
        return response;
    };
    let policy = live.policy();
    let missing = decision.missing.iter().map(|scope| policy.scope_name(*scope));
    let names = |scopes: &ScopeSet| {
        let mut names: Vec<String> =
            scopes.iter().map(|scope| policy.scope_name(scope).to_owned()).collect();
        names.sort_unstable();
        names
    };
    let told = live.told();
    let advice = Advice::new(denial, *presented, missing.clone()).within(verdict);
    response.http = Some(http(advice));
    response.limits = verdict.limits.iter().map(limit).collect();
    response.key = live.name().to_string();
    response.key_display_name = told.title.to_owned();
    response.key_type = told.key_type.to_owned();
    response.key_labels = told.labels_owned();
    response.workspace = live.name().parent().to_string();
    response.principal = live.owner().map(|owner| owner.to_string()).unwrap_or_default();
    response.grants = grants(&told.grants_owned());
    response.effective_scopes = names(effective);
    response.missing_scopes = missing.map(str::to_owned).collect();
    response.constraint = told.constraint().map(str::to_owned).collect();
    response.expire_time = live.expire_time().map(timestamp);
    response
}

pub(in crate::grpc) fn limit(status: &LimitStatus) -> proto::LimitStatus {
    let LimitStatus { name, quota, window, remaining, reset, shared } = status;
    proto::LimitStatus {
        name: name.clone(),
        quota: count(*quota),
        window: Some(duration(*window)),
        remaining: count(*remaining),
        reset: Some(duration(*reset)),
        shared: *shared,
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(in crate::grpc) fn http(advice: Advice) -> proto::HttpAdvice {
    let Advice { status, headers } = advice;
    let headers =
        headers.into_iter().map(|(name, value)| proto::HttpHeader { name: name.to_owned(), value });
    proto::HttpAdvice { status: status.into(), headers: headers.collect() }
}

pub(in crate::grpc) fn reason(denial: Option<Denial>) -> proto::DenyReason {
    match denial {
        None => proto::DenyReason::Unspecified,
        Some(Denial::InvalidKey) => proto::DenyReason::InvalidKey,
        Some(Denial::Revoked) => proto::DenyReason::Revoked,
        Some(Denial::Expired) => proto::DenyReason::Expired,
        Some(Denial::Disabled) => proto::DenyReason::Disabled,
        Some(Denial::IpNotAllowed) => proto::DenyReason::IpNotAllowed,
        Some(Denial::RateLimited) => proto::DenyReason::RateLimited,
        Some(Denial::NotFound) => proto::DenyReason::NotFound,
        Some(Denial::OutsideConstraint) => proto::DenyReason::OutsideConstraint,
        Some(Denial::InsufficientScope) => proto::DenyReason::InsufficientScope,
    }
}

//! What a backend should answer to its own client over HTTP.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use super::{
    decision::Denial,
    limit::{LimitStatus, Verdict, Wait},
};

/// A status and the headers that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The status (RFC 9110).
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
}

impl Advice {
    /// The advice for an outcome. Whatever is wrong with the key itself looks the
    /// same to the outside (RFC 6750, section 3.1); a scope is named where it is missing.
    /// To a client that sent no secret, no error is named (section 3).
    pub fn new<'a>(
        denial: Option<Denial>,
        presented: bool,
        missing: impl Iterator<Item = &'a str>,
    ) -> Self {
        let challenge = |value: String| vec![("WWW-Authenticate", value)];
        let (status, headers) = match denial {
            None => (200, vec![]),
            Some(_) if !presented => (401, challenge("Bearer".to_owned())),
            Some(Denial::InvalidKey | Denial::Revoked | Denial::Expired | Denial::Disabled) => {
                (401, challenge(r#"Bearer error="invalid_token""#.to_owned()))
            }
            Some(Denial::IpNotAllowed | Denial::OutsideConstraint) => (403, vec![]),
            Some(Denial::NotFound) => (404, vec![]),
            Some(Denial::RateLimited) => (429, vec![]),
            Some(Denial::InsufficientScope) => {
                let scopes = missing.collect::<Vec<_>>().join(" ");
                (403, challenge(format!(r#"Bearer error="insufficient_scope", scope="{scopes}""#)))
            }
        };
        Self { status, headers }
    }

    /// The same, telling of the limits that applied as
    /// draft-ietf-httpapi-ratelimit-headers-11 does, in whole seconds, rounded up.
    #[must_use]
    pub fn within(mut self, verdict: &Verdict) -> Self {
        let Verdict { limits, wait } = verdict;
        if !limits.is_empty() {
            let policies = list(limits, |text, limit| {
                write!(text, "\"{}\";q={};w={}", limit.name, limit.quota, seconds(limit.window))
            });
            let left = list(limits, |text, limit| {
                write!(text, "\"{}\";r={};t={}", limit.name, limit.remaining, seconds(limit.reset))
            });
            self.headers.push(("RateLimit-Policy", policies));
            self.headers.push(("RateLimit", left));
        }
        if let Some(Wait::For(wait)) = wait {
            self.headers.push(("Retry-After", seconds(*wait).to_string()));
        }
        self
    }
}

/// One entry for each limit. A name has no character that a string of a header must not have.
fn list(
    limits: &[LimitStatus],
    entry: impl Fn(&mut String, &LimitStatus) -> fmt::Result,
) -> String {
    let mut text = String::with_capacity(48 * limits.len());
    for limit in limits {
        if !text.is_empty() {
            text.push_str(", ");
        }
        // To write into memory fails never.
        _ = entry(&mut text, limit);
    }
    text
}

fn seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(denial: Option<Denial>, status: u16, challenge: Option<&str>) {
        let advice = Advice::new(denial, true, ["a:b", "c"].into_iter());
        let headers: Vec<_> =
            advice.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let expected: Vec<_> =
            challenge.map(|value| ("WWW-Authenticate", value)).into_iter().collect();
        assert_eq!((advice.status, headers), (status, expected));
    }

    #[test]
    fn each_outcome_has_its_status_and_challenge() {
        check(None, 200, None);
        for denial in [Denial::InvalidKey, Denial::Revoked, Denial::Expired, Denial::Disabled] {
            check(Some(denial), 401, Some(r#"Bearer error="invalid_token""#));
        }
        check(Some(Denial::IpNotAllowed), 403, None);
        check(Some(Denial::OutsideConstraint), 403, None);
        check(Some(Denial::NotFound), 404, None);
        check(Some(Denial::RateLimited), 429, None);
        let scopes = r#"Bearer error="insufficient_scope", scope="a:b c""#;
        check(Some(Denial::InsufficientScope), 403, Some(scopes));
    }

    #[test]
    fn limits_are_told_in_seconds_rounded_up() {
        let second = Duration::from_secs(1);
        let limit = |name: &str, reset| LimitStatus {
            name: name.to_owned(),
            quota: 100,
            window: 60 * second,
            remaining: 50,
            reset,
            shared: false,
        };
        let limits = vec![
            limit("burst", 30 * second),
            limit("a:*", 29 * second + Duration::from_nanos(1)),
            limit("b", Duration::ZERO),
        ];
        let policies =
            ("RateLimit-Policy", r#""burst";q=100;w=60, "a:*";q=100;w=60, "b";q=100;w=60"#);
        let left = ("RateLimit", r#""burst";r=50;t=30, "a:*";r=50;t=30, "b";r=50;t=0"#);
        for (wait, retry_after) in [
            (None, None),
            (Some(Wait::Forever), None),
            (Some(Wait::For(Duration::from_nanos(1))), Some(("Retry-After", "1"))),
            (Some(Wait::For(second)), Some(("Retry-After", "1"))),
            (Some(Wait::For(1_001 * second / 1_000)), Some(("Retry-After", "2"))),
        ] {
            let verdict = Verdict { limits: limits.clone(), wait };
            let advice = Advice::new(None, true, std::iter::empty()).within(&verdict);
            let headers: Vec<_> =
                advice.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let expected: Vec<_> = [policies, left].into_iter().chain(retry_after).collect();
            assert_eq!(headers, expected, "{wait:?}");
        }
        let without = Advice::new(None, true, std::iter::empty()).within(&Verdict::default());
        assert_eq!(without.headers, []);
    }

    #[test]
    fn to_who_sent_no_secret_no_error_is_named() {
        let advice = Advice::new(Some(Denial::InvalidKey), false, std::iter::empty());
        let challenge = vec![("WWW-Authenticate", "Bearer".to_owned())];
        assert_eq!(advice, Advice { status: 401, headers: challenge });
    }
}

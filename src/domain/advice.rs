//! What a backend should answer to its own client over HTTP.

use super::decision::Denial;

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
            Some(Denial::InsufficientScope) => {
                let scopes = missing.collect::<Vec<_>>().join(" ");
                (403, challenge(format!(r#"Bearer error="insufficient_scope", scope="{scopes}""#)))
            }
        };
        Self { status, headers }
    }
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
        let scopes = r#"Bearer error="insufficient_scope", scope="a:b c""#;
        check(Some(Denial::InsufficientScope), 403, Some(scopes));
    }

    #[test]
    fn to_who_sent_no_secret_no_error_is_named() {
        let advice = Advice::new(Some(Denial::InvalidKey), false, std::iter::empty());
        let challenge = vec![("WWW-Authenticate", "Bearer".to_owned())];
        assert_eq!(advice, Advice { status: 401, headers: challenge });
    }
}

//! `postgres://` addresses.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::TlsMode;

/// What an address must be like.
pub(super) const FORM: &str = "postgres://USER[:PASSWORD]@HOST[:PORT]/NAME, with no parameter but sslmode=disable, \
     require or verify-full";
/// The port where none is named.
pub(super) const PORT: u16 = 5432;

/// An address of a PostgreSQL database, possibly with a password, which is shown nowhere. Empty: none.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct DatabaseUrl(Zeroizing<String>);

/// The parts of an address.
pub(super) struct Parts {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) tls: Option<TlsMode>,
}

impl From<String> for DatabaseUrl {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}

impl DatabaseUrl {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address without its password. Nothing of one that cannot be read, for who knows where in it the password is.
    pub(super) fn shown(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        match (self.parts(), Url::parse(&self.0)) {
            (Some(parts), Ok(mut url)) => {
                if parts.password.is_some() && url.set_password(Some("REDACTED")).is_err() {
                    return "…".to_owned();
                }
                url.into()
            }
            _ => "…".to_owned(),
        }
    }

    /// The parts of a whole address of the right form.
    pub(super) fn parts(&self) -> Option<Parts> {
        let url = Url::parse(&self.0).ok()?;
        let is_postgres = matches!(url.scheme(), "postgres" | "postgresql");
        if !is_postgres || url.fragment().is_some() || url.port() == Some(0) {
            return None;
        }
        let host = decoded(url.host_str()?)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let mut tls = None;
        for (name, value) in url.query_pairs() {
            let mode = match (&*name, &*value) {
                ("sslmode", "disable") => TlsMode::Off,
                ("sslmode", "require") => TlsMode::Require,
                ("sslmode", "verify-full") => TlsMode::Verify,
                _ => return None,
            };
            if tls.replace(mode).is_some() {
                return None;
            }
        }
        let password = match url.password() {
            Some(password) => Some(Zeroizing::new(decoded(password)?)),
            None => None,
        };
        Some(Parts {
            host,
            port: url.port().unwrap_or(PORT),
            name: decoded(url.path().strip_prefix('/')?)?,
            user: decoded(url.username())?,
            password,
            tls,
        })
    }
}

/// A part that is not empty, as it was before it was encoded.
fn decoded(part: &str) -> Option<String> {
    let text = percent_decode_str(part).decode_utf8().ok()?;
    (!text.is_empty() && !text.contains('\0')).then(|| text.into_owned())
}

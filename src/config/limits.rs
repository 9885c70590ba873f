//! Settings of rate limits.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::Problem;
use super::held::held;

/// Who keeps count of rate limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// The Redis that counts for all replicas. Empty: none.
    pub redis_url: RedisUrl,
    /// A file that holds its address, instead. Empty: none.
    pub redis_url_file: PathBuf,
    /// What that file held when the settings were read.
    #[serde(skip)]
    pub redis_url_held: RedisUrl,
    /// Milliseconds that it may take to answer.
    pub redis_timeout_ms: u64,
    /// What becomes of limits that several replicas share and nobody counts for all of them.
    pub without_redis: WithoutRedis,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            redis_url: RedisUrl::default(),
            redis_url_file: PathBuf::new(),
            redis_url_held: RedisUrl::default(),
            redis_timeout_ms: 250,
            without_redis: WithoutRedis::default(),
        }
    }
}

impl LimitSettings {
    /// The Redis that counts for all replicas, wherever its address is said. Empty: none.
    #[must_use]
    pub fn redis(&self) -> &RedisUrl {
        self.address().1
    }

    /// Reads the files that hold values.
    pub(super) fn read_files(&mut self, problems: &mut Vec<Problem>) {
        let held = held("limits.redis_url_file", &self.redis_url_file, problems);
        self.redis_url_held = RedisUrl::from(held.to_string());
    }

    /// The address of Redis, and the setting that says it.
    fn address(&self) -> (&'static str, &RedisUrl) {
        match self.redis_url_file.as_os_str().is_empty() {
            true => ("limits.redis_url", &self.redis_url),
            false => ("limits.redis_url_file", &self.redis_url_held),
        }
    }

    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let (name, url) = self.address();
        let mut problems = Vec::new();
        let mut refuse = |value: String, bound: &str| {
            problems.push(Problem::Refused { name, value, bound: bound.to_owned() });
        };
        if name != "limits.redis_url" && !self.redis_url.is_empty() {
            let value = format!("{:?}", self.redis_url_file.to_string_lossy());
            refuse(value, "left out where limits.redis_url is given");
        }
        if !url.is_empty() && url.parsed().is_none() {
            refuse(format!("{:?}", url.shown()), FORM);
        }
        problems
    }
}

/// What an address must be like.
const FORM: &str =
    "redis://[USER][:PASSWORD@]HOST[:PORT][/NUMBER], or rediss:// to speak TLS, and nothing more";

/// An address of a Redis server, possibly with a password, which is shown nowhere. Empty: none.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct RedisUrl(Zeroizing<String>);

impl From<String> for RedisUrl {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}

impl RedisUrl {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it, the password included.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is beside the address would be options, such as not to look at certificates.
    fn parsed(&self) -> Option<Url> {
        let is_number = |path: &str| path.bytes().all(|byte| byte.is_ascii_digit());
        Url::parse(&self.0).ok().filter(|url| {
            matches!(url.scheme(), "redis" | "rediss")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.path().strip_prefix('/').is_none_or(is_number)
        })
    }

    /// The address without its password. Nothing of one that cannot be read, for who knows where in it the password is.
    pub(super) fn shown(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        match self.parsed() {
            Some(mut url) => {
                if url.password().is_some() && url.set_password(Some("REDACTED")).is_err() {
                    return "…".to_owned();
                }
                url.into()
            }
            None => "…".to_owned(),
        }
    }
}

/// What becomes of a limit that several replicas share while no Redis counts for all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum WithoutRedis {
    /// Each replica has its part.
    #[default]
    Divide,
    /// Nothing is let through.
    Refuse,
}

impl WithoutRedis {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Divide => "divide",
            Self::Refuse => "refuse",
        }
    }
}

impl TryFrom<String> for WithoutRedis {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        [Self::Divide, Self::Refuse]
            .into_iter()
            .find(|choice| choice.name() == given)
            .ok_or_else(|| format!("invalid choice {given:?}, expected divide or refuse"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::{Settings, table::variable_of};

    fn shown(url: &str) -> String {
        let url = RedisUrl::from(url.to_owned());
        format!("{} {url:?}", url.shown())
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let told = shown("redis://user:hunter2@host:6380/1");
        assert_eq!(told, "redis://user:REDACTED@host:6380/1 \"redis://user:REDACTED@host:6380/1\"");
        assert_eq!(shown(""), " \"\"");
        for broken in ["redis:/:hunter2@host", "http://:hunter2@host", "rediss://:hunter2@h/x"] {
            assert_eq!(shown(broken), "… \"…\"");
        }
    }

    #[test]
    fn an_address_is_of_a_server_and_has_no_options() {
        let fits = |url: &str| {
            let redis_url = RedisUrl::from(url.to_owned());
            LimitSettings { redis_url, ..LimitSettings::default() }.contradictions().is_empty()
        };
        let good = ["", "redis://h", "rediss://h:1/2", "redis://:p@[::1]:6379/", "redis://u:p@h"];
        for url in good {
            assert!(fits(url), "{url}");
        }
        let bad = [
            "h",
            "redis://",
            "rediss://h#insecure",
            "redis://h?protocol=3",
            "unix:///s",
            "redis://h/a",
        ];
        for url in bad {
            assert!(!fits(url), "{url}");
        }
    }

    #[test]
    fn an_address_may_be_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let load = |more: &[(&str, &str)]| {
            let all = [("limits.redis_url_file", path)].into_iter().chain(more.iter().copied());
            let all = all.map(|(name, value)| (variable_of(name), value.to_owned()));
            Settings::load(None, all.collect::<Vec<_>>().into_iter())
        };
        std::fs::write(path, "redis://:hunter2@host\r\n").unwrap();
        let settings = load(&[]).unwrap();
        assert_eq!(settings.limits.redis().reveal(), "redis://:hunter2@host");
        let shown = format!("{} {settings:?}", settings.print());
        assert!(!shown.contains("hunter2") && shown.contains("limits.redis_url = \"\""), "{shown}");

        let both = load(&[("limits.redis_url", "redis://h")]).unwrap_err().to_string();
        assert!(both.contains("limits.redis_url_file") && both.contains("left out"), "{both}");
        for (held, said) in [("redis://:hunter2@", "must be redis://"), ("\n", "holds no text")] {
            std::fs::write(path, held).unwrap();
            let refused = load(&[]).unwrap_err().to_string();
            assert!(
                refused.contains("limits.redis_url_file") && refused.contains(said),
                "{refused}"
            );
            assert!(!refused.contains("hunter2"), "{refused}");
            assert_eq!(refused.lines().count(), 2, "said once: {refused}");
        }
    }
}

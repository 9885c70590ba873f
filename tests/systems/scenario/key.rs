//! Keys as rows write them, with what is expected of them.

use std::time::{SystemTime, UNIX_EPOCH};

use keyward::proto::{self, key::Expiration};
use prost_types::{Duration, Timestamp};

use super::{Refusal, Step, Told};
use crate::harness::{grants, strings};

/// A key to be made.
#[derive(Clone, Default)]
pub(crate) struct Mint {
    pub(crate) title: &'static str,
    pub(crate) body: proto::Key,
    pub(crate) owner: &'static str,
    pub(crate) presets: Vec<String>,
    /// The title of the key on whose behalf it is made.
    pub(crate) minting_key: &'static str,
    /// In place of the row's workspace.
    pub(crate) workspace: Option<&'static str>,
    pub(crate) prefix: Option<&'static str>,
    pub(crate) warnings: Option<Vec<Told>>,
    pub(crate) life: Option<Life>,
}

/// How long a key lives, counted from when it is made.
#[derive(Clone, Copy)]
pub(crate) enum Life {
    Seconds(i64),
    Unending,
}

/// A key of which nothing is said yet.
pub(crate) fn key() -> Mint {
    Mint::default()
}

impl Mint {
    pub(crate) fn titled(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }

    pub(crate) fn may(mut self, scopes: &[&str]) -> Self {
        self.body.grants.extend(grants(scopes));
        self
    }

    pub(crate) fn may_on(mut self, scope: &str, resource: &str) -> Self {
        let (scope, resource) = (scope.to_owned(), resource.to_owned());
        self.body.grants.push(proto::Grant { scope, resource });
        self
    }

    pub(crate) fn pinned_to(mut self, patterns: &[&str]) -> Self {
        self.body.constraint = strings(patterns);
        self
    }

    pub(crate) fn from(mut self, cidrs: &[&str]) -> Self {
        self.body.allowed_cidrs = strings(cidrs);
        self
    }

    pub(crate) fn of(mut self, owner: &'static str) -> Self {
        self.owner = owner;
        self
    }

    pub(crate) fn typed(mut self, key_type: &str) -> Self {
        key_type.clone_into(&mut self.body.r#type);
        self
    }

    pub(crate) fn preset(mut self, preset: &str) -> Self {
        self.presets.push(preset.to_owned());
        self
    }

    pub(crate) fn for_key(mut self, title: &'static str) -> Self {
        self.minting_key = title;
        self
    }

    pub(crate) fn in_workspace(mut self, workspace: &'static str) -> Self {
        self.workspace = Some(workspace);
        self
    }

    /// Ends so many seconds after the call.
    pub(crate) fn for_seconds(mut self, seconds: i64) -> Self {
        self.body.expiration = Some(Expiration::Ttl(Duration { seconds, nanos: 0 }));
        self
    }

    /// Has ended when the call returns.
    pub(crate) fn for_a_moment(mut self) -> Self {
        self.body.expiration = Some(Expiration::Ttl(Duration { seconds: 0, nanos: 1_000 }));
        self
    }

    /// Ends at a date, so many seconds from now.
    pub(crate) fn until(mut self, seconds: i64) -> Self {
        let seconds = now() + seconds;
        self.body.expiration = Some(Expiration::ExpireTime(Timestamp { seconds, nanos: 0 }));
        self
    }

    pub(crate) fn for_ever(mut self) -> Self {
        self.body.expiration = Some(Expiration::NeverExpires(true));
        self
    }

    /// Expects the secret to begin so.
    pub(crate) fn begins(mut self, prefix: &'static str) -> Self {
        self.prefix = Some(prefix);
        self
    }

    /// Expects just these warnings.
    pub(crate) fn warns(mut self, warnings: &[Told]) -> Self {
        self.warnings = Some(warnings.to_vec());
        self
    }

    /// Expects it to live so long, within a minute.
    pub(crate) fn lives(mut self, life: Life) -> Self {
        self.life = Some(life);
        self
    }

    pub(crate) fn made(self) -> Step {
        Step::Made(Box::new(self))
    }

    pub(crate) fn refused(self, why: Refusal) -> Step {
        Step::Refused(Box::new(self), why)
    }

    /// The change of these fields of a key to what they are here.
    pub(crate) fn edits(self, key: &'static str, fields: &'static [&'static str]) -> Step {
        Step::Edited { key, fields, to: Box::new(self) }
    }

    pub(crate) fn cannot_edit(
        self,
        key: &'static str,
        fields: &'static [&'static str],
        why: Refusal,
    ) -> Step {
        Step::Kept { key, fields, to: Box::new(self), why }
    }
}

/// The seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

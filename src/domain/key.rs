//! The record of a key, without its secrets.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    name::{Id, KeyName, Misleading, PrincipalName, Title},
    network::AllowedNetworks,
    policy::ExpiryRule,
    time::Timestamp,
};

/// The most grants of a key.
pub const GRANTS_MAX: usize = 1_000;
/// The most patterns of a constraint.
pub const CONSTRAINT_MAX: usize = 100;
/// The most networks of a key.
pub const CIDRS_MAX: usize = 1_000;
/// The most labels of a key.
pub const LABELS_MAX: usize = 64;
/// The longest key of a label, in bytes.
pub const LABEL_KEY_LENGTH_MAX: usize = 63;
/// The longest value of a label, in bytes.
pub const LABEL_VALUE_LENGTH_MAX: usize = 255;

/// A key. Expired and revoked ones stay on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Which one.
    pub name: KeyName,
    /// For people.
    pub title: Title,
    /// A key type of the policy. Never changes.
    pub key_type: String,
    /// Who owns it, in the same workspace. Never changes.
    pub principal: Option<Id>,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// Resource patterns that bound all grants. Empty: no bound of the key's own.
    pub constraint: Vec<String>,
    /// From where it may be used. Empty: from everywhere.
    pub allowed_cidrs: AllowedNetworks,
    /// From when on it no longer works. None: never.
    pub expire_time: Option<Timestamp>,
    /// A plan of the policy, in place of the workspace's. Empty: the workspace's.
    pub plan: String,
    /// Free pairs for people and tools.
    pub labels: BTreeMap<String, String>,
    /// The key, in the same workspace, on whose behalf it was made. Never changes.
    pub minting_key: Option<Id>,
    /// Since when it is revoked. None: it is not.
    pub revoke_time: Option<Timestamp>,
}

impl Key {
    /// Its owner's name.
    pub fn owner(&self) -> Option<PrincipalName> {
        let workspace = self.name.workspace.clone();
        self.principal.clone().map(|principal| PrincipalName { workspace, principal })
    }

    /// The name of the key on whose behalf it was made.
    pub fn minter(&self) -> Option<KeyName> {
        let workspace = self.name.workspace.clone();
        self.minting_key.clone().map(|key| KeyName { workspace, key })
    }

    /// Whether it works at `now`, as far as the key alone tells.
    pub fn state(&self, now: Timestamp) -> KeyState {
        KeyState::new(self.revoke_time, self.expire_time, now)
    }
}

/// A scope that a key holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which scope.
    pub scope: String,
    /// A pattern of the resources on which alone it counts. None: all.
    pub resource: Option<String>,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It does, where its workspace and principal do.
    Active,
    /// Its time is over.
    Expired,
    /// It was ended, for ever.
    Revoked,
}

impl KeyState {
    /// That at `now` of a key which was ended then, and whose time is over then.
    pub fn new(
        revoke_time: Option<Timestamp>,
        expire_time: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        if revoke_time.is_some() {
            Self::Revoked
        } else if expire_time.is_some_and(|end| now >= end) {
            Self::Expired
        } else {
            Self::Active
        }
    }
}

/// When a key is to stop working, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// Nothing was said.
    Default,
    /// At this moment.
    At(Timestamp),
    /// So long after now.
    After(Duration),
    /// Never.
    Never,
}

/// Why a key cannot stop working when it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpiration {
    /// It would be expired at once.
    #[error("must be in the future")]
    Past,
    /// It is later than moments can say.
    #[error("is after the year 9999")]
    TooFar,
    /// It is later than the policy allows.
    #[error("is later than the policy allows: at most {} seconds from now", .0.as_secs())]
    TooLong(Duration),
    /// It never comes, and the policy wants it to.
    #[error("the policy requires that keys expire: give expire_time or ttl")]
    Required,
}

impl Expiration {
    /// The moment that is meant, under the policy's rule. Where nothing was said it
    /// is the policy's default, else its maximum, else never.
    ///
    /// # Errors
    ///
    /// Where it is past, too far, longer than the maximum, or absent although required.
    pub fn resolve(
        self,
        rule: &ExpiryRule,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, InvalidExpiration> {
        let in_time = |ttl| now.after(ttl).ok_or(InvalidExpiration::TooFar);
        let end = match self {
            Self::At(end) if end > Timestamp::MAX => return Err(InvalidExpiration::TooFar),
            Self::At(end) => Some(end),
            Self::After(ttl) => Some(in_time(ttl)?),
            Self::Default => rule.default_ttl.or(rule.max_ttl).map(in_time).transpose()?,
            Self::Never => None,
        };
        let latest = rule.max_ttl.map(|max| (max, now.after(max).unwrap_or(Timestamp::MAX)));
        match (end, latest) {
            (None, _) if rule.required => Err(InvalidExpiration::Required),
            (None, Some((max, _))) => Err(InvalidExpiration::TooLong(max)),
            (Some(end), _) if end <= now => Err(InvalidExpiration::Past),
            (Some(end), Some((max, latest))) if end > latest => {
                Err(InvalidExpiration::TooLong(max))
            }
            (end, _) => Ok(end),
        }
    }
}

/// Notes what is wrong with labels; at most so many, so long, so written.
pub fn check_labels(
    labels: &BTreeMap<String, String>,
    field: &str,
    faults: &mut super::fault::Faults,
) {
    if !faults.bound(field, labels.len(), LABELS_MAX) {
        return;
    }
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._/-".contains(&b);
    for (key, value) in labels {
        let shown: String =
            super::fault::without_secrets(key).chars().take(LABEL_KEY_LENGTH_MAX).collect();
        if key.is_empty() || key.len() > LABEL_KEY_LENGTH_MAX || !key.bytes().all(fits) {
            faults.note(
                format!("{field}[{shown:?}]"),
                "a key must be 1 to 63 of the characters a-z 0-9 . _ / -",
            );
        }
        if value.len() > LABEL_VALUE_LENGTH_MAX {
            faults.note(format!("{field}[{shown:?}]"), "a value must be at most 255 bytes");
        } else if let Some(misleading) = Misleading::find(value) {
            faults.note(format!("{field}[{shown:?}]"), format_args!("the value {misleading}"));
        }
    }
}

#[cfg(test)]
mod tests;

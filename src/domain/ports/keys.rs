//! Keys with what is known of their secrets, and which of them are asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{
    key::{Key, KeyState},
    live::Stored,
    name::{Id, WorkspaceName},
    time::Timestamp,
    usage::LastUse,
};

/// A key with what is known of its secrets.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The key.
    pub key: Stored<Key>,
    /// Its secrets, newest first, also those that no longer work.
    pub secrets: Vec<SecretRecord>,
    /// When its rotation is due by its policy, which the records do not know of. None: never, or
    /// not asked for.
    pub rotation_due: Option<Timestamp>,
}

impl KeyRecord {
    /// When and from where a secret of it was used last.
    pub fn last_use(&self) -> Option<LastUse> {
        self.secrets.iter().fold(None, |last, secret| LastUse::later(last, secret.last_use))
    }

    /// The same key under a rule of rotation: it is due so long after its newest secret was made.
    /// One that was revoked never is.
    #[must_use]
    pub fn due_after(self, due_after: Option<Duration>) -> Self {
        let newest = self.secrets.iter().find(|secret| secret.replaced.is_none());
        let newest = newest.filter(|_| self.key.value.revoke_time.is_none());
        let due = newest.zip(due_after).and_then(|(secret, age)| secret.create_time.after(age));
        Self { rotation_due: due, ..self }
    }
}

/// What is known of a secret without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretRecord {
    /// When it was made.
    pub create_time: Timestamp,
    /// From when on it does not work, because a newer one replaced it.
    pub replaced: Option<Timestamp>,
    /// When and from where it was used last. None: never, or not known.
    pub last_use: Option<LastUse>,
}

/// Which keys of a workspace.
#[derive(Clone, Debug)]
pub struct KeyQuery {
    /// Whose.
    pub workspace: WorkspaceName,
    /// In one of these states at this moment.
    pub states: Vec<KeyState>,
    /// The moment.
    pub now: Timestamp,
    /// With this in their title, without regard to case (ASCII). Empty: whatever.
    pub title_part: String,
    /// Of this type. None: of any.
    pub key_type: Option<String>,
    /// Of this owner. None: of any or none.
    pub principal: Option<Id>,
    /// With this scope granted literally. None: whatever.
    pub scope: Option<String>,
    /// Expiring before this moment. None: whenever, or never.
    pub expiring_before: Option<Timestamp>,
    /// Never used.
    pub never_used: bool,
    /// Not used from this moment on. None: whether or not.
    pub unused_since: Option<Timestamp>,
    /// Not revoked, and with a newest secret made at this moment or before. None: whenever.
    pub newest_secret_until: Option<Timestamp>,
    /// In which order.
    pub order: KeyOrder,
    /// Whether the other way round.
    pub descending: bool,
}

/// In which order keys are listed; equal ones by their identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// By the moment when they were made.
    CreateTime,
    /// By title, bytewise.
    Title,
}

/// Where a list of keys goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyCursor {
    /// After the key made at this moment.
    CreateTime(Timestamp, Id),
    /// After the key with this title.
    Title(String, Id),
}

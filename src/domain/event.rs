//! The log of changes. Each event is bound to the one before it by a hash, so
//! that an entry which was edited or removed is found.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The number of an event. The first is 1; there are no gaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl Revision {
    /// The number of the event after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The first of so many in a row of which this one is the last.
    #[must_use]
    pub fn first_of(self, count: usize) -> Self {
        let before = i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(1);
        Self(self.0.saturating_sub(before))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub revision: Revision,
    /// When the change was made.
    pub time: Timestamp,
    /// What changed, how, by whom.
    pub deed: Deed,
    /// The hash of the event before it; zero for the first.
    pub previous: Hash,
    /// The hash of all of the above.
    pub hash: Hash,
}

/// What an event tells, apart from its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The resource name of the caller's key, the identity of its certificate, or the command that made the change.
    pub actor: String,
    /// What kind of change.
    pub kind: Kind,
    /// The resource name of what changed.
    pub subject: String,
    /// The identifier of its workspace. Empty: none.
    pub workspace: String,
    /// The record before, as JSON. Empty: there was none.
    pub before: String,
    /// The record after, as JSON. Empty: there is none any more.
    pub after: String,
    /// What the caller called its request. Empty: nothing.
    pub request_id: String,
}

/// SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Event {
    /// The event that follows `previous` in the log.
    pub fn new(revision: Revision, time: Timestamp, deed: Deed, previous: Hash) -> Self {
        let hash = Self::digest(revision, time, &deed, previous);
        Self { revision, time, deed, previous, hash }
    }

    /// Whether it is as it was written, and follows an event with the hash `previous`.
    pub fn follows(&self, previous: Hash) -> bool {
        self.previous == previous
            && self.hash == Self::digest(self.revision, self.time, &self.deed, previous)
    }

    /// SHA-256 over the fields in order, each preceded by its length as eight bytes,
    /// the most significant first, so that no two events read alike.
    fn digest(revision: Revision, time: Timestamp, deed: &Deed, previous: Hash) -> Hash {
        let Deed { actor, kind, subject, workspace, before, after, request_id } = deed;
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        let mut field = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        field(b"keyward event v1");
        field(&revision.0.to_be_bytes());
        field(&time.micros().to_be_bytes());
        for text in [actor, kind.as_str(), subject, workspace, before, after, request_id] {
            field(text.as_bytes());
        }
        field(&previous.0);
        // SHA-256 is 32 bytes: the default is never met.
        Hash(context.finish().as_ref().try_into().unwrap_or_default())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $text:literal,)+) => {
        /// What kind of change an event tells of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// How the log writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)+
                }
            }
        }

        impl FromStr for Kind {
            type Err = UnknownKind;

            fn from_str(text: &str) -> Result<Self, UnknownKind> {
                match text {
                    $($text => Ok(Self::$kind),)+
                    _ => Err(UnknownKind),
                }
            }
        }
    };
}

/// A text that names no kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of event")]
pub struct UnknownKind;

kinds! {
    /// A policy was made.
    PolicyCreated = "policy.created",
    /// A policy was changed.
    PolicyUpdated = "policy.updated",
    /// A workspace was made.
    WorkspaceCreated = "workspace.created",
    /// A workspace was changed.
    WorkspaceUpdated = "workspace.updated",
    /// A workspace was suspended.
    WorkspaceSuspended = "workspace.suspended",
    /// A suspended workspace was resumed.
    WorkspaceResumed = "workspace.resumed",
    /// A principal was made.
    PrincipalCreated = "principal.created",
    /// A principal was changed.
    PrincipalUpdated = "principal.updated",
    /// A principal was disabled.
    PrincipalDisabled = "principal.disabled",
    /// A disabled principal was enabled.
    PrincipalEnabled = "principal.enabled",
    /// A principal was deleted.
    PrincipalDeleted = "principal.deleted",
    /// A key was made.
    KeyCreated = "key.created",
    /// A key was changed.
    KeyUpdated = "key.updated",
    /// A key got a new secret.
    KeyRotated = "key.rotated",
    /// A key was revoked.
    KeyRevoked = "key.revoked",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed() -> Deed {
        Deed {
            actor: "workspaces/system/keys/root".into(),
            kind: Kind::KeyCreated,
            subject: "workspaces/acme/keys/ci".into(),
            workspace: "acme".into(),
            before: String::new(),
            after: "{}".into(),
            request_id: String::new(),
        }
    }

    fn event() -> Event {
        Event::new(Revision(7), Timestamp::from_micros(5), deed(), Hash([1; 32]))
    }

    #[test]
    fn an_event_follows_the_one_that_it_was_made_after() {
        assert!(event().follows(Hash([1; 32])));
        assert!(!event().follows(Hash([2; 32])));
    }

    #[test]
    fn every_edit_is_noticed() {
        let edits: [fn(&mut Event); 10] = [
            |event| event.revision = Revision(8),
            |event| event.time = Timestamp::from_micros(6),
            |event| event.deed.actor.push('x'),
            |event| event.deed.kind = Kind::KeyRevoked,
            |event| event.deed.subject.push('x'),
            |event| event.deed.workspace.push('x'),
            |event| event.deed.before.push('x'),
            |event| event.deed.after.clear(),
            |event| event.deed.request_id.push('x'),
            |event| event.hash.0[31] ^= 1,
        ];
        for (place, edit) in edits.into_iter().enumerate() {
            let mut event = event();
            edit(&mut event);
            assert!(!event.follows(Hash([1; 32])), "edit {place}");
        }
    }

    #[test]
    fn text_moved_from_one_field_to_the_next_is_noticed() {
        let mut event = event();
        event.deed.before = "{".into();
        event.deed.after = "}".into();
        assert!(!event.follows(Hash([1; 32])));
    }

    #[test]
    fn kinds_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
    }
}

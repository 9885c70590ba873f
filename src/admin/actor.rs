//! In whose name changes are made.

use super::AdminError;
use crate::domain::{caller::Caller, event::Revision, live::Facts, ports::Guard, time::Moment};

/// In whose name a change is made.
#[derive(Clone, Copy)]
pub(super) enum Actor<'a> {
    /// A caller's.
    Caller(&'a Caller),
    /// That of a command of the program.
    Command(&'static str),
}

impl Actor<'_> {
    /// What the log calls it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Caller(caller) => caller.name(),
            Self::Command(name) => name.to_owned(),
        }
    }

    /// Until when it waits.
    pub(super) fn patience(self) -> Option<Moment> {
        match self {
            Self::Caller(caller) => caller.patience(),
            Self::Command(_) => None,
        }
    }

    /// What must still be so when the change is made: a caller whose key was revoked,
    /// rotated or narrowed since it was recognised makes none. A caller by a certificate has
    /// nothing in the database: [`Self::check`] looks at it.
    pub(super) fn guards(self) -> Vec<(Guard, Revision)> {
        let Self::Caller(caller) = self else { return Vec::new() };
        let Some(key) = caller.key() else { return Vec::new() };
        let Facts { key, workspace, principal, .. } = key.facts();
        let principal = principal.as_ref();
        let owner =
            principal.map(|owner| (Guard::Principal(owner.value.name.clone()), owner.revision));
        let own = [
            (Guard::Key(key.value.name.clone()), key.revision),
            (Guard::Workspace(workspace.value.name.clone()), workspace.revision),
        ];
        own.into_iter().chain(owner).collect()
    }

    /// Looked at directly before a change is given to the database: a caller by a certificate that was taken off the
    /// list since it was recognised, or narrowed, or lost its authority, makes none.
    ///
    /// # Errors
    ///
    /// [`AdminError::Contended`], as for a key that was revoked meanwhile: who tries again is told what is so.
    pub(super) fn check(self) -> Result<(), AdminError> {
        match self {
            Self::Caller(caller) if caller.is_withdrawn() => Err(AdminError::Contended),
            Self::Caller(_) | Self::Command(_) => Ok(()),
        }
    }
}

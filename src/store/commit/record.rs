//! Which records a change writes, rests on and refers to.

use crate::domain::{
    event::Revision,
    name::{Id, KeyName, PolicyName, PrincipalName, WorkspaceName},
    ports::{Guard, Write},
};

/// A record by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Record {
    Policy(Id),
    Workspace(Id),
    /// By its workspace and its own identifier, as the next.
    Principal(Id, Id),
    Key(Id, Id),
}

impl Record {
    /// What is written, and from which revision on: none, where it is to be new.
    pub(super) fn subject(write: &Write) -> (Self, Option<Revision>) {
        match write {
            Write::Policy(name, _, expected) => (name.into(), *expected),
            Write::Workspace(record, expected) => ((&record.name).into(), *expected),
            Write::Principal(record, expected) => ((&record.name).into(), *expected),
            Write::Key(record, expected, _) => ((&record.name).into(), *expected),
        }
    }

    /// What must be there, of whatever revision.
    pub(super) fn referred_to(write: &Write) -> Vec<Self> {
        match write {
            Write::Policy(..) => vec![],
            Write::Workspace(record, _) => vec![(&record.policy).into()],
            Write::Principal(record, _) => vec![Self::Workspace(record.name.workspace.clone())],
            Write::Key(record, ..) => {
                let workspace = &record.name.workspace;
                let owner = record.principal.as_ref();
                let owner = owner.map(|id| Self::Principal(workspace.clone(), id.clone()));
                [Self::Workspace(workspace.clone())].into_iter().chain(owner).collect()
            }
        }
    }

    /// None: it is more than one record.
    pub(super) fn guarded(guard: &Guard) -> Option<Self> {
        match guard {
            Guard::Policy(name) => Some(name.into()),
            Guard::Workspace(name) => Some(name.into()),
            Guard::Principal(name) => Some(name.into()),
            Guard::Key(name) => Some(name.into()),
            Guard::Under(_) | Guard::KeysOf(_) => None,
        }
    }
}

impl From<&PolicyName> for Record {
    fn from(PolicyName { policy }: &PolicyName) -> Self {
        Self::Policy(policy.clone())
    }
}

impl From<&WorkspaceName> for Record {
    fn from(WorkspaceName { workspace }: &WorkspaceName) -> Self {
        Self::Workspace(workspace.clone())
    }
}

impl From<&PrincipalName> for Record {
    fn from(PrincipalName { workspace, principal }: &PrincipalName) -> Self {
        Self::Principal(workspace.clone(), principal.clone())
    }
}

impl From<&KeyName> for Record {
    fn from(KeyName { workspace, key }: &KeyName) -> Self {
        Self::Key(workspace.clone(), key.clone())
    }
}

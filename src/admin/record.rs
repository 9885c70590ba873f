//! What the changes of all records have in common.

use std::{fmt::Display, str::FromStr};

use super::{Actor, Admin, AdminError, Intent, Plan, json};
use crate::domain::{
    caller::Caller,
    event::{Kind, Revision},
    fault::Faults,
    live::Stored,
    name::{Id, PolicyName},
    policy::Policy,
    ports::{Guard, Write},
    principal::Principal,
    system::SystemScope,
    workspace::Workspace,
};

/// A policy with its name.
pub type NamedPolicy = (PolicyName, Policy);

/// A record that is written as it is.
pub(super) trait Record: Clone + PartialEq + Send + Sync {
    /// Its resource name.
    fn subject(&self) -> String;
    /// The workspace that it is, or is in.
    fn workspace(&self) -> Option<&Id>;
    /// The record as the log keeps it.
    fn logged(&self) -> Result<String, AdminError>;
    /// The writing of it, over the record of this revision or anew.
    fn write(self, expected: Option<Revision>) -> Write;
}

impl Record for NamedPolicy {
    fn subject(&self) -> String {
        self.0.to_string()
    }

    fn workspace(&self) -> Option<&Id> {
        None
    }

    fn logged(&self) -> Result<String, AdminError> {
        json(&self.1)
    }

    fn write(self, expected: Option<Revision>) -> Write {
        Write::Policy(self.0, self.1, expected)
    }
}

impl Record for Workspace {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn workspace(&self) -> Option<&Id> {
        Some(&self.name.workspace)
    }

    fn logged(&self) -> Result<String, AdminError> {
        json(self)
    }

    fn write(self, expected: Option<Revision>) -> Write {
        Write::Workspace(self, expected)
    }
}

impl Record for Principal {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn workspace(&self) -> Option<&Id> {
        Some(&self.name.workspace)
    }

    fn logged(&self) -> Result<String, AdminError> {
        // What is kept of a deleted one is nobody's record.
        if self.deleted { Ok(String::new()) } else { json(self) }
    }

    fn write(self, expected: Option<Revision>) -> Write {
        Write::Principal(self, expected)
    }
}

impl Admin {
    /// Writes a record in place of `before`, or anew. One that is as it was is not
    /// written, and no event tells of it.
    pub(super) async fn put<T: Record>(
        &self,
        actor: Actor<'_>,
        intent: &Intent,
        kind: Kind,
        guards: Vec<(Guard, Revision)>,
        before: Option<Stored<T>>,
        after: T,
    ) -> Result<Stored<T>, AdminError> {
        if let Some(same) = before.as_ref().filter(|before| before.value == after) {
            self.unchanged(actor, intent, after.subject(), same).await?;
            return Ok(same.clone());
        }
        let stamp = before.as_ref().map(Stored::stamp);
        let plan = Plan {
            guards,
            kind,
            subject: after.subject(),
            workspace: after.workspace().map(Id::to_string).unwrap_or_default(),
            before: before.map(|before| before.value.logged()).transpose()?.unwrap_or_default(),
            after: after.logged()?,
            write: after.clone().write(stamp.as_ref().map(|stamp| stamp.revision)),
        };
        self.write(actor, intent, stamp, plan, after).await
    }
}

/// The name in a field of a request, where it is one; the caller must have the scope on it.
pub(super) fn reached<N>(
    caller: &Caller,
    scope: SystemScope,
    field: &str,
    text: &str,
    faults: &mut Faults,
) -> Result<Option<N>, AdminError>
where
    N: FromStr<Err: Display> + Display,
{
    let name = faults.take(field, text.parse::<N>());
    if let Some(name) = &name {
        caller.reach(scope, name)?;
    }
    Ok(name)
}

/// The name that a request is about, on which the caller must have the scope.
pub(super) fn reached_name<N>(
    caller: &Caller,
    scope: SystemScope,
    text: &str,
) -> Result<N, AdminError>
where
    N: FromStr<Err: Display> + Display,
{
    caller.require(scope)?;
    let mut faults = Faults::new();
    let name = reached(caller, scope, "name", text, &mut faults)?;
    super::error::settle(faults, name)
}

//! Locks what a change writes and rests on.
//!
//! Whoever makes a change locks records in one order, by kind and name, whether it writes
//! them or rests on them. So no two changes wait for each other. SQLite, which has one
//! writer, needs no locks and is given none.

use std::cmp::Ordering;

use sea_orm::{
    ConnectionTrait, EntityTrait, PrimaryKeyTrait, QuerySelect as _, sea_query::LockType,
};

use super::{
    entity::{key, policy, principal, workspace},
    error::store_error,
};
use crate::domain::{
    event::Revision,
    name::Id,
    ports::{Guard, StoreError, Write},
};

/// A record by kind and name, in the order in which records are locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Record<'a> {
    Policy(&'a Id),
    Workspace(&'a Id),
    Principal(&'a Id, &'a Id),
    Key(&'a Id, &'a Id),
}

/// What a record is locked for; what is written comes before what it rests on, so that
/// no lock is ever made stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// To be written, from the expected revision on, or as new.
    Subject(Option<Revision>),
    /// To stay at this revision.
    Support(Revision),
}

/// Sees to it that the record which is written, and those that the change rests on, are
/// of the expected revisions, and stay so. What is more than one record is looked at
/// later, when nothing else changes.
///
/// # Errors
///
/// [`StoreError::Exists`] where a record that is to be new is there;
/// [`StoreError::Conflict`] where one is of another revision.
pub(super) async fn lock_all(
    db: &impl ConnectionTrait,
    write: &Write,
    guards: &[(Guard, Revision)],
) -> Result<(), StoreError> {
    let mut holds = true;
    let mut subject = Ok(());
    for (record, wanted) in in_order(write, guards) {
        let found = revision_of(db, record, wanted).await?;
        match wanted {
            Wanted::Subject(expected) => subject = check_subject(found, expected),
            Wanted::Support(expected) => holds &= found == Some(expected.0),
        }
    }
    // What becomes of the subject is told first.
    subject?;
    if holds { Ok(()) } else { Err(StoreError::Conflict) }
}

fn in_order<'a>(write: &'a Write, guards: &'a [(Guard, Revision)]) -> Vec<(Record<'a>, Wanted)> {
    let supports = guards.iter().filter_map(|(guard, revision)| {
        let record = match guard {
            Guard::Policy(name) => Record::Policy(&name.policy),
            Guard::Workspace(name) => Record::Workspace(&name.workspace),
            Guard::Principal(name) => Record::Principal(&name.workspace, &name.principal),
            Guard::Key(name) => Record::Key(&name.workspace, &name.key),
            Guard::Under(_) => return None,
        };
        Some((record, Wanted::Support(*revision)))
    });
    let subject = match write {
        Write::Policy(name, _, expected) => (Record::Policy(&name.policy), expected),
        Write::Workspace(record, expected) => (Record::Workspace(&record.name.workspace), expected),
        Write::Principal(record, expected) => {
            (Record::Principal(&record.name.workspace, &record.name.principal), expected)
        }
        Write::Key(record, expected, _) => {
            (Record::Key(&record.name.workspace, &record.name.key), expected)
        }
    };
    let mut all = vec![(subject.0, Wanted::Subject(*subject.1))];
    all.extend(supports);
    // Stable: of one record, the subject stays before what rests on it.
    all.sort_by(|(left, _), (right, _)| -> Ordering { left.cmp(right) });
    all
}

fn check_subject(found: Option<i64>, expected: Option<Revision>) -> Result<(), StoreError> {
    match (found, expected) {
        (None, None) => Ok(()),
        (Some(found), Some(expected)) if found == expected.0 => Ok(()),
        (Some(_), None) => Err(StoreError::Exists),
        (_, Some(_)) => Err(StoreError::Conflict),
    }
}

async fn revision_of(
    db: &impl ConnectionTrait,
    record: Record<'_>,
    wanted: Wanted,
) -> Result<Option<i64>, StoreError> {
    let lock = match wanted {
        // As strong as an update itself; new records may go on referring to it.
        Wanted::Subject(_) => LockType::NoKeyUpdate,
        Wanted::Support(_) => LockType::Share,
    };
    let own = |workspace: &Id, id: &Id| (workspace.to_string(), id.to_string());
    match record {
        Record::Policy(id) => {
            locked::<policy::Entity>(db, id.to_string(), policy::Column::Revision, lock).await
        }
        Record::Workspace(id) => {
            locked::<workspace::Entity>(db, id.to_string(), workspace::Column::Revision, lock).await
        }
        Record::Principal(workspace, id) => {
            let id = own(workspace, id);
            locked::<principal::Entity>(db, id, principal::Column::Revision, lock).await
        }
        Record::Key(workspace, id) => {
            locked::<key::Entity>(db, own(workspace, id), key::Column::Revision, lock).await
        }
    }
}

async fn locked<E: EntityTrait>(
    db: &impl ConnectionTrait,
    id: <E::PrimaryKey as PrimaryKeyTrait>::ValueType,
    column: E::Column,
    lock: LockType,
) -> Result<Option<i64>, StoreError> {
    let select = E::find_by_id(id).select_only().column(column).lock(lock);
    select.into_tuple().one(db).await.map_err(store_error)
}

//! Changes about to be made, one or several at once.

use super::{Actor, Admin, AdminError, Intent, RECORD_SIZE_MAX, error::invalid};
use crate::domain::{
    event::{Deed, Kind, Revision},
    fault::Faults,
    live::Stored,
    policy,
    ports::{Change, Guard, NewRequest, Write},
    time::Timestamp,
};

/// The most that is changed at once, in bytes of the records as JSON, before and after: all of it is
/// one statement, for which all other changes wait.
const TOGETHER_BYTES_MAX: usize = 8 << 20;

/// A change about to be made.
pub(super) struct Plan {
    pub(super) guards: Vec<(Guard, Revision)>,
    pub(super) write: Write,
    pub(super) kind: Kind,
    pub(super) subject: String,
    pub(super) workspace: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// A change about to be made, with the record in whose place it writes. None: it is new.
pub(super) type Planned = (Option<Stored<()>>, Plan);

impl Plan {
    /// Refuses a record that is larger than lists of them could bear. A key that ends is not
    /// refused for the moment that this adds: to end it must always be possible.
    pub(super) fn check_size(&self, faults: &mut Faults) {
        if self.kind == Kind::KeyRevoked {
            return;
        }
        let (field, most) = match self.write {
            Write::Policy(..) => ("policy", policy::SIZE_MAX),
            Write::Workspace(..) => ("workspace", RECORD_SIZE_MAX),
            Write::Principal(..) => ("principal", RECORD_SIZE_MAX),
            Write::Key(..) => ("key", RECORD_SIZE_MAX),
        };
        if self.after.len() > most {
            let size = self.after.len();
            faults.note(field, format_args!("is {size} bytes as JSON; at most {most} are allowed"));
        }
    }

    fn into_change(
        self,
        actor: Actor<'_>,
        intent: &Intent,
        time: Timestamp,
        request: Option<NewRequest>,
    ) -> Change {
        let Self { mut guards, write, kind, subject, workspace, before, after } = self;
        guards.extend(actor.guards());
        let request_id = intent.request_id.clone();
        let actor = actor.name();
        let deed = Deed { actor, kind, subject, workspace, before, after, request_id };
        Change { time, guards, write, deed, request }
    }
}

/// Refuses changes of which the log would have to take too much at once.
fn check_bytes<'a>(field: &str, plans: impl Iterator<Item = &'a Plan>) -> Result<(), AdminError> {
    let bytes: usize = plans.map(|plan| plan.before.len().saturating_add(plan.after.len())).sum();
    if bytes <= TOGETHER_BYTES_MAX {
        return Ok(());
    }
    let mut faults = Faults::new();
    faults.note(
        field,
        format_args!(
            "come to {bytes} bytes as JSON, before and after; at most {TOGETHER_BYTES_MAX} are changed at once: send fewer"
        ),
    );
    Err(invalid(faults))
}

impl Admin {
    /// Writes a record: in place of the one that `before` tells of, or anew. On
    /// validation nothing is written, and the record is as it would be.
    pub(super) async fn write<T>(
        &self,
        actor: Actor<'_>,
        intent: &Intent,
        before: Option<Stored<()>>,
        plan: Plan,
        value: T,
    ) -> Result<Stored<T>, AdminError> {
        let mut faults = Faults::new();
        plan.check_size(&mut faults);
        faults.finish().map_err(AdminError::Invalid)?;
        let time = self.now();
        let create_time = before.as_ref().map_or(time, |before| before.create_time);
        let revision = if intent.validate_only {
            before.map(|before| before.revision).unwrap_or_default()
        } else {
            let request = intent.to_remember(&actor.name(), time);
            actor.check()?;
            let made = self.records.commit(plan.into_change(actor, intent, time, request)).await?;
            if before.is_some() {
                self.records.in_force(made, actor.patience()).await?;
            }
            made
        };
        Ok(Stored { value, revision, create_time, update_time: time })
    }

    /// Writes several records, or none; `field` is where the request has them. What it says of [`Self::write`] holds for each. All are
    /// waited for at once. The request is remembered with the last.
    pub(super) async fn write_all(
        &self,
        actor: Actor<'_>,
        intent: &Intent,
        field: &str,
        planned: Vec<Planned>,
    ) -> Result<Vec<Stored<()>>, AdminError> {
        check_bytes(field, planned.iter().map(|(_, plan)| plan))?;
        let time = self.now();
        let count = planned.len();
        let (mut changes, mut stamps) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut replaces = false;
        let mut request = intent.to_remember(&actor.name(), time);
        for (place, (before, plan)) in planned.into_iter().enumerate() {
            let request = if place + 1 == count { request.take() } else { None };
            changes.push(plan.into_change(actor, intent, time, request));
            replaces |= before.is_some();
            stamps.push(match before {
                Some(before) => Stored { update_time: time, ..before },
                None => {
                    let revision = Revision::default();
                    Stored { value: (), revision, create_time: time, update_time: time }
                }
            });
        }
        if intent.validate_only {
            return Ok(stamps);
        }
        actor.check()?;
        let last = self.records.commit_all(changes).await?;
        if replaces {
            self.records.in_force(last, actor.patience()).await?;
        }
        let mut revision = last.first_of(count);
        for stamp in &mut stamps {
            stamp.revision = revision;
            revision = revision.next();
        }
        Ok(stamps)
    }
}

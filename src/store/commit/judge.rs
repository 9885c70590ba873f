//! Judges the changes of a group, in order: each by what it finds and by what those before it do.

use std::collections::HashSet;

use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Work, record::Record, seen::Seen, write::Writes};
use crate::{
    domain::{
        event::{Event, Hash, Revision},
        ports::{Change, Guard, NewRequest, NewSecret, StoreError, Write},
        time::Timestamp,
    },
    store::entity::{Stamp, hash, request, secret},
};

/// What becomes of each, and what is to be written for it.
pub(super) type Judged = (Vec<Result<Revision, StoreError>>, Writes);

/// Judges all of a group by what it finds.
///
/// # Errors
///
/// [`StoreError::Corrupt`] where the counter cannot be.
pub(super) fn judge(works: &[Work], seen: Seen) -> Result<Judged, StoreError> {
    let mut judge = Judge {
        head: Revision(seen.counter.revision),
        last: hash(&seen.counter.last_hash, "counter.last_hash")?,
        seen,
        written: HashSet::new(),
        writes: Writes::default(),
    };
    let outcomes = works.iter().map(|work| judge.work(work)).collect();
    Ok((outcomes, judge.writes))
}

struct Judge {
    seen: Seen,
    /// By those before. Nobody can have read of what revision it is, so whoever rests on it
    /// rests on what it was.
    written: HashSet<Record>,
    head: Revision,
    last: Hash,
    writes: Writes,
}

impl Judge {
    fn work(&mut self, work: &Work) -> Result<Revision, StoreError> {
        match work {
            Work::Changes(changes) => self.changes(changes),
            Work::Remember(request, done) => {
                self.check_request(request, done.time)?;
                self.remember(request, &done.subject, done.revision, done.time);
                Ok(done.revision)
            }
        }
    }

    /// All of them or none: each is judged by what is so before the first of them is made.
    fn changes(&mut self, changes: &[Change]) -> Result<Revision, StoreError> {
        let (mut subjects, mut digests) = (HashSet::new(), HashSet::new());
        let (mut records, mut nonces) = (Writes::default(), Vec::with_capacity(changes.len()));
        let mut revision = self.head;
        for change in changes {
            let subject = self.check(change)?;
            let digest = new_secret(&change.write).map(|secret| *secret.digest.as_bytes());
            let is_first = subjects.insert(subject);
            if !is_first || digest.is_some_and(|digest| !digests.insert(digest)) {
                return Err(StoreError::Conflict);
            }
            nonces.push(nonce()?);
            revision = revision.next();
            records.put_record(&change.write, Stamp { revision, time: change.time })?;
        }
        // They are made: from here on nothing fails.
        self.writes.add(records);
        for (change, nonce) in changes.iter().zip(nonces) {
            self.make(change, nonce);
        }
        self.written.extend(subjects);
        Ok(self.head)
    }

    /// What the change writes, where nothing is against it.
    fn check(&self, change: &Change) -> Result<Record, StoreError> {
        let Change { time, guards, write, deed: _, request } = change;
        if let Some(request) = request {
            // Before all else: a repeated request is that, and not a name which is taken.
            self.check_request(request, *time)?;
        }
        let (subject, expected) = Record::subject(write);
        self.check_subject(&subject, expected)?;
        let holds = guards.iter().all(|(guard, revision)| self.holds(guard, *revision));
        let mut referred_to = Record::referred_to(write).into_iter();
        if !holds || !referred_to.all(|record| self.is_there(&record)) {
            return Err(StoreError::Conflict);
        }
        if let Some(NewSecret { digest, .. }) = new_secret(write)
            && self.seen.secrets.iter().any(|secret| secret.digest == digest.as_bytes())
        {
            return Err(StoreError::Conflict);
        }
        Ok(subject)
    }

    /// Does what belongs to a change besides its record.
    fn make(&mut self, change: &Change, nonce: i64) {
        let Change { time, guards: _, write, deed, request } = change;
        let revision = self.head.next();
        if let Write::Key(key, _, Some(secret)) = write {
            self.replace_secrets(secret::row(&key.name, secret, *time), secret, *time);
        }
        if let Some(request) = request {
            self.remember(request, &deed.subject, revision, *time);
        }
        let event = Event::new(revision, *time, deed.clone(), self.last);
        (self.head, self.last) = (revision, event.hash);
        self.writes.append(event, nonce);
    }

    fn check_request(&self, request: &NewRequest, time: Timestamp) -> Result<(), StoreError> {
        match self.seen.requests.get(&request.key) {
            Some(until) if *until > time => Err(StoreError::Conflict),
            _ => Ok(()),
        }
    }

    fn remember(
        &mut self,
        request: &NewRequest,
        subject: &str,
        revision: Revision,
        time: Timestamp,
    ) {
        self.seen.requests.insert(request.key.clone(), request.until);
        let row = request::row(request, subject, revision);
        self.writes.remember(request, row, time);
    }

    fn check_subject(
        &self,
        subject: &Record,
        expected: Option<Revision>,
    ) -> Result<(), StoreError> {
        match (expected, self.is_there(subject)) {
            (None, false) => Ok(()),
            (None, true) => Err(StoreError::Exists),
            (Some(expected), _) if self.is_of(subject, expected) => Ok(()),
            (Some(_), _) => Err(StoreError::Conflict),
        }
    }

    fn holds(&self, guard: &Guard, revision: Revision) -> bool {
        match guard {
            // Whoever rests on so much is the first of its group.
            Guard::Under(_) | Guard::KeysOf(_) => self.seen.newest.get(guard) == Some(&revision.0),
            guard => Record::guarded(guard).is_some_and(|record| self.is_of(&record, revision)),
        }
    }

    fn is_there(&self, record: &Record) -> bool {
        self.seen.records.contains_key(record) || self.written.contains(record)
    }

    fn is_of(&self, record: &Record, revision: Revision) -> bool {
        self.seen.records.get(record) == Some(&revision.0) && !self.written.contains(record)
    }

    /// What is in its grace ends, the newest gets its own.
    fn replace_secrets(&mut self, row: secret::Model, new: &NewSecret, time: Timestamp) {
        for older in &mut self.seen.secrets {
            if (&older.workspace, &older.key) != (&row.workspace, &row.key) {
                continue;
            }
            let end = match older.replaced_time {
                None => new.older_until,
                Some(end) if end > time.micros() => Timestamp::MIN,
                Some(_) => continue,
            };
            older.replaced_time = Some(end.micros());
            self.writes.put_secret(older.clone());
        }
        self.writes.put_secret(row.clone());
        self.seen.secrets.push(row);
    }
}

fn new_secret(write: &Write) -> Option<&NewSecret> {
    match write {
        Write::Key(_, _, secret) => secret.as_ref(),
        Write::Policy(..) | Write::Workspace(..) | Write::Principal(..) => None,
    }
}

/// Random, so that a history which was lost and written anew is told apart.
fn nonce() -> Result<i64, StoreError> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled
        .map_err(|_| StoreError::Unavailable("the random generator of the system failed".into()))?;
    Ok(i64::from_be_bytes(bytes))
}

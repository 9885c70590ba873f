//! How often keys were used.

use super::{Admin, AdminError, UsageFilter, error::settle};
use crate::domain::{
    caller::Caller,
    fault::Faults,
    name::{Id, KeyName, WorkspaceName},
    ports::StoreError,
    system::SystemScope,
    usage::{Hour, MostUsed, UsageQuery, UsageRow},
};

const READ: SystemScope = SystemScope::UsageRead;

/// The most steps of a report.
const STEPS_MAX: i64 = 1_000;
/// How many of the most used keys are named where nothing is said, and at the most.
const TOP_KEYS_DEFAULT: u64 = 10;
const TOP_KEYS_MAX: u64 = 100;
/// The most rows, one for each key, hour and outcome, that are added up to tell which keys were
/// used most: a second or two of the database.
const RANKED_MAX: u64 = 2_000_000;

/// How often keys were used.
#[derive(Debug)]
pub struct Usage {
    /// The steps with calls, oldest first.
    pub rows: Vec<UsageRow>,
    /// The workspace's most used keys. None: it is the usage of one key.
    pub most_used: Option<MostUsed>,
}

/// What is reported.
enum Subject {
    Workspace(WorkspaceName),
    Key(KeyName),
}

impl Subject {
    fn parse(text: &str, faults: &mut Faults) -> Option<Self> {
        if let Ok(name) = text.parse() {
            return Some(Self::Workspace(name));
        }
        if let Ok(name) = text.parse() {
            return Some(Self::Key(name));
        }
        let (workspace, key) = (WorkspaceName::PATTERN, KeyName::PATTERN);
        faults.note("name", format_args!("must be of the form {workspace} or {key}"));
        None
    }

    fn parts(self) -> (WorkspaceName, Option<Id>) {
        match self {
            Self::Workspace(name) => (name, None),
            Self::Key(KeyName { workspace, key }) => (WorkspaceName { workspace }, Some(key)),
        }
    }
}

impl Admin {
    /// Reports how often the keys of a workspace, or one key, were used, by whole hours of UTC:
    /// from the one that the range begins in to the one that it ends in.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, no such workspace or key.
    pub async fn get_usage(
        &self,
        caller: &Caller,
        filter: &UsageFilter,
    ) -> Result<Usage, AdminError> {
        let UsageFilter { name, from, until, step, top_keys, unread } = filter;
        caller.require(READ)?;
        let mut faults = Faults::new();
        let subject = Subject::parse(name, &mut faults);
        if subject.is_some() {
            caller.reach(READ, name)?;
        }
        for (field, description) in unread {
            faults.note(&**field, description);
        }
        if from.is_none() {
            faults.note("start_time", "is required");
        }
        let range = from.map(|from| (from, until.unwrap_or_else(|| self.now())));
        if let Some((from, until)) = range
            && until <= from
        {
            faults.note("end_time", "must be after start_time");
        }
        let range = range.map(|(from, until)| (Hour::of(from), Hour::from(until)));
        if let Some((from, until)) = range
            && step.number(from, until) > STEPS_MAX
        {
            let most = format_args!(
                "is more than {STEPS_MAX} steps before end_time; ask for a shorter range or longer steps"
            );
            faults.note("start_time", most);
        }
        let top_keys = match u64::try_from(*top_keys) {
            Ok(0) => TOP_KEYS_DEFAULT,
            Ok(most) => most,
            Err(_) => u64::MAX,
        };
        if top_keys > TOP_KEYS_MAX {
            faults.note("top_keys", format_args!("must be 0 to {TOP_KEYS_MAX}"));
        }
        let (subject, (from, until)) = settle(faults, subject.zip(range))?;
        self.check_is_there(&subject).await?;
        let (workspace, key) = subject.parts();
        let query = UsageQuery { workspace, key, from, until, step: *step };
        let rows = self.records.usage(&query).await?;
        let most_used = match query.key {
            Some(_) => None,
            None => Some(self.most_used(caller, &query, top_keys).await?),
        };
        Ok(Usage { rows, most_used })
    }

    async fn check_is_there(&self, subject: &Subject) -> Result<(), AdminError> {
        match subject {
            Subject::Workspace(name) => {
                let found = self.records.workspace(name).await?;
                found.map(drop).ok_or_else(|| AdminError::not_found(name))
            }
            Subject::Key(name) => {
                let found = self.records.key(name).await?;
                found.map(drop).ok_or_else(|| AdminError::not_found(name))
            }
        }
    }

    /// The most used keys, of which those are told that the caller may know of.
    async fn most_used(
        &self,
        caller: &Caller,
        query: &UsageQuery,
        most: u64,
    ) -> Result<MostUsed, StoreError> {
        let mut found = self.records.most_used(query, most, RANKED_MAX).await?;
        let workspace = &query.workspace.workspace;
        let name = |key: &Id| KeyName { workspace: workspace.clone(), key: key.clone() };
        found.keys.retain(|(key, _)| caller.reach(READ, &name(key)).is_ok());
        Ok(found)
    }
}

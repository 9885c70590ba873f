//! Keys: get, list, identify.

use super::READ;
use crate::{
    admin::{
        Admin, AdminError, KeyFilter, Paged,
        error::settle,
        record::{reached, reached_name},
        size,
    },
    domain::{
        caller::Caller,
        fault::Faults,
        key::KeyState,
        name::{PrincipalName, Title, WorkspaceName},
        ports::{KeyCursor, KeyOrder, KeyQuery, KeyRecord},
        time::Timestamp,
    },
};

/// Whose a secret is.
#[derive(Debug)]
pub struct IdentifiedKey {
    /// The key.
    pub record: KeyRecord,
    /// What became of the secret.
    pub state: SecretState,
}

/// What became of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// It is the newest of its key.
    Current,
    /// A newer one replaced it, but it still works.
    Grace,
    /// A newer one replaced it, and it no longer works.
    Replaced,
}

impl SecretState {
    fn new(replaced: Option<Timestamp>, now: Timestamp) -> Self {
        match replaced {
            None => Self::Current,
            Some(end) if now < end => Self::Grace,
            Some(_) => Self::Replaced,
        }
    }
}

impl Admin {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, no name of a key, not there.
    pub async fn get_key(&self, caller: &Caller, name: &str) -> Result<KeyRecord, AdminError> {
        let name = reached_name(caller, READ, name)?;
        let record = self.key_now(&name).await?;
        self.dated(record).await
    }

    /// Lists the keys of a workspace that the caller may know of.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, no such workspace.
    pub async fn list_keys(
        &self,
        caller: &Caller,
        filter: &KeyFilter,
    ) -> Result<Paged<KeyRecord>, AdminError> {
        caller.require(READ)?;
        let mut faults = Faults::new();
        let parent: Option<WorkspaceName> =
            reached(caller, READ, "parent", &filter.parent, &mut faults)?;
        for (field, description) in &filter.unread {
            faults.note(&**field, description);
        }
        // Read as titles are, so that the same text is found however it was composed.
        let title_part =
            faults.take("query", filter.title_part.parse::<Title>()).unwrap_or_default();
        let principal = match filter.principal.as_str() {
            "" => None,
            text => faults.take("principal", text.parse::<PrincipalName>()),
        };
        let page = filter.paging.page(&mut faults);
        let (parent, page) = settle(faults, parent.zip(page))?;
        let rotation = self.site(&parent).await?.policy.document().rotation.clone();
        if let Some(other) = principal.as_ref().filter(|principal| principal.parent() != parent) {
            return Err(AdminError::not_found(other));
        }
        let states =
            if filter.states.is_empty() { vec![KeyState::Active] } else { filter.states.clone() };
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let now = self.now();
        let newest_secret_until = filter.rotation_due.then(|| {
            // Where rotation is never due, no secret is old enough.
            let due = rotation.due_after.and_then(|age| now.before(age));
            due.unwrap_or(Timestamp::MIN)
        });
        let query = KeyQuery {
            workspace: parent,
            states,
            now,
            title_part: title_part.as_str().to_owned(),
            key_type: given(&filter.key_type),
            principal: principal.map(|name| name.principal),
            scope: given(&filter.scope),
            expiring_before: filter.expiring_before,
            never_used: filter.never_used,
            unused_since: filter.unused_since,
            newest_secret_until,
            order: filter.order,
            descending: filter.descending,
        };
        let query = &query;
        let paged = filter.paging.filled(
            &page,
            |record| cursor(record, filter.order),
            |record: &KeyRecord| size(&record.key.value),
            |record| caller.reach(READ, &record.key.value.name).is_ok(),
            |page| async move { self.records.keys(query, &page).await },
        );
        Ok(paged.await?.map(|record| record.due_after(rotation.due_after)))
    }

    /// Tells whose a secret is, also a revoked or replaced one. A malformed, a forged
    /// and an unknown secret, and one that the caller may not know of, are not found.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, not found.
    pub async fn identify_key(
        &self,
        caller: &Caller,
        secret: &str,
    ) -> Result<IdentifiedKey, AdminError> {
        let unknown = || AdminError::NotFound("a key with this secret".to_owned());
        caller.require(READ)?;
        let recognised = self.keyring.recognise(secret).ok_or_else(unknown)?;
        let live = self.records.find_key(&recognised.digest).await?.ok_or_else(unknown)?;
        let name = live.name();
        caller.reach(READ, name).map_err(|_| unknown())?;
        let state = SecretState::new(live.replaced(), self.now());
        let record =
            self.key_now(name).await?.due_after(live.policy().document().rotation.due_after);
        Ok(IdentifiedKey { record, state })
    }
}

/// Where a list goes on after a key.
fn cursor(record: &KeyRecord, order: KeyOrder) -> KeyCursor {
    let KeyRecord { key, .. } = record;
    let id = key.value.name.key.clone();
    match order {
        KeyOrder::CreateTime => KeyCursor::CreateTime(key.create_time, id),
        KeyOrder::Title => KeyCursor::Title(key.value.title.as_str().to_owned(), id),
    }
}

//! Ends several keys at once.

use std::collections::HashMap;

use super::check_count;
use crate::{
    admin::{
        Actor, Admin, AdminError, BatchRevokeKeys, Site,
        error::{Gathered, settle},
        keys::{KeyPlan, WRITE},
        record::reached,
    },
    domain::{
        caller::Caller,
        event::Kind,
        fault::Faults,
        key::Key,
        live::Stored,
        name::{Id, KeyName, PrincipalName, WorkspaceName},
        ports::KeyRecord,
        principal::Principal,
    },
};

impl Admin {
    /// Ends several keys of one workspace, all or none, for ever. One that has ended is not
    /// an error, and no change.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields, one of them not there.
    pub async fn batch_revoke_keys(
        &self,
        caller: &Caller,
        request: &BatchRevokeKeys,
    ) -> Result<Vec<KeyRecord>, AdminError> {
        self.retry(Actor::Caller(caller), || self.batch_revoke_keys_once(caller, request)).await
    }

    async fn batch_revoke_keys_once(
        &self,
        caller: &Caller,
        request: &BatchRevokeKeys,
    ) -> Result<Vec<KeyRecord>, AdminError> {
        let BatchRevokeKeys { parent, names, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let parent: Option<WorkspaceName> = reached(caller, WRITE, "parent", parent, &mut faults)?;
        intent.check(&mut faults);
        let ids = match check_count("names", names.len(), &mut faults) {
            true => ids(caller, parent.as_ref(), names, &mut faults)?,
            false => Vec::new(),
        };
        let parent = settle(faults, parent)?;
        // Read after it is known, for what was read before may be of the time before that request.
        let earlier = self.remembered(caller, intent).await?;
        let keys = self.keys_now(&parent, &ids, "names").await?;
        let site = self.site(&parent).await?;
        let dated = keys.into_iter().map(|key| key.due_after(site.due_after()));
        let mut records: Vec<KeyRecord> = dated.collect();
        self.check_handled(caller, &site, &records).await?;
        if earlier.is_some() {
            return Ok(records);
        }
        let (actor, now) = (Actor::Caller(caller), self.now());
        let (mut ended, mut planned) = (Vec::new(), Vec::new());
        for record in records.iter_mut().filter(|record| record.key.value.revoke_time.is_none()) {
            let after = Key { revoke_time: Some(now), ..record.key.value.clone() };
            let plan = KeyPlan {
                before: Some(record.key.clone()),
                ..KeyPlan::new(Kind::KeyRevoked, site.guards())
            };
            planned.push(plan.planned(&after, None)?);
            ended.push((record, after));
        }
        if planned.is_empty() {
            drop(ended);
            if let Some(newest) = records.iter().max_by_key(|record| record.key.revision) {
                self.unchanged(actor, intent, parent.to_string(), &newest.key).await?;
            }
            return Ok(records);
        }
        let stamps = self.write_all(actor, intent, "names", planned).await?;
        for ((record, after), stamp) in ended.into_iter().zip(stamps) {
            record.key = stamp.with(after);
        }
        Ok(records)
    }

    /// The caller must be no less than each of the keys.
    async fn check_handled(
        &self,
        caller: &Caller,
        site: &Site,
        records: &[KeyRecord],
    ) -> Result<(), AdminError> {
        let mut owners: HashMap<PrincipalName, Stored<Principal>> = HashMap::new();
        let mut gathered = Gathered::default();
        for (place, KeyRecord { key, .. }) in records.iter().enumerate() {
            let principal = match key.value.owner() {
                None => None,
                Some(name) => Some(match owners.get(&name) {
                    Some(owner) => owner.clone(),
                    None => {
                        // Also a deleted one: what is left of its keys can still be revoked.
                        let owner = self.records.principal(&name).await?;
                        let owner = owner.ok_or_else(|| AdminError::not_found(&name))?;
                        owners.entry(name).or_insert(owner).clone()
                    }
                }),
            };
            let handled = caller.may_handle(&site.live(key.clone(), principal));
            gathered.take(format!("names[{place}]"), handled.map_err(AdminError::from))?;
        }
        gathered.finish()
    }
}

/// The identifiers of keys of one workspace, each named once; the caller must reach them.
fn ids(
    caller: &Caller,
    parent: Option<&WorkspaceName>,
    names: &[String],
    faults: &mut Faults,
) -> Result<Vec<Id>, AdminError> {
    let mut places: HashMap<Id, usize> = HashMap::new();
    let mut ids = Vec::with_capacity(names.len());
    for (place, text) in names.iter().enumerate() {
        let field = format!("names[{place}]");
        let name = faults.take(&*field, text.parse::<KeyName>());
        let (Some(name), Some(parent)) = (name, parent) else { continue };
        if name.parent() != *parent {
            faults.note(field, format_args!("must be of {parent}"));
            continue;
        }
        caller.reach(WRITE, &name)?;
        match places.insert(name.key.clone(), place) {
            Some(other) => faults.note(field, format_args!("is that of names[{other}], too")),
            None => ids.push(name.key),
        }
    }
    Ok(ids)
}

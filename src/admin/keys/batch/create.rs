//! Makes several keys at once.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::check_count;
use crate::{
    admin::{
        Actor, Admin, AdminError, BatchCreateKeys, Changed, CreateKey, Intent, Issued, Site,
        error::{Gathered, invalid, settle},
        keys::{Form, KeyPlan, Made, Making, WRITE, unissued},
        record::reached,
    },
    domain::{
        caller::Caller,
        event::Kind,
        fault::Faults,
        key::Key,
        name::{Id, KeyName, WorkspaceName},
        ports::{EventQuery, KeyRecord, Page, SecretRecord},
        time::Timestamp,
    },
};

/// The most grants that the keys of one request hold, those of presets included: each is a row, and
/// all of them are written while other changes wait.
const GRANTS_TOTAL_MAX: usize = 50_000;

/// Refuses keys that hold more together. They are counted as they are made, so that no more come
/// about than that.
fn check_grants(count: usize) -> Result<(), AdminError> {
    let mut faults = Faults::new();
    if count > GRANTS_TOTAL_MAX {
        faults.note(
            "requests",
            format_args!(
                "have more than {GRANTS_TOTAL_MAX} grants together, those of presets included: send fewer"
            ),
        );
    }
    faults.finish().map_err(AdminError::Invalid)
}

/// Where a request stands.
fn at(place: usize) -> String {
    format!("requests[{place}]")
}

impl Admin {
    /// Makes several keys of one workspace, all or none, each as [`Admin::create_key`] does.
    /// Their secrets are in the answer and nowhere else. `turn` is waited for after each, so that
    /// others are not kept waiting.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, wrong fields of any of them, no such workspace or
    /// principal, a principal disabled, a name taken.
    pub async fn batch_create_keys<T: Future<Output = ()> + Send>(
        &self,
        caller: &Caller,
        request: &BatchCreateKeys,
        turn: impl Fn() -> T + Sync,
    ) -> Result<Vec<Issued<KeyRecord>>, AdminError> {
        let once = || self.batch_create_keys_once(caller, request, &turn);
        self.retry(Actor::Caller(caller), once).await
    }

    async fn batch_create_keys_once<T: Future<Output = ()> + Send>(
        &self,
        caller: &Caller,
        request: &BatchCreateKeys,
        turn: &(impl Fn() -> T + Sync),
    ) -> Result<Vec<Issued<KeyRecord>>, AdminError> {
        let BatchCreateKeys { parent, requests, intent } = request;
        caller.require(WRITE)?;
        let mut faults = Faults::new();
        let parent: Option<WorkspaceName> = reached(caller, WRITE, "parent", parent, &mut faults)?;
        intent.check(&mut faults);
        let looked_at = check_count("requests", requests.len(), &mut faults);
        let requests = if looked_at { &requests[..] } else { &[] };
        let (forms, refused) = request.forms(requests, caller, &mut faults)?;
        let Some(parent) = parent else {
            for (place, request) in requests.iter().enumerate() {
                faults.beneath(&at(place), |faults| request.draft.check_form(faults));
            }
            return Err(invalid(faults));
        };
        if faults.is_empty() {
            // With a fault the request goes no further than that.
            refused.finish()?;
        }
        // Before the rules are asked, which may have changed since.
        if faults.is_empty()
            && let Some(repeated) = self.repeated_batch(caller, &parent, request).await?
        {
            return Ok(repeated);
        }
        let site = self.site(&parent).await?;
        let now = self.now();
        let mut keys = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            let read = |faults: &mut Faults| request.read(&parent, &site.policy, now, faults);
            keys.extend(faults.beneath(&at(place), read));
        }
        settle(faults, Some(()))?;
        let names = self.names(caller, &parent, &forms)?;
        if let Err(taken) = self.all_free(&parent, &names).await?.finish() {
            // They may be there by this very request, which came twice at once.
            let repeated = self.repeated_batch(caller, &parent, request).await?;
            return repeated.ok_or(taken);
        }
        let named = keys.into_iter().zip(names).map(|(key, name)| Key { name, ..key });
        let mut making = Making::new(caller, &site, now);
        let mut gathered = Gathered::default();
        let mut made: Vec<Made> = Vec::with_capacity(requests.len());
        let mut grants = 0_usize;
        for (place, ((key, form), request)) in named.zip(forms).zip(requests).enumerate() {
            let outcome = self.make(&mut making, request, key, form.minting_key).await;
            let outcome = gathered.take(at(place), outcome)?;
            grants = grants.saturating_add(outcome.as_ref().map_or(0, Made::grants));
            check_grants(grants)?;
            made.extend(outcome);
            turn().await;
        }
        gathered.finish()?;
        self.issue_all(caller, intent, &site, made).await
    }

    /// The names of new keys: those that are asked for, else any. The caller must reach them.
    fn names(
        &self,
        caller: &Caller,
        parent: &WorkspaceName,
        forms: &[Form],
    ) -> Result<Vec<KeyName>, AdminError> {
        let name = |form: &Form| {
            let key = form.id.clone().map_or_else(|| self.new_id(), Ok)?;
            let name = KeyName { workspace: parent.workspace.clone(), key };
            caller.reach(WRITE, &name)?;
            Ok(name)
        };
        forms.iter().map(name).collect()
    }

    /// Which of these names no key has.
    async fn all_free(
        &self,
        parent: &WorkspaceName,
        names: &[KeyName],
    ) -> Result<Gathered, AdminError> {
        let ids: Vec<Id> = names.iter().map(|name| name.key.clone()).collect();
        let there = self.records.keys_named(parent, &ids).await?;
        let there: HashSet<&KeyName> = there.iter().map(|key| &key.key.value.name).collect();
        let mut gathered = Gathered::default();
        for (place, name) in names.iter().enumerate() {
            let free = if there.contains(name) {
                Err(AdminError::Exists(name.to_string()))
            } else {
                Ok(())
            };
            gathered.take(at(place), free)?;
        }
        Ok(gathered)
    }

    /// The keys that the caller's earlier request of this id made, as they are now and
    /// without their secrets. It is remembered with the last of their events.
    async fn repeated_batch(
        &self,
        caller: &Caller,
        parent: &WorkspaceName,
        request: &BatchCreateKeys,
    ) -> Result<Option<Vec<Issued<KeyRecord>>>, AdminError> {
        let Some(earlier) = self.remembered(caller, &request.intent).await? else {
            return Ok(None);
        };
        let count = request.requests.len();
        let after = Some(earlier.revision.first_of(count.saturating_add(1)));
        let page = Page { after, size: count.try_into().unwrap_or(u64::MAX) };
        let events = self.records.events(&EventQuery::default(), &page).await?;
        let id = |subject: &str| {
            let name = subject.parse::<KeyName>();
            let name = name.map_err(|_| AdminError::NotFound(subject.to_owned()))?;
            // The caller may reach less by now than when it made the key.
            caller.reach(WRITE, &name)?;
            Ok(name.key)
        };
        let ids: Result<Vec<Id>, AdminError> =
            events.iter().map(|event| id(&event.deed.subject)).collect();
        let keys = self.keys_now(parent, &ids?, "requests").await?;
        let due_after = self.site(parent).await?.due_after();
        Ok(Some(keys.into_iter().map(|key| unissued(key.due_after(due_after))).collect()))
    }

    /// Gives each of the keys its secret, and writes all of them.
    async fn issue_all(
        &self,
        caller: &Caller,
        intent: &Intent,
        site: &Site,
        made: Vec<Made>,
    ) -> Result<Vec<Issued<KeyRecord>>, AdminError> {
        let (mut planned, mut issued, mut faults) = (Vec::new(), Vec::new(), Faults::new());
        for (place, Made { key, guards, warnings }) in made.into_iter().enumerate() {
            let (new, secret) = self.mint(&site.policy, &key, Duration::ZERO)?;
            let plan = KeyPlan::new(Kind::KeyCreated, guards).planned(&key, Some(new))?;
            faults.beneath(&at(place), |faults| plan.1.check_size(faults));
            planned.push(plan);
            issued.push((key, warnings, secret));
        }
        settle(faults, Some(()))?;
        let stamps = self.write_all(Actor::Caller(caller), intent, "requests", planned).await?;
        let answers = issued.into_iter().zip(stamps).map(|((key, warnings, secret), stamp)| {
            let newest = |create_time: Timestamp| SecretRecord {
                create_time,
                replaced: None,
                last_use: None,
            };
            let secrets = vec![newest(stamp.update_time)];
            let record = KeyRecord { key: stamp.with(key), secrets, rotation_due: None }
                .due_after(site.due_after());
            let secret = (!intent.validate_only).then_some(secret);
            Issued { changed: Changed { record, warnings }, secret }
        });
        Ok(answers.collect())
    }
}

impl BatchCreateKeys {
    /// Reads of each request what needs no rules, and whether it fits the others. Those whose
    /// minting key the caller does not reach are gathered.
    fn forms(
        &self,
        requests: &[CreateKey],
        caller: &Caller,
        faults: &mut Faults,
    ) -> Result<(Vec<Form>, Gathered), AdminError> {
        let mut places: HashMap<Id, usize> = HashMap::new();
        let (mut forms, mut refused) = (Vec::with_capacity(requests.len()), Gathered::default());
        for (place, request) in requests.iter().enumerate() {
            let form = faults.beneath(&at(place), |faults| {
                self.check_shared(request, faults);
                let form = request.form(caller, faults)?;
                if let Some(id) = &form.id
                    && let Some(other) = places.insert(id.clone(), place)
                {
                    faults.note("key_id", format_args!("is that of requests[{other}], too"));
                }
                Ok::<_, AdminError>(form)
            });
            forms.extend(refused.take(at(place), form)?);
        }
        Ok((forms, refused))
    }

    /// Notes what a request says for itself that is said for all of them.
    fn check_shared(&self, request: &CreateKey, faults: &mut Faults) {
        if !request.parent.is_empty() && request.parent != self.parent {
            faults.note("parent", "must be empty, or the parent of all");
        }
        if !request.intent.request_id.is_empty() {
            faults.note("request_id", "must be empty: one for all is given beside the requests");
        }
        if request.intent.validate_only && !self.intent.validate_only {
            faults
                .note("validate_only", "must not be set for one alone: set it beside the requests");
        }
    }
}

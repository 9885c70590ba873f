//! Those who change things: each some subjects of its own, one change after another, at
//! whichever replica comes up, and at another one until it is answered.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    asking::ask,
    calls::{Call, Reply},
    cluster::{Cluster, REPLICAS},
    random::Random,
    tally::{Failure, Tally},
    world::{ABLE, Bound, Key, Own, Policy, Principal, Replaced, Secret, Tenant, Workspace},
};

/// The same where nothing is broken, for one attempt.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// One in so many changes is given less time than it takes.
const HASTY: usize = 40;
/// How many keys are made at once, where many are wanted.
const TOGETHER: usize = 100;
/// Ends far away come so much later than now.
const FAR: Duration = Duration::from_secs(86_400);
/// And near ones.
const NEAR: Duration = Duration::from_millis(2_500);

/// One who changes the keys of a tenant, or what they share.
pub(crate) struct Changer {
    cluster: Arc<Cluster>,
    tally: Arc<Tally>,
    pub(crate) tenant: Arc<Tenant>,
    random: Random,
    patience: Duration,
    serial: u64,
    /// Questions that were asked at once after a change, at every replica.
    probes: JoinSet<()>,
}

/// What a change came to.
pub(crate) struct Settled {
    pub(crate) reply: Reply,
    /// How often it was asked for, the last time included.
    pub(crate) attempts: usize,
}

impl Changer {
    pub(crate) fn new(
        cluster: &Arc<Cluster>,
        tally: &Arc<Tally>,
        tenant: &Arc<Tenant>,
        seed: u64,
        patience: Duration,
    ) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            tally: Arc::clone(tally),
            tenant: Arc::clone(tenant),
            random: Random::new(seed),
            patience,
            serial: 0,
            probes: JoinSet::new(),
        }
    }

    pub(crate) fn request_id(&mut self) -> String {
        let id = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        uuid::Builder::from_random_bytes(id.to_be_bytes()).into_uuid().to_string()
    }

    /// A replica that serves.
    fn place(&mut self) -> Option<usize> {
        let serving: Vec<_> =
            (0..REPLICAS).filter(|place| self.cluster.caller(*place).is_some()).collect();
        (!serving.is_empty()).then(|| serving[self.random.below(serving.len())])
    }

    /// Asks for a change until it is done: first here, then wherever.
    pub(crate) async fn settle(&mut self, kind: &str, call: Call, first: Option<usize>) -> Settled {
        let begun = Instant::now();
        let is_hasty = first.is_none() && self.random.below(HASTY) == 0;
        let mut attempts = 0;
        let mut next = first;
        let (mut before, mut last) = (None, String::new());
        loop {
            let place = match next.take() {
                Some(place) => Some(place),
                None => self.place().filter(|place| Some(*place) != before).or(self.place()),
            };
            if let Some((place, caller)) =
                place.and_then(|place| Some((place, self.cluster.caller(place)?)))
            {
                attempts += 1;
                before = Some(place);
                let is_first = attempts == 1;
                let patience = match is_hasty && is_first {
                    true => Duration::from_millis(1 + self.random.below(40) as u64),
                    false if self.tally.is_quiet() => PATIENCE,
                    false => self.patience,
                };
                let was_quiet = self.tally.is_quiet();
                let sent = Instant::now();
                let outcome =
                    tokio::time::timeout(patience, call.clone().send(caller, patience)).await;
                let failure = match outcome {
                    Ok(Ok(reply)) => {
                        let is_timed = was_quiet && is_first;
                        self.done(kind, &reply, begun, is_timed.then(|| sent.elapsed()));
                        return Settled { reply, attempts };
                    }
                    Ok(Err(status)) => {
                        last = format!("{status:?} of {place}");
                        Failure::of(&status).unwrap_or_else(|| panic!("{last} to {call:?}"))
                    }
                    Err(_) => Failure::Deadline,
                };
                let is_asked_for = failure == Failure::Disabled
                    || is_hasty && is_first && failure == Failure::Deadline;
                self.tally.attempted(kind, failure.name());
                self.tally.note(|figures| {
                    *figures.changed.entry(failure.name().to_owned()).or_default() += 1;
                    if was_quiet && self.tally.is_quiet() && !is_asked_for {
                        figures.quiet_failures.push(format!("{kind} at {place}: {failure:?}"));
                    }
                });
            }
            self.cluster.still_tries(begun, || format!("{kind} was never done: {last}")).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn done(&self, kind: &str, reply: &Reply, begun: Instant, took: Option<Duration>) {
        // One event for each key.
        let count = reply.each.len().max(1) as u64;
        self.tally.attempted(kind, "ok");
        self.tally.changes.fetch_add(count, Ordering::SeqCst);
        self.tally.note(|figures| {
            *figures.changed.entry("ok".to_owned()).or_default() += count;
            *figures.kinds.entry(kind.to_owned()).or_default() += count;
            figures.longest = figures.longest.max(begun.elapsed());
            if let Some(took) = took {
                figures.timed.entry(kind.to_owned()).or_default().push(took);
            }
        });
    }

    /// Makes the policy, the workspace, the principal and keys.
    pub(crate) async fn furnish(&mut self, keys: usize) {
        let tenant = Arc::clone(&self.tenant);
        let call = Call::create_policy(&tenant, self.request_id());
        let done = self.settle("create policy", call, None).await;
        tenant.policy.changed(done.reply.revision, Policy::default());
        let call = Call::create_workspace(&tenant, self.request_id());
        let done = self.settle("create workspace", call, None).await;
        tenant.workspace.changed(done.reply.revision, Workspace::default());
        let call = Call::create_principal(&tenant, self.request_id());
        let done = self.settle("create principal", call, None).await;
        tenant.principal.changed(done.reply.revision, Principal::default());
        for _ in 0..keys {
            let key = self.create(None).await;
            tenant.keys.write().unwrap().push(key);
        }
    }

    fn new_id(&mut self) -> String {
        self.serial += 1;
        format!("k{}", self.serial)
    }

    /// Makes a key that may do what is asked for.
    pub(crate) async fn create(&mut self, at: Option<usize>) -> Arc<Key> {
        let (id, request_id) = (self.new_id(), self.request_id());
        let call = Call::create_key(&self.tenant, &id, ABLE, request_id);
        let done = self.settle("create key", call, at).await;
        self.created(id, done.reply).await
    }

    async fn created(&mut self, id: String, reply: Reply) -> Arc<Key> {
        let key = Arc::new(Key::new(&self.tenant, id, reply.secret));
        key.own.changed(reply.revision, ABLE);
        self.tally.made.lock().unwrap().push(Arc::clone(&key));
        if key.secrets.read().unwrap().is_empty() {
            // It was told to nobody.
            self.rotate(&key, None).await;
        }
        key
    }

    /// Makes keys until there are so many.
    pub(crate) async fn create_many(&mut self, wanted: usize) {
        let tenant = Arc::clone(&self.tenant);
        loop {
            let there = tenant.keys.read().unwrap().len();
            let missing = wanted.saturating_sub(there).min(TOGETHER);
            if missing == 0 {
                return;
            }
            let ids: Vec<_> = (0..missing).map(|_| self.new_id()).collect();
            let call = Call::create_keys(&tenant, &ids, ABLE, self.request_id());
            // With a place of its own none is given too little time: each key would be rotated.
            let at = self.place();
            let done = self.settle("create key", call, at).await;
            for (id, reply) in ids.into_iter().zip(done.reply.each) {
                let key = self.created(id, reply).await;
                tenant.keys.write().unwrap().push(key);
            }
        }
    }

    pub(crate) async fn revoke(&mut self, key: &Arc<Key>, at: Option<usize>) -> Settled {
        let call = Call::revoke(key, self.request_id());
        let done = self.settle("revoke", call, at).await;
        key.own.changed(done.reply.revision, Own { is_revoked: true, ..key.own.now() });
        self.probe(key);
        done
    }

    pub(crate) async fn rotate(&mut self, key: &Arc<Key>, at: Option<usize>) -> Settled {
        loop {
            let older: Vec<_> = key.secrets.read().unwrap().clone();
            for secret in &older {
                let mut replaced = secret.replaced.lock().unwrap();
                replaced.get_or_insert(Replaced { begun: Instant::now(), returned: None });
            }
            let call = Call::rotate(key, self.request_id());
            let done = self.settle("rotate", call, at).await;
            key.own.changed(done.reply.revision, key.own.now());
            for secret in &older {
                let mut replaced = secret.replaced.lock().unwrap();
                let replaced = replaced.as_mut().unwrap();
                let returned = (Instant::now(), done.reply.revision);
                replaced.returned.get_or_insert(returned);
            }
            // Where the first answer was lost, nobody knows the secret.
            if let Some(secret) = done.reply.secret.clone() {
                let mut secrets = key.secrets.write().unwrap();
                secrets.push(Secret::new(secret));
                let surplus = secrets.len().saturating_sub(2);
                secrets.drain(..surplus);
                drop(secrets);
                self.probe(key);
                return done;
            }
        }
    }

    async fn update(&mut self, key: &Arc<Key>, kind: &str, field: &str, to: Own) {
        let call = Call::update_key(key, field, to, self.request_id());
        let done = self.settle(kind, call, None).await;
        key.own.changed(done.reply.revision, to);
        self.probe(key);
    }

    /// Changes one of the keys.
    pub(crate) async fn change_key(&mut self) {
        let slots = self.tenant.keys.read().unwrap().len();
        let slot = self.random.below(slots);
        let key = self.tenant.key(slot);
        let own = key.own.now();
        if own.is_revoked {
            let new = self.create(None).await;
            self.tenant.keys.write().unwrap()[slot] = new;
            return;
        }
        match self.random.below(16) {
            0..=2 => drop(self.revoke(&key, None).await),
            3..=5 => drop(self.rotate(&key, None).await),
            6..=8 => {
                let to = Own { may_write: !own.may_write, ..own };
                self.update(&key, "update scopes", "grants", to).await;
            }
            9..=10 => {
                let to = Own { networks: self.another(own.networks), ..own };
                self.update(&key, "update networks", "allowed_cidrs", to).await;
            }
            11..=12 => {
                let to = Own { constraint: self.another(own.constraint), ..own };
                self.update(&key, "update constraint", "constraint", to).await;
            }
            // Most are near: there are few such changes in a short run, and all that it shows of ends.
            choice => {
                let near = choice < 15 && self.tally.is_quiet();
                let ttl = match (near, own.expire) {
                    (true, _) => Some(NEAR),
                    (false, Some(_)) => None,
                    (false, None) => Some(FAR),
                };
                let call = Call::end_key(&key, ttl, self.request_id());
                let reply = self.settle("update expiry", call, None).await.reply;
                key.own.changed(reply.revision, Own { expire: reply.expire, ..own });
                self.probe(&key);
            }
        }
    }

    fn another(&mut self, bound: Bound) -> Bound {
        // Mostly so that there is something to see of the rest.
        let others = match bound {
            Bound::Anywhere => [Bound::Here, Bound::Elsewhere],
            Bound::Here => [Bound::Elsewhere, Bound::Anywhere],
            Bound::Elsewhere => [Bound::Anywhere, Bound::Here],
        };
        others[self.random.below(2)]
    }

    pub(crate) fn is_off(&self) -> bool {
        let Tenant { workspace, principal, .. } = &*self.tenant;
        workspace.now().is_suspended || principal.now().is_disabled
    }

    /// Changes what all keys share.
    pub(crate) async fn change_shared(&mut self) {
        let tenant = Arc::clone(&self.tenant);
        let principal = tenant.principal.now();
        let is_suspended = tenant.workspace.now().is_suspended;
        match self.random.below(8) {
            // Nothing is off for long.
            _ if is_suspended => self.suspend(false, None).await,
            _ if principal.is_disabled => {
                self.disable(false).await;
            }
            0 => self.suspend(true, None).await,
            1 => self.disable(true).await,
            2..=4 => {
                let to = Principal { is_reader: !principal.is_reader, ..principal };
                let call = Call::update_role(&tenant, to, self.request_id());
                let kind = if to.is_reader { "lower role" } else { "raise role" };
                let done = self.settle(kind, call, None).await;
                tenant.principal.changed(done.reply.revision, to);
            }
            _ => {
                let to = Policy { readers_write: !tenant.policy.now().readers_write };
                let call = Call::update_policy(&tenant, to, self.request_id());
                let done = self.settle("change policy", call, None).await;
                tenant.policy.changed(done.reply.revision, to);
            }
        }
        let slots = tenant.keys.read().unwrap().len();
        let slot = self.random.below(slots);
        self.probe(&tenant.key(slot));
    }

    pub(crate) async fn suspend(&mut self, is_suspended: bool, at: Option<usize>) {
        let tenant = Arc::clone(&self.tenant);
        let call = Call::suspend(&tenant, is_suspended, self.request_id());
        let kind = if is_suspended { "suspend" } else { "resume" };
        let done = self.settle(kind, call, at).await;
        tenant.workspace.changed(done.reply.revision, Workspace { is_suspended });
    }

    async fn disable(&mut self, is_disabled: bool) {
        let tenant = Arc::clone(&self.tenant);
        let call = Call::disable(&tenant, is_disabled, self.request_id());
        let kind = if is_disabled { "disable" } else { "enable" };
        let done = self.settle(kind, call, None).await;
        let to = Principal { is_disabled, ..tenant.principal.now() };
        tenant.principal.changed(done.reply.revision, to);
    }

    /// Asks every replica at once about a key, the moment that a change has returned.
    fn probe(&mut self, key: &Arc<Key>) {
        while self.probes.try_join_next().is_some() {}
        let secrets: Vec<_> = key.secrets.read().unwrap().clone();
        for replica in 0..REPLICAS {
            let (cluster, tally) = (Arc::clone(&self.cluster), Arc::clone(&self.tally));
            let (key, secrets) = (Arc::clone(key), secrets.clone());
            self.probes.spawn(async move {
                for secret in &secrets {
                    ask(&cluster, &tally, replica, &key, secret).await;
                }
            });
        }
    }

    /// Waits until every question that was asked is answered.
    pub(crate) async fn rest(&mut self) {
        while self.probes.join_next().await.is_some() {}
    }

    /// Changes things until it is over.
    pub(crate) async fn go_on(mut self, over: CancellationToken, changes_keys: bool) -> Self {
        // Nothing stays off: others may wait for it.
        while !over.is_cancelled() || !changes_keys && self.is_off() {
            match changes_keys {
                true => self.change_key().await,
                false => self.change_shared().await,
            }
        }
        self.rest().await;
        self
    }
}

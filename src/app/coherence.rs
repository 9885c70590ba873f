//! What keeps answers from memory coherent with the records.

use std::{sync::Arc, time::Duration};

use super::AppError;
use crate::{
    back::Back,
    cache::{Announced, Bounds, Coherence, SoleOwner},
    clock::{SystemClock, SystemStopwatch},
    config::{CacheSettings, ReplicaSettings, Settings},
    domain::{
        name::Id,
        ports::{Clock, Records, StoreError},
        replica::{SharedLog, Terms},
    },
    replica::{Following, Parts, Replica},
    store::{Log, Store},
};

/// A statement of a replica may take this part of the lease: one may fail, and the next still be
/// in time.
const STATEMENT_PART: u32 = 4;

/// The records, as they are used, and by what their copies are judged.
pub(super) struct Coherent {
    pub(super) records: Arc<dyn Records>,
    pub(super) coherence: Arc<dyn Coherence>,
    pub(super) clock: Arc<dyn Clock>,
    /// This replica, where there may be others.
    pub(super) replica: Option<Member>,
}

/// A replica with what it follows.
pub(super) struct Member {
    pub(super) replica: Arc<Replica>,
    log: Arc<Log>,
}

impl Coherent {
    /// One process owns a file, and knows of every change; of a server, each process follows the
    /// others, and has a lease when this returns. To be run on the back.
    ///
    /// # Errors
    ///
    /// Where the database cannot be followed.
    pub(super) async fn new(
        store: &Arc<Store>,
        settings: &Settings,
        back: &Back,
    ) -> Result<Self, AppError> {
        let following = following(&settings.replicas);
        let records = Arc::clone(store) as Arc<dyn Records>;
        let Some(log) = store.log(following.terms.lease / STATEMENT_PART).await? else {
            let owner = Arc::new(SoleOwner::default());
            let records = Arc::new(Announced::new(records, Arc::clone(&owner) as _));
            return Ok(Self {
                records,
                coherence: owner,
                clock: Arc::new(SystemClock),
                replica: None,
            });
        };
        let log = Arc::new(log);
        let parts = Parts {
            log: Arc::clone(&log) as Arc<dyn SharedLog>,
            stopwatch: Arc::new(SystemStopwatch),
            clock: Arc::new(SystemClock),
            id: new_id()?,
        };
        let replica = Replica::start(parts, following, back.handle());
        let member = Member { replica: Arc::clone(&replica), log };
        if let Err(why) = member.begin(following.terms.lease).await {
            member.leave().await;
            return Err(why.into());
        }
        let standing = Arc::clone(replica.standing());
        Ok(Self {
            records: Arc::new(Announced::new(records, replica)),
            coherence: Arc::clone(&standing) as Arc<dyn Coherence>,
            clock: standing,
            replica: Some(member),
        })
    }
}

impl Member {
    /// Waits for the first lease, and says in the log what a change is worth here.
    async fn begin(&self, patience: Duration) -> Result<(), StoreError> {
        let first = tokio::time::timeout(patience, self.replica.until(true)).await;
        first.map_err(|late| StoreError::Unavailable(late.into()))?;
        let durability = self.replica.look().await?;
        if !durability.survives_fail_over() {
            tracing::warn!(
                standbys = durability.standbys,
                "a fail-over may lose changes that were acknowledged: set synchronous_standby_names"
            );
        }
        Ok(())
    }

    /// Ends the lease, takes the row away and gives the connections back.
    pub(super) async fn leave(&self) {
        self.replica.leave().await;
        self.log.close().await;
    }
}

fn following(settings: &ReplicaSettings) -> Following {
    let ReplicaSettings { lease_ms, bounded_stale_ms, doorbell, .. } = *settings;
    let [lease, stale, interval] =
        [lease_ms, bounded_stale_ms, settings.interval_ms()].map(Duration::from_millis);
    Following { terms: Terms { lease, stale }, interval, doorbell }
}

/// The name of a process, of which there is no other, ever.
pub(super) fn new_id() -> Result<Id, StoreError> {
    let id = uuid::Uuid::now_v7().to_string().parse();
    id.map_err(|_| StoreError::Corrupt("a UUID is no identifier".to_owned()))
}

/// How the settings bound the cache.
pub(super) fn cache_bounds(settings: &Settings) -> Bounds {
    let CacheSettings { max_bytes, max_loads, load_wait_ms } = settings.cache;
    Bounds {
        bytes_max: max_bytes,
        loads_max: max_loads,
        load_wait: Duration::from_millis(load_wait_ms),
    }
}

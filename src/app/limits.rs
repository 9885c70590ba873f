//! Who keeps count of the rate limits.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    clock::SystemStopwatch,
    config::{LimitSettings, WithoutRedis},
    domain::limit::Limiter,
    limits::{Alone, InvalidUrl, Local, Redis, Refuse, Shared, Tally},
    replica::Replica,
};

/// How often it is looked how many replicas share the limits.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Who keeps count, and until when.
pub(super) struct Limits {
    pub(super) limiter: Arc<Tally>,
    /// Until it is dropped, Redis is kept reached.
    pub(super) until_dropped: Option<DropGuard>,
}

impl Limits {
    /// One process counts for itself. For several Redis does; without it they divide the limits
    /// among them, or refuse.
    ///
    /// # Errors
    ///
    /// Where the address of Redis is none.
    pub(super) fn new(
        settings: &LimitSettings,
        replica: Option<&Arc<Replica>>,
        back: &Handle,
    ) -> Result<Self, InvalidUrl> {
        let redis_url = settings.redis();
        let stopwatch = Arc::new(SystemStopwatch);
        let Some(replica) = replica else {
            let local = Arc::new(Local::new(stopwatch, Arc::new(Alone)));
            let limiter = Tally::new(Arc::clone(&local) as _, Some(local), None);
            return Ok(Self { limiter: Arc::new(limiter), until_dropped: None });
        };
        let local = match settings.without_redis {
            WithoutRedis::Refuse => None,
            WithoutRedis::Divide => {
                replica.keep_count(COUNT_INTERVAL, back);
                let local = Local::new(Arc::clone(&stopwatch) as _, Arc::clone(replica) as _);
                Some(Arc::new(local))
            }
        };
        let otherwise = match &local {
            None => Arc::new(Refuse) as Arc<dyn Limiter>,
            Some(local) => Arc::clone(local) as _,
        };
        if redis_url.is_empty() {
            let limiter = Arc::new(Tally::new(otherwise, local, None));
            return Ok(Self { limiter, until_dropped: None });
        }
        let patience = Duration::from_millis(settings.redis_timeout_ms);
        let redis = Redis::new(redis_url.reveal(), patience)?;
        let (redis, stop) = (Arc::new(redis), CancellationToken::new());
        let (keeping, stopped) = (Arc::clone(&redis), stop.clone());
        back.spawn(async move { keeping.keep(stopped).await });
        let shared = Shared::new(redis, otherwise, stopwatch, back.clone());
        let limiter = Tally::new(Arc::new(shared.clone()), local, Some(shared));
        let limiter = Arc::new(limiter);
        Ok(Self { limiter, until_dropped: Some(stop.drop_guard()) })
    }
}

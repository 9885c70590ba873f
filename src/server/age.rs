//! How old a connection becomes.
//!
//! Whoever balances by connection (a Kubernetes service, a client that resolved a headless one) finds replicas that
//! came later only when it connects again. So connections end in time, each at a time of its own, that not all come
//! back at once (gRFC A9, server-side connection management).

use std::{
    future::{Future, pending},
    sync::Arc,
    time::Duration,
};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio_util::sync::CancellationToken;

use crate::config::ServerSettings;

/// How far an age may be from the setting, to both sides: one part in so many.
const SPREAD_PART: u32 = 10;

/// What streams are given to say their last word, and clients to read it, before the connection is cut.
const LAST_WORD: Duration = Duration::from_secs(3);

/// Cancelled when streams that came by a connection must end, for the server ends or the connection does; among the
/// extensions of its requests.
#[derive(Debug, Clone)]
pub struct Leaving(pub Arc<CancellationToken>);

/// How old connections become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    /// About. None: as old as they like.
    age: Option<Duration>,
    /// What calls in flight are given then.
    grace: Duration,
}

impl Ages {
    pub(super) fn new(settings: &ServerSettings) -> Self {
        Self { age: settings.max_connection_age(), grace: settings.max_connection_age_grace() }
    }

    /// A connection begins, which is told to end when `stop` is cancelled, or too old.
    pub(super) fn begin(self, stop: &CancellationToken) -> Life {
        let age = self.age.map(|age| apart(age, entropy()));
        let leaving = Leaving(Arc::new(stop.child_token()));
        Life { age, grace: self.grace, stop: stop.clone(), leaving }
    }
}

/// The time that one connection has.
pub(super) struct Life {
    age: Option<Duration>,
    grace: Duration,
    stop: CancellationToken,
    leaving: Leaving,
}

impl Life {
    /// For the extensions of its requests.
    pub(super) fn leaving(&self) -> Leaving {
        self.leaving.clone()
    }

    /// What comes of `connection`. None: it is to be told that it must end. So it is when `withdrawn` ends, which is
    /// looked at before the connection goes on: no call comes by it unseen.
    pub(super) async fn of<T>(
        &self,
        connection: impl Future<Output = T>,
        withdrawn: impl Future<Output = ()>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            () = withdrawn => None,
            end = connection => Some(end),
            () = after(self.age) => None,
        }
    }

    /// Ends when a connection that was told to end has had all the time it may take. Its streams are ended before
    /// that. Where the server ends, its own drain time counts.
    pub(super) async fn spent(&self) {
        let graceful = async {
            tokio::time::sleep(self.grace).await;
            self.leaving.0.cancel();
            tokio::time::sleep(LAST_WORD).await;
        };
        if self.stop.run_until_cancelled(graceful).await.is_none() {
            pending::<()>().await;
        }
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => pending().await,
    }
}

/// The age, or up to a tenth less or more of it, uniformly by `entropy`.
fn apart(age: Duration, entropy: u32) -> Duration {
    let spread = age / SPREAD_PART;
    age - spread + (2 * spread).mul_f64(f64::from(entropy) / f64::from(u32::MAX))
}

fn entropy() -> u32 {
    let mut bytes = [0; 4];
    // Without any all connections become equally old, which is no harm worth an error.
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => u32::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::time::Instant;

    use super::*;

    const AGE: Duration = Duration::from_secs(100);
    const GRACE: Duration = Duration::from_secs(30);

    fn begin(age: Option<Duration>) -> (Life, CancellationToken) {
        let stop = CancellationToken::new();
        (Ages { age, grace: GRACE }.begin(&stop), stop)
    }

    #[test]
    fn ages_lie_evenly_within_a_tenth() {
        assert_eq!(apart(AGE, 0), Duration::from_secs(90));
        assert_eq!(apart(AGE, u32::MAX), Duration::from_secs(110));
        let quarter = apart(AGE, u32::MAX / 4);
        assert!(quarter.abs_diff(Duration::from_secs(95)) < Duration::from_millis(1));
        let middle = apart(AGE, u32::MAX / 2);
        assert!(middle.abs_diff(AGE) < Duration::from_millis(1), "{middle:?}");
    }

    #[test]
    fn two_connections_have_ages_of_their_own() {
        let ages: std::collections::BTreeSet<_> = (0..16).map(|_| begin(Some(AGE)).0.age).collect();
        assert!(ages.len() > 8, "{ages:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_told_to_end_at_its_age_and_not_where_it_has_none() {
        let (life, _stop) = begin(Some(AGE));
        let begun = Instant::now();
        assert_eq!(life.of(pending::<()>(), pending()).await, None);
        assert!(begun.elapsed().abs_diff(AGE) <= AGE / 10 + Duration::from_millis(1));
        let (life, _stop) = begin(None);
        let year = Duration::from_secs(365 * 24 * 3_600);
        assert!(tokio::time::timeout(year, life.of(pending::<()>(), pending())).await.is_err());
        assert_eq!(life.of(async { 7 }, pending()).await, Some(7));
        assert_eq!(life.of(async { 7 }, ready(())).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_end_when_the_grace_does_and_all_the_rest_soon_after() {
        let (life, _stop) = begin(Some(AGE));
        let begun = Instant::now();
        let Leaving(leaving) = life.leaving();
        let ended = async {
            leaving.cancelled().await;
            begun.elapsed()
        };
        let (ended, ()) = tokio::join!(ended, life.spent());
        assert_eq!(ended.as_secs(), GRACE.as_secs());
        assert_eq!(begun.elapsed().as_secs(), (GRACE + LAST_WORD).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_ends_says_so_at_once_and_has_a_bound_of_its_own() {
        let (life, stop) = begin(Some(AGE));
        stop.cancel();
        assert_eq!(life.of(async { 7 }, pending()).await, None);
        assert!(life.leaving().0.is_cancelled());
        assert!(tokio::time::timeout(2 * (GRACE + LAST_WORD), life.spent()).await.is_err());
    }
}

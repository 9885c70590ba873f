//! When the permit is read: before an entry is judged, not after (M18).

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::domain::time::Moment;

/// A lease that is renewed while an entry is judged, together with a change that the judgement
/// missed.
struct RenewedMeanwhile(AtomicBool);

const OVER: Permit = Permit::Until(Moment::from_start(Duration::from_secs(1)));
const RENEWED: Permit = Permit::Until(Moment::from_start(Duration::from_secs(2)));

impl Coherence for RenewedMeanwhile {
    fn stamp(&self) -> Stamp {
        Stamp::default()
    }

    fn usable(&self, _: Stamp, _: &Subjects) -> bool {
        self.0.store(true, Ordering::SeqCst);
        true
    }

    fn permit(&self) -> Permit {
        if self.0.load(Ordering::SeqCst) { RENEWED } else { OVER }
    }

    fn holds(&self, permit: Permit) -> bool {
        permit == RENEWED
    }
}

/// Where no secret is of a key.
struct Nobody;

#[async_trait]
impl FindKey for Nobody {
    async fn find_key(&self, _: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_lease_that_is_renewed_while_an_entry_is_judged_does_not_count_for_it() {
    let coherence = Arc::new(RenewedMeanwhile(AtomicBool::new(true)));
    let bounds = Bounds { bytes_max: 1 << 20, loads_max: 1, load_wait: Duration::from_secs(60) };
    let lease = Arc::clone(&coherence) as Arc<dyn Coherence>;
    let cache = Cache::new(Arc::new(Nobody), lease, bounds, Handle::current());
    assert!(cache.find_key(&digest(1)).await.unwrap().is_none());
    coherence.0.store(false, Ordering::SeqCst);
    let outcome = cache.find_key(&digest(1)).await;
    assert!(matches!(outcome, Err(StoreError::NoLease)), "it was over when it was judged");
    assert!(cache.find_key(&digest(1)).await.unwrap().is_none(), "the next one is right");
    assert_eq!(cache.counts().loads, 1);
}

//! Waiting for something that is looked at now and then.

use std::time::{Duration, Instant};

/// How often is looked whether something has come about.
pub(crate) const INTERVAL: Duration = Duration::from_millis(10);

/// Waits until it is so; false: it did not come about in time.
pub(crate) async fn until(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    let mut interval = tokio::time::interval(INTERVAL);
    while !is_so() {
        if begun.elapsed() > within {
            return false;
        }
        interval.tick().await;
    }
    true
}

//! Hangs up a doorbell, and another one where that is dead.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::cause;
use crate::domain::{
    ports::StoreError,
    replica::{Doorbell, SharedLog},
};

/// After what time another is hung up.
const RETRY: Duration = Duration::from_secs(1);
/// How much later than the poll a ring may come that was meant for the same change.
const LATE: Duration = Duration::from_millis(500);

/// Passes rings on until `stop`. `unrung`: a change was found that nobody rang for.
pub(super) async fn listen(
    log: Arc<dyn SharedLog>,
    rung: Arc<Notify>,
    unrung: Arc<Notify>,
    stop: CancellationToken,
) {
    let listening = async {
        loop {
            let error = match log.doorbell().await {
                Ok(bell) => {
                    // What was found while there was none says nothing of this one.
                    _ = unrung.notified().now_or_never();
                    // For what happened before it hung there.
                    rung.notify_one();
                    pass_on(bell, &rung, &unrung).await
                }
                Err(error) => error,
            };
            tracing::debug!(error = cause(&error), "changes are polled until there is a doorbell");
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = listening => {}
        () = stop.cancelled() => {}
    }
}

/// Passes rings on until the bell is dead, or is found to be.
async fn pass_on(mut bell: Box<dyn Doorbell>, rung: &Notify, unrung: &Notify) -> StoreError {
    loop {
        let ring = tokio::select! {
            ring = bell.ring() => ring,
            () = unrung.notified() => match tokio::time::timeout(LATE, bell.ring()).await {
                Ok(ring) => ring,
                Err(silent) => Err(StoreError::Unavailable(silent.into())),
            },
        };
        match ring {
            Ok(()) => rung.notify_one(),
            Err(error) => return error,
        }
    }
}

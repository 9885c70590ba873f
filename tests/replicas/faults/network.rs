//! F3: what stands between a replica and the database fails.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Effect, Fault, Place, SHOWN_WITHIN, Stage, ask_later, effect, other_than};
use crate::{proxy::Held, run::until};

/// How often the replica is asked while it is cut off.
const INTERVAL: Duration = Duration::from_millis(50);

/// Something does not come through for a while: keys that the replica knows are revoked
/// elsewhere, and it is asked about them all the time.
pub(super) async fn held(
    fault: Fault,
    place: Place<'_>,
    stage: &mut Stage,
    replica: usize,
) -> Effect {
    let Place { pace, cluster, .. } = place;
    let held = match fault {
        Fault::Deaf => Held { down: true, ..Held::default() },
        Fault::Mute => Held { up: true, ..Held::default() },
        Fault::HalfOpenListener => {
            Held { up: true, down: true, only_listeners: true, ..Held::default() }
        }
        _ => Held { up: true, down: true, ..Held::default() },
    };
    let proxy = &cluster.proxies[replica];
    let keys = stage.warm(place).await;
    let before = proxy.counted();
    let begun = Instant::now();
    proxy.hold(held);
    let mut asking = JoinSet::new();
    for key in &keys {
        stage.changer.revoke(key, Some(other_than(replica))).await;
        ask_later(place, &mut asking, replica, key);
    }
    let mut interval = tokio::time::interval(INTERVAL);
    while begun.elapsed() < pace.outage {
        interval.tick().await;
        for key in &keys {
            ask_later(place, &mut asking, replica, key);
        }
    }
    let was_held = until(SHOWN_WITHIN, || proxy.counted().all > before.all).await;
    proxy.release();
    // After this nothing of what was held comes through: that of the others does, late.
    if fault == Fault::CutOff {
        proxy.reset();
    }
    for key in &keys {
        ask_later(place, &mut asking, replica, key);
    }
    while asking.join_next().await.is_some() {}
    effect(was_held, "there was nothing to hold")
}

/// All connections of a replica end, again and again.
pub(super) async fn reset(place: Place<'_>, stage: &mut Stage, replica: usize) -> Effect {
    let Place { cluster, .. } = place;
    let keys = stage.warm(place).await;
    let proxy = &cluster.proxies[replica];
    let mut ended = 0;
    for key in &keys {
        ended += proxy.open();
        proxy.reset();
        stage.changer.revoke(key, Some(replica)).await;
    }
    effect(ended > 0, "there was no connection")
}

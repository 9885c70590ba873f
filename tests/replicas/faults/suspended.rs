//! F12: one change that many keys rest on, all of them in memory everywhere.

use std::sync::Arc;

use tokio::task::JoinSet;

use keyward::proto::DenyReason;

use super::{Effect, Place, Stage, effect};
use crate::{asking::ask, cluster::REPLICAS};

/// How many questions are under way to each replica.
const AT_ONCE: usize = 8;

/// A workspace of many keys that all replicas know is suspended, and resumed.
pub(super) async fn suspended(place: Place<'_>, stage: &mut Stage) -> Effect {
    let hot = &mut stage.hot;
    let wanted = place.pace.hot_keys;
    if hot.tenant.keys.read().unwrap().is_empty() {
        hot.furnish(1).await;
    }
    hot.create_many(wanted).await;
    ask_all(place, stage).await;
    stage.hot.suspend(true, None).await;
    let denied = ask_all(place, stage).await;
    stage.hot.suspend(false, None).await;
    let allowed = ask_all(place, stage).await;
    let told = |seen: &[(DenyReason, usize)], reason| {
        seen.iter().filter(|(seen, _)| *seen == reason).map(|(_, count)| count).sum::<usize>()
    };
    let (denied, allowed) =
        (told(&denied, DenyReason::Disabled), told(&allowed, DenyReason::Unspecified));
    let enough = wanted * REPLICAS;
    let least = denied.min(allowed);
    effect(least >= enough, &format!("{least} of {enough} were answered"))
}

/// Asks every replica about every key, and counts the answers.
async fn ask_all(place: Place<'_>, stage: &Stage) -> Vec<(DenyReason, usize)> {
    let keys: Arc<Vec<_>> = Arc::new(stage.hot.tenant.keys.read().unwrap().clone());
    let mut asking = JoinSet::new();
    for number in 0..REPLICAS * AT_ONCE {
        let (cluster, tally) = (Arc::clone(place.cluster), Arc::clone(place.tally));
        let keys = Arc::clone(&keys);
        asking.spawn(async move {
            let mut seen: Vec<(DenyReason, usize)> = Vec::new();
            for key in keys.iter().skip(number / REPLICAS).step_by(AT_ONCE) {
                let secret = key.newest_secret();
                let answer = ask(&cluster, &tally, number % REPLICAS, key, &secret).await;
                let Some(reason) = answer else { continue };
                match seen.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, count)) => *count += 1,
                    None => seen.push((reason, 1)),
                }
            }
            seen
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

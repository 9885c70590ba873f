//! F5, F6, F7: the database itself.

use std::time::{Duration, Instant};

use super::{Effect, Place, Stage, effect};

/// How often those who listen are ended.
const INTERVAL: Duration = Duration::from_millis(100);

/// The server ends as in a crash, and comes back.
pub(super) async fn killed(place: Place<'_>) -> Effect {
    let server = place.cluster.server();
    let pid = || std::fs::read_to_string(server.directory.path().join("data/postmaster.pid"));
    let before = pid().unwrap();
    tokio::task::block_in_place(|| {
        server.kill();
        server.start_again();
    });
    effect(pid().unwrap() != before, "the same server is there")
}

/// The server ends, and a standby that has all it has acknowledged takes its place.
pub(super) async fn failed_over(place: Place<'_>, stage: &mut Stage) -> Effect {
    let Place { cluster, .. } = place;
    let before = cluster.server().address();
    let standby = cluster.standby().await;
    let keys = stage.warm(place).await;
    let (first, rest) = keys.split_at(keys.len() / 2);
    for key in first {
        stage.changer.revoke(key, None).await;
    }
    cluster.fail_over(standby);
    for key in rest {
        stage.changer.revoke(key, None).await;
    }
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pg_is_in_recovery()";
    let standing_by = cluster.database().await.number(sql, Vec::new()).await;
    effect(cluster.server().address() != before && standing_by == 0, "the same server is there")
}

/// Whoever listens is ended again and again: what changed must be found by asking.
pub(super) async fn listeners_killed(place: Place<'_>, stage: &mut Stage) -> Effect {
    let Place { pace, cluster, .. } = place;
    let keys = stage.warm(place).await;
    let database = cluster.database().await;
    let begun = Instant::now();
    let mut interval = tokio::time::interval(INTERVAL);
    let (mut ended, mut keys) = (0, keys.iter());
    while begun.elapsed() < pace.outage {
        interval.tick().await;
        let sql = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) \
            FROM pg_stat_activity WHERE query ILIKE 'LISTEN %'";
        ended += database.number(sql, Vec::new()).await;
        if let Some(key) = keys.next() {
            stage.changer.revoke(key, None).await;
        }
    }
    effect(ended > 0, "nobody listens")
}

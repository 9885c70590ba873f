//! Real programs under full load for thirty windows: what they let through together is never more
//! than the limit in any span of time, and hardly less over all of it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "kill/caller.rs"]
mod caller;
#[path = "postgres/database.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod fresh;
#[path = "ceilings/load.rs"]
mod load;
#[path = "kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "ceilings/spans.rs"]
mod spans;
#[path = "ceilings/world.rs"]
mod world;

use load::judge;
use world::World;

/// Only one of them at a time, so that none takes the machine from another.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_on_redis_lets_through_what_the_limits_say() {
    let _alone = ALONE.lock().await;
    judge(&mut World::on_redis(1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_on_redis_let_through_together_what_the_limits_say() {
    let _alone = ALONE.lock().await;
    judge(&mut World::on_redis(3).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_without_redis_lets_through_what_the_limits_say() {
    let _alone = ALONE.lock().await;
    judge(&mut World::on_a_file().await).await;
}

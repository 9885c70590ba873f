//! Three programs on one database, of which each may be stopped, killed or cut off: an
//! introspection that starts after a change returned OK is never answered from an older
//! state, on any of them.
//!
//! Every answer carries the revision of the newest change that it rests on. It must be no older
//! than the changes that had returned before the question was sent, and all that it says must be
//! as of this very revision. `tests/faults` runs the long form.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "replicas/asking.rs"]
mod asking;
#[path = "kill/caller.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod caller;
#[path = "replicas/calls.rs"]
mod calls;
#[path = "replicas/changing.rs"]
mod changing;
#[path = "replicas/cluster.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod cluster;
#[path = "replicas/faults.rs"]
mod faults;
#[path = "replicas/history.rs"]
mod history;
#[path = "metrics/reader.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod metrics_reader;
#[path = "replicas/pace.rs"]
mod pace;
#[path = "postgres/server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod postgres;
#[path = "kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "replicas/proxy.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod proxy;
#[path = "kill/random.rs"]
mod random;
#[path = "replicas/report.rs"]
mod report;
#[path = "replicas/run.rs"]
mod run;
#[path = "replicas/tally.rs"]
mod tally;
#[path = "replicas/until.rs"]
mod until;
#[path = "replicas/wire.rs"]
mod wire;
#[path = "replicas/world.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod world;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_from_an_older_state_whatever_fails() {
    let seed = random::seed("replicas");
    let pace = pace::Pace::from_environment();
    let run = Box::pin(run::Run::start(pace, seed)).await;
    let report = Box::pin(run.complete()).await;
    report.write();
    report.check();
}

//! Three programs on PostgreSQL and Redis under a mixed load, while whatever can break does: for as
//! long as is asked for.
//!
//! First as much is asked of them as they answer, then seven tenths of it, whether or not they
//! answer. Every answer is judged as in `replicas.rs`; in the end every change that was
//! acknowledged is looked for. What the processes take of memory and descriptors must not grow.
//! `tests/soak` runs the long form.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "replicas/asking.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod asking;
#[path = "endurance/book.rs"]
mod book;
#[path = "kill/caller.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod caller;
#[path = "replicas/calls.rs"]
mod calls;
#[path = "replicas/changing.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod changing;
#[path = "replicas/cluster.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod cluster;
#[path = "endurance/counted.rs"]
mod counted;
#[path = "replicas/faults.rs"]
mod faults;
#[path = "endurance/found.rs"]
mod found;
#[path = "replicas/history.rs"]
mod history;
#[path = "endurance/limited.rs"]
mod limited;
#[path = "endurance/load.rs"]
mod load;
#[path = "metrics/reader.rs"]
mod metrics_reader;
#[path = "replicas/pace.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod pace;
#[path = "endurance/plan.rs"]
mod plan;
#[path = "postgres/server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod postgres;
#[path = "kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "replicas/proxy.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod proxy;
#[path = "endurance/questions.rs"]
mod questions;
#[path = "kill/random.rs"]
mod random;
#[path = "endurance/readings.rs"]
mod readings;
#[path = "redis/server.rs"]
mod redis;
#[path = "endurance/relay.rs"]
mod relay;
#[path = "endurance/report.rs"]
mod report;
#[path = "endurance/run.rs"]
mod run;
#[path = "endurance/samples.rs"]
mod samples;
#[path = "ceilings/spans.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod spans;
#[path = "endurance/strikes.rs"]
mod strikes;
#[path = "replicas/tally.rs"]
mod tally;
#[path = "replicas/until.rs"]
mod until;
#[path = "endurance/verdict.rs"]
mod verdict;
#[path = "replicas/wire.rs"]
mod wire;
#[path = "replicas/world.rs"]
mod world;

/// Of the short form, unless another is given.
const SEED: u64 = 20_261_122;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_holds_under_load_for_as_long_as_is_asked_for_while_whatever_can_break_does() {
    let plan = plan::Plan::from_environment();
    let is_given = plan.is_long() || std::env::var_os(random::SEED).is_some();
    let seed = if is_given { random::seed("endurance") } else { SEED };
    let run = Box::pin(run::Run::start(plan, seed)).await;
    let report = Box::pin(run.complete()).await;
    report.write();
    report.check();
}

//! Full load, and what came of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use keyward::proto::{DenyReason, IntrospectRequest};
use tonic::Code;

use crate::{
    caller::Caller,
    spans::Passed,
    world::{Target, World},
};

const WINDOWS: u32 = 30;
/// How many ask each replica at once; as many more each time that they were too few.
const CALLERS: usize = 4;
/// How long one that was refused does not ask, at the most.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// How often it is tried until the machine has time enough to ask for more than is let through.
const TRIES: usize = 6;

/// What was seen.
#[derive(Default)]
struct Seen {
    passed: Vec<Passed>,
    /// When calls ended that were refused.
    refused: Vec<Duration>,
}

/// Runs the load until demand was above what is let through most of the time. Each time no more is
/// let through than the limit says, and hardly less while there was demand.
pub(crate) async fn judge(world: &mut World) {
    for tried in 1..=TRIES {
        // Afresh, so that the burst is there.
        let targets = world.targets().await;
        let load = targets.iter().map(|target| run(world, target, tried * CALLERS));
        let mut is_enough = true;
        for (target, (seen, elapsed)) in targets.iter().zip(join_all(load).await) {
            let rate = target.rate;
            rate.holds(&seen.passed).unwrap();
            let idle = seen.idle(elapsed, rate.refill() / 2);
            let (passed, refused) = (seen.passed.len(), seen.refused.len());
            eprintln!("{passed} passed, {refused} refused in {elapsed:?}, {rate:?}; idle {idle:?}");
            rate.is_used(&seen.passed, elapsed.saturating_sub(idle)).unwrap();
            is_enough &= idle < elapsed / 2;
        }
        if is_enough {
            return;
        }
    }
    panic!("in none of {TRIES} runs calls came so fast that some were refused half of the time");
}

impl Seen {
    /// All times together in which nothing was refused for longer than this, by which time part of
    /// the burst is back: what is lost then is lost for want of calls.
    fn idle(&self, elapsed: Duration, bound: Duration) -> Duration {
        let mut ends: Vec<_> = self.refused.iter().copied().chain([elapsed]).collect();
        ends.sort_unstable();
        let begins = std::iter::once(Duration::ZERO).chain(ends.iter().copied());
        let spans = ends.iter().zip(begins).map(|(end, begin)| *end - begin);
        spans.filter(|span| *span > bound).sum()
    }
}

/// Asks all replicas for thirty windows.
async fn run(world: &World, target: &Target, callers: usize) -> (Seen, Duration) {
    let begun = Instant::now();
    let end = begun + WINDOWS * target.rate.window;
    let mut tasks = Vec::new();
    for root in &world.roots {
        for place in 0..callers {
            let (root, secrets) = (root.clone(), Arc::clone(&target.secrets));
            tasks.push(tokio::spawn(ask(root, secrets, place, begun, end)));
        }
    }
    let mut all = Seen::default();
    for task in tasks {
        let Seen { passed, refused } = task.await.unwrap();
        all.passed.extend(passed);
        all.refused.extend(refused);
    }
    (all, begun.elapsed())
}

/// One caller, who asks about each of the keys in turn, and at once again if it may.
async fn ask(
    mut root: Caller,
    secrets: Arc<[String]>,
    place: usize,
    begun: Instant,
    end: Instant,
) -> Seen {
    let mut seen = Seen::default();
    for secret in secrets.iter().cycle().skip(place) {
        let call = begun.elapsed();
        if begun + call >= end {
            break;
        }
        let request = IntrospectRequest { secret: secret.clone(), ..Default::default() };
        let pause = match root.introspect.introspect(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                match answer.reason() {
                    DenyReason::Unspecified => {
                        seen.passed.push(Passed { begun: call, ended: begun.elapsed() });
                        continue;
                    }
                    DenyReason::RateLimited => seen.refused.push(begun.elapsed()),
                    other => panic!("{other:?}"),
                }
                Duration::try_from(answer.retry_after.unwrap()).unwrap().min(PAUSE_MAX)
            }
            // On a busy machine a lease may be late.
            Err(status) if status.code() == Code::Unavailable => PAUSE_MAX,
            Err(status) => panic!("{status:?}"),
        };
        tokio::time::sleep(pause).await;
    }
    seen
}

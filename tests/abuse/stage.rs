//! A server that is abused, and those who go on calling it as they should.

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use crate::{
    honest::{Honest, KINDS, Waits},
    metrics_reader::Metrics,
    process::{Deployment, Serving},
    vitals::Vitals,
    wire::LONG,
};

/// The series that tell how many calls are open.
const IN_FLIGHT: &str = "keyward_calls_in_flight";
/// How long an honest caller rests between two calls: it is no load, but a witness.
const REST: Duration = Duration::from_millis(4);
/// How often it is looked whether the server is as before.
const LOOK: Duration = Duration::from_millis(20);
/// Files that a database opens when more is asked of it at once.
const FILES_MAX: usize = 16;
/// Connections of honest callers that come and go.
const COMING_MAX: usize = 1;
/// Bytes that memory may grow by for which there is no other bound: what an allocator keeps, and
/// what honest callers cost.
pub(crate) const MEMORY_MAX: u64 = 48 << 20;
/// Bytes of memory that an abuse may leave behind. What an allocator keeps of its pages it keeps for good: 14 MiB
/// were the most that an abuse of the usual kind left.
const LEFT_MAX: u64 = 48 << 20;
/// The same where much was held at once: of some 1,000 connections, or of answers that nobody took, 61 MiB were left at
/// the most.
pub(crate) const LEFT_OF_MUCH_MAX: u64 = 96 << 20;
/// What threads take for keys at their first calls is no matter of abuse: here it is little.
const CACHE: [(&str, &str); 1] = [("cache.max_bytes", "16777216")];
/// How long memory is given to fall when nothing is left of an abuse: an allocator gives it back in its own time.
const FALL: Duration = Duration::from_secs(20);
/// Lines of the log that an abuse may cause, whatever it sends; and so many more a second.
const LINES_MAX: usize = 20;
const LINES_PER_S_MAX: usize = 5;

/// A server, and one who may do everything.
pub(crate) struct Stage {
    pub(crate) deployment: Deployment,
    pub(crate) serving: Serving,
    pub(crate) root: String,
    /// How it was before it was abused.
    before: OnceLock<Vitals>,
}

/// Whom to abuse, with whose secret.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Of one who may do everything.
    pub(crate) secret: String,
}

/// What is allowed to one abuse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes that the memory of the server may grow by, at its peak.
    pub(crate) memory: u64,
    /// Bytes that may be left of that when all is over.
    pub(crate) left: u64,
}

impl Bounds {
    /// Where an abuse has no other.
    pub(crate) const USUAL: Self = Self { memory: MEMORY_MAX, left: LEFT_MAX };
}

/// How the connections of an abuser ended, and how often.
pub(crate) type Ended = BTreeMap<String, usize>;

impl Stage {
    pub(crate) async fn new(settings: &[(&str, &str)]) -> Self {
        let deployment = Deployment::new(&[&CACHE, settings].concat());
        let root = deployment.bootstrap();
        let serving = deployment.serve().await;
        Self { deployment, serving, root, before: OnceLock::new() }
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: self.serving.address, secret: self.root.clone() }
    }

    /// Has the server abused, and sees to it that honest callers are answered all the while, and
    /// that it is afterwards as it was before.
    pub(crate) async fn abused<F: Future<Output = Ended>>(
        &self,
        name: &str,
        bounds: Bounds,
        abuse: impl FnOnce() -> F,
    ) {
        let vitals = || Vitals::of(self.serving.id());
        let mut witnesses = self.witnesses().await;
        let log = self.deployment.log().len();
        witnesses.rest().await;
        let before = *self.before.get_or_init(vitals);
        Vitals::forget_peak(self.serving.id());
        let begun = Instant::now();
        witnesses.wake();
        let ended = abuse().await;
        let took = begun.elapsed();
        let calls = witnesses.rest().await;
        let peak = vitals().peak;
        let after = self.as_before(before).await;
        let left = self.fallen(before.memory + bounds.left).await;
        self.log_is_short(&self.deployment.log()[log..], took);
        // Whoever comes now is answered as ever.
        for kind in KINDS {
            let mut honest = Honest::new(kind, self.serving.address, &self.root);
            honest.call().await.unwrap_or_else(|error| panic!("after {name}: {kind:?}: {error}"));
        }
        let memory = [before.memory, peak, after.memory, left];
        report(name, took, memory, &calls, &ended);
        let [grown, kept] = [peak, left].map(|bytes| bytes.saturating_sub(before.memory));
        assert!(grown <= bounds.memory, "{name}: memory grew by {} KiB", grown >> 10);
        assert!(kept <= bounds.left, "{name}: {} KiB of memory are left", kept >> 10);
        assert!(calls.iter().all(|waits| waits.calls > 0), "{name}: nobody called meanwhile");
    }

    /// Waits until the server takes no more memory than this; what it takes then, or when it was given long enough.
    async fn fallen(&self, most: u64) -> u64 {
        let mut looks = tokio::time::interval(LOOK);
        let deadline = Instant::now() + FALL;
        loop {
            looks.tick().await;
            let now = Vitals::of(self.serving.id()).memory;
            if now <= most || Instant::now() > deadline {
                return now;
            }
        }
    }

    /// Waits until nothing is left of the abuse: as many descriptors as before, and no call.
    async fn as_before(&self, before: Vitals) -> Vitals {
        let mut looks = tokio::time::interval(LOOK);
        let deadline = Instant::now() + LONG;
        loop {
            looks.tick().await;
            let now = Vitals::of(self.serving.id());
            let metrics = self.serving.metrics;
            let told = tokio::task::spawn_blocking(move || Metrics::of(metrics)).await.unwrap();
            let series = told.0.iter().filter(|(name, _)| name.starts_with(IN_FLIGHT));
            let open: Vec<f64> = series.map(|(_, count)| *count).collect();
            assert_eq!(open.len(), 6, "of each kind of call");
            let is_left = now.descriptors > before.descriptors + FILES_MAX;
            if now.sockets <= before.sockets && !is_left && open.iter().all(|open| *open < 0.5) {
                return now;
            }
            assert!(Instant::now() < deadline, "{now:?}, {before:?} before; in flight {open:?}");
        }
    }

    /// Waits until the server has hung up on everybody but the honest callers.
    pub(crate) async fn hung_up(&self) {
        let mut looks = tokio::time::interval(LOOK);
        let before = self.before.get().unwrap().sockets;
        let deadline = Instant::now() + LONG;
        while Vitals::of(self.serving.id()).sockets > before + COMING_MAX {
            looks.tick().await;
            assert!(Instant::now() < deadline, "it does not hang up");
        }
    }

    fn log_is_short(&self, log: &str, took: Duration) {
        let lines = log.lines().count();
        let seconds = usize::try_from(took.as_secs()).unwrap() + 1;
        let shown: Vec<_> = log.lines().take(10).collect();
        assert!(lines <= LINES_MAX + LINES_PER_S_MAX * seconds, "{lines} lines: {shown:#?}");
        assert!(!log.contains("panicked"), "{shown:#?}");
        let secret = &self.root[self.root.len() - 30..];
        assert!(!log.contains(secret), "the log has a secret");
    }

    /// Callers of each kind, each on a connection of its own, who have called once.
    async fn witnesses(&self) -> Witnesses {
        let mut all = Vec::new();
        for kind in KINDS {
            let calls = Arc::<Mutex<Vec<Duration>>>::default();
            let honest = Honest::new(kind, self.serving.address, &self.root);
            let resting = Arc::new(AtomicBool::new(true));
            let witness = Witness { calls, resting, task: None };
            all.push((witness, Some(honest)));
        }
        let mut witnesses = Witnesses(all);
        for (_, honest) in &mut witnesses.0 {
            honest.as_mut().unwrap().call().await.unwrap();
        }
        witnesses
    }
}

struct Witness {
    /// How long each call took.
    calls: Arc<Mutex<Vec<Duration>>>,
    resting: Arc<AtomicBool>,
    task: Option<JoinHandle<Honest>>,
}

/// The honest callers.
struct Witnesses(Vec<(Witness, Option<Honest>)>);

impl Witnesses {
    /// Has them call over and over, and fail where a call does.
    fn wake(&mut self) {
        for (witness, honest) in &mut self.0 {
            witness.resting.store(false, SeqCst);
            witness.calls.lock().unwrap().clear();
            let (calls, resting) = (Arc::clone(&witness.calls), Arc::clone(&witness.resting));
            let mut honest = honest.take().unwrap();
            witness.task = Some(tokio::spawn(async move {
                let mut turns = tokio::time::interval(REST);
                while !resting.load(SeqCst) {
                    turns.tick().await;
                    let begun = Instant::now();
                    let called = honest.call().await;
                    called.unwrap_or_else(|error| panic!("{:?}: {error}", honest.kind));
                    calls.lock().unwrap().push(begun.elapsed());
                }
                honest
            }));
        }
    }

    /// Has them rest; how long the calls of each took.
    async fn rest(&mut self) -> Vec<Waits> {
        let mut all = Vec::new();
        for (witness, honest) in &mut self.0 {
            witness.resting.store(true, SeqCst);
            if let Some(task) = witness.task.take() {
                let ended = tokio::time::timeout(LONG, task).await;
                *honest = Some(ended.expect("an honest caller waits").expect("one was refused"));
            }
            all.push(Waits::of(std::mem::take(&mut *witness.calls.lock().unwrap())));
        }
        all
    }
}

/// One line for people, and a file for machines. How long honest calls took is told, and judged by their deadline alone.
fn report(name: &str, took: Duration, memory: [u64; 4], calls: &[Waits], ended: &Ended) {
    let [before, peak, after, left] = memory.map(|bytes| bytes >> 10);
    let kinds = || KINDS.iter().map(|kind| format!("{kind:?}")).zip(calls);
    let counts: BTreeMap<_, _> = kinds().map(|(kind, waits)| (kind, waits.calls)).collect();
    let waits: BTreeMap<_, _> = kinds()
        .map(|(kind, waits)| (kind, serde_json::json!({"p50": waits.p50_ms, "max": waits.max_ms})))
        .collect();
    let told: Vec<_> = kinds().map(|(kind, waits)| format!("{kind} {waits}")).collect();
    let took = took.as_millis();
    println!(
        "abuse: {name}: {took} ms; memory {before} KiB, peak {peak}, after {after}, left {left}; \
         honest calls {}, failed 0; ended {ended:?}",
        told.join(", "),
    );
    let line = serde_json::json!({
        "abuse": name, "took_ms": took,
        "memory_kib": {"before": before, "peak": peak, "after": after, "left": left},
        "honest_calls": counts, "honest_calls_failed": 0, "honest_ms": waits, "ended": ended,
    });
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("abuse");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join(format!("{}.json", name.replace(' ', "-")));
    std::fs::write(file, format!("{line}\n")).unwrap();
}

/// Takes note of how a connection or call ended.
pub(crate) fn note(ended: &mut Ended, how: impl Into<String>) {
    *ended.entry(how.into()).or_default() += 1;
}

//! What came of a load.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use crate::{connection::Done, servers::CpuTime};

/// The longest time of an answer that is told.
const TIME_MAX: Duration = Duration::from_secs(60);

/// What came of a load.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Good answers in a second.
    pub(crate) rate: f64,
    /// All good answers, those of the warm-up too, and of what was in flight at the end.
    pub(crate) good: u64,
    /// Answers that were not.
    pub(crate) bad: u64,
    /// Nanoseconds from when a question was due, be it sent or not, to its good answer: who waits
    /// for the server to take it is not left out (coordinated omission).
    pub(crate) times: Histogram<u64>,
    /// CPU of the server, of all of its threads, by good answer.
    pub(crate) cpu: Duration,
    /// The part of it that the threads took that serve connections; the rest writes what was used, and the like.
    pub(crate) front: Duration,
    /// The part of the time, of one core, that the server ran, and that the client did.
    pub(crate) server_busy: f64,
    pub(crate) client_busy: f64,
}

impl Outcome {
    /// Microseconds of CPU of the server by good answer.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6
    }

    /// Microseconds that so many of the good answers took at the most.
    #[expect(clippy::cast_precision_loss, reason = "a minute at the most")]
    pub(crate) fn us(&self, quantile: f64) -> f64 {
        self.times.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// What has been used until now.
#[derive(Debug, Clone, Copy)]
struct Used {
    at: Instant,
    server: Duration,
    front: Duration,
    client: Duration,
}

/// Counts from the end of the warm-up on.
pub(crate) struct Tally {
    server: CpuTime,
    begun: Option<Used>,
    ended: Option<Used>,
    good: u64,
    /// Good answers that are not measured.
    good_beside: u64,
    bad: u64,
    times: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new(server: CpuTime) -> Self {
        let longest = u64::try_from(TIME_MAX.as_nanos()).unwrap();
        let times = Histogram::new_with_bounds(100, longest, 3).unwrap();
        let (begun, ended) = (None, None);
        Self { server, begun, ended, good: 0, good_beside: 0, bad: 0, times }
    }

    fn used(&self) -> Used {
        let client = clock_gettime(ClockId::ThreadCPUTime);
        let client =
            Duration::new(client.tv_sec.try_into().unwrap(), client.tv_nsec.try_into().unwrap());
        let (server, front) = self.server.taken();
        Used { at: Instant::now(), server, front, client }
    }

    pub(crate) fn begin(&mut self) {
        self.begun = Some(self.used());
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// From now on only what is wrong counts.
    pub(crate) fn end(&mut self) {
        self.ended = Some(self.used());
    }

    pub(crate) fn count(&mut self, done: Done, now: Instant) {
        if !done.is_good {
            self.bad += 1;
        } else if self.begun.is_none() || self.ended.is_some() {
            self.good_beside += 1;
        } else {
            self.good += 1;
            let taken = u64::try_from(now.duration_since(done.due).as_nanos()).unwrap_or(u64::MAX);
            self.times.saturating_record(taken);
        }
    }

    /// All answers until now.
    pub(crate) fn all(&self) -> u64 {
        self.good_beside + self.good + self.bad
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
    pub(crate) fn outcome(self) -> Outcome {
        let (begun, ended) = self.begun.zip(self.ended).unwrap();
        let time = ended.at.duration_since(begun.at).as_secs_f64();
        let cpu = ended.server - begun.server;
        Outcome {
            rate: self.good as f64 / time,
            good: self.good_beside + self.good,
            bad: self.bad,
            times: self.times,
            cpu: cpu.div_f64(self.good.max(1) as f64),
            front: (ended.front - begun.front).div_f64(self.good.max(1) as f64),
            server_busy: cpu.as_secs_f64() / time,
            client_busy: (ended.client - begun.client).as_secs_f64() / time,
        }
    }
}

//! Calls at a fixed rate, whatever becomes of them: none waits for the answer of another, and each is timed from when
//! it was due.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    server::memory,
    wire::{Connection, End, Requests},
};

/// How long a caller waits.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);
/// How often what is due is sent.
const TICK: Duration = Duration::from_micros(500);
/// Parts of time of which each is told by itself.
pub(crate) const PART: Duration = Duration::from_millis(500);
const MEMORY_EVERY: Duration = Duration::from_millis(200);

/// Calls of one kind over connections of their own.
pub(crate) struct Load {
    address: SocketAddr,
    requests: Requests,
    connections: Vec<Connection>,
    turn: usize,
    rate: f64,
    due: f64,
    pub(crate) seen: Seen,
}

/// What became of calls.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) offered: u64,
    pub(crate) ends: BTreeMap<End, u64>,
    /// By the part of time in which they were due: how long answers took, in microseconds.
    pub(crate) good: Vec<Vec<u32>>,
    /// By the same part: how many were due.
    pub(crate) due: Vec<u64>,
    /// Connections that the server closed for an error of the client's.
    pub(crate) closed: u64,
    time: Duration,
}

impl Seen {
    /// Answers in time, in a second.
    #[expect(clippy::cast_precision_loss, reason = "a few million")]
    pub(crate) fn goodput(&self) -> f64 {
        let good: usize = self.good.iter().map(Vec::len).sum();
        good as f64 / self.time.as_secs_f64()
    }

    /// How many were never sent.
    pub(crate) fn held_back(&self) -> u64 {
        self.ends.get(&End::HeldBack).copied().unwrap_or_default()
    }

    /// What this part of the good answers took at the most, in milliseconds.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        quantile(self.good.iter().flatten().copied().collect(), part)
    }
}

/// What this part of them took at the most, in milliseconds.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few million"
)]
pub(crate) fn quantile(mut times: Vec<u32>, part: f64) -> f64 {
    times.sort_unstable();
    let place = (times.len() as f64 * part).ceil() as usize;
    times.get(place.max(1) - 1).map_or(f64::INFINITY, |micros| f64::from(*micros) / 1e3)
}

impl Load {
    pub(crate) fn new(address: SocketAddr, connections: usize, requests: Requests) -> Self {
        let connections = (0..connections).map(|_| Connection::open(address)).collect();
        let seen = Seen::default();
        Self { address, requests, connections, turn: 0, rate: 0.0, due: 0.0, seen }
    }

    /// From now on at this rate, in a second.
    pub(crate) fn at(&mut self, rate: f64) {
        (self.rate, self.due, self.seen) = (rate, 0.0, Seen::default());
    }

    fn tick(&mut self, begun: Instant, last: Instant, now: Instant) {
        self.due += self.rate * now.duration_since(last).as_secs_f64();
        while self.due >= 1.0 {
            self.due -= 1.0;
            self.seen.offered += 1;
            let count = self.connections.len();
            self.turn += 1;
            // Due since the last tick, the oldest first.
            let due = now - Duration::from_secs_f64(self.due / self.rate);
            let part =
                (due.saturating_duration_since(begun).as_micros() / PART.as_micros()) as usize;
            if self.seen.due.len() <= part {
                self.seen.due.resize(part + 1, 0);
            }
            self.seen.due[part] += 1;
            if !self.connections[self.turn % count].call(&mut self.requests, due) {
                *self.seen.ends.entry(End::HeldBack).or_default() += 1;
            }
        }
        let Some(expired) = now.checked_sub(DEADLINE) else { return };
        let seen = &mut self.seen;
        for connection in &mut self.connections {
            connection.turn(expired, |end, due| {
                // What was due before is of another time.
                let Some(since) = due.checked_duration_since(begun) else { return };
                *seen.ends.entry(end).or_default() += 1;
                let took = Instant::now().duration_since(due);
                if end == End::Status(0) && took <= DEADLINE {
                    let part = (since.as_micros() / PART.as_micros()) as usize;
                    if seen.good.len() <= part {
                        seen.good.resize_with(part + 1, Vec::new);
                    }
                    seen.good[part].push(u32::try_from(took.as_micros()).unwrap());
                }
            });
            if connection.is_over() {
                seen.closed += u64::from(connection.error.is_some());
                *connection = Connection::open(self.address);
            }
        }
    }
}

/// What was seen of the two programs meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched {
    /// The part of the time in which the client had something to do.
    pub(crate) busy: f64,
    /// The longest that it came late.
    pub(crate) late: Duration,
    /// The most memory that the server had, in MiB.
    pub(crate) memory_max: u64,
}

/// What comes after a load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing, until the last of what was asked has ended.
    Wait,
    /// Another, at once.
    GoOn,
}

/// Offers all these loads for so long.
pub(crate) fn run(loads: &mut [&mut Load], time: Duration, server: u32, then: Then) -> Watched {
    let begun = Instant::now();
    let (mut last, mut busy, mut watched) = (begun, Duration::ZERO, Watched::default());
    let mut looked = begun;
    loop {
        let now = Instant::now();
        let is_over = now - begun >= time;
        if is_over {
            for load in &mut *loads {
                load.rate = 0.0;
            }
        } else {
            watched.late = watched.late.max(now - last);
        }
        for load in &mut *loads {
            load.tick(begun, last, now);
        }
        if now - looked > MEMORY_EVERY {
            looked = now;
            watched.memory_max = watched.memory_max.max(memory(server));
        }
        last = now;
        if !is_over {
            busy += now.elapsed();
        }
        if is_over && (then == Then::GoOn || now - begun > time + DEADLINE + PART) {
            break;
        }
        if let Some(rest) = TICK.checked_sub(now.elapsed()) {
            std::thread::sleep(rest);
        }
    }
    for load in loads {
        load.seen.time = time;
    }
    watched.busy = busy.as_secs_f64() / time.as_secs_f64();
    watched
}

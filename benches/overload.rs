//! What becomes of answers where four times as much is asked as can be answered: one program on one processor, and a
//! client on another that asks at a fixed rate and waits a second for each answer.
//!
//! `cargo bench --bench overload [-- --json FILE] [--seconds N] [--connections N] [--open-calls N] [--only CASE]`
//!
//! Cases: `introspect`, `introspect_256` (connections), `create`, `unknown`, `beside`.
//!
//! Ends with 1 where goodput falls below 80 % of the peak, memory grows by more than it may, answers are not fast again
//! within 5 s, a connection is closed as a flood, or the one kind of calls keeps the other from its answers.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/kill/caller.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod caller;
#[path = "http2/wire.rs"]
mod http2;
#[path = "overload/load.rs"]
mod load;
#[path = "../tests/kill/process.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod process;
#[path = "overload/report.rs"]
mod report;
#[path = "overload/server.rs"]
mod server;
#[path = "overload/wire.rs"]
mod wire;

use std::time::Duration;

use load::{DEADLINE, Load, Then, run};
use report::Report;
use server::{Server, check, create, memory, question};
use wire::Requests;

/// How much more is asked than can be answered.
const TIMES: f64 = 4.0;
/// How long a rate is tried.
const TRY: Duration = Duration::from_secs(4);
/// How much more than at rest is tried first.
const FIRST: f64 = 4.0;
/// How much more is tried next.
const STEP: f64 = 1.3;
/// A higher rate is tried where this part of one was answered in time.
const ANSWERED: f64 = 0.75;
/// How often the rate is tried at which most was answered: the median counts.
const TRIES: usize = 3;
/// How long answers are watched after the overload.
const AFTER: Duration = Duration::from_secs(10);
/// Keys that are asked about: of known ones few, of others more than memory has room for.
const KNOWN: usize = 1_000;
const UNKNOWN: usize = 20_000;

/// Changes in a second with which nothing waits for anything.
const CALM_CHANGES: f64 = 50.0;

const INTROSPECT: &str = "/keyward.v1.Introspect/Introspect";
const CREATE: &str = "/keyward.v1.KeyAdmin/CreateKey";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

struct Asked {
    seconds: u64,
    connections: usize,
    /// `server.open_calls_target`, where it is to be another.
    open_calls: Option<String>,
    only: Option<String>,
    file: Option<String>,
}

fn main() -> std::process::ExitCode {
    let mut asked =
        Asked { seconds: 60, connections: 32, open_calls: None, only: None, file: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--json" => asked.file = arguments.next(),
            "--open-calls" => asked.open_calls = arguments.next(),
            "--only" => asked.only = arguments.next(),
            "--seconds" => asked.seconds = arguments.next().unwrap().parse().unwrap(),
            "--connections" => asked.connections = arguments.next().unwrap().parse().unwrap(),
            // What `cargo bench` says of itself.
            "--bench" => {}
            unknown => panic!("what is {unknown}?"),
        }
    }
    let wants = |name: &str| asked.only.as_deref().is_none_or(|only| name == only);
    let setting = asked.open_calls.as_deref().map(|calls| ("server.open_calls_target", calls));
    let usual: Vec<_> = setting.into_iter().collect();
    let small = [&usual[..], &[("cache.max_bytes", "1048576")]].concat();
    let mut report = Report::default();
    for (name, connections) in [("introspect", asked.connections), ("introspect_256", 256)] {
        if wants(name) {
            let bench = Bench::new(KNOWN, &usual, connections, 2_000.0);
            bench.overload(name, INTROSPECT, &asked, &mut report);
        }
    }
    if wants("create") {
        let bench = Bench::new(1, &usual, asked.connections, CALM_CHANGES);
        bench.overload("create", CREATE, &asked, &mut report);
    }
    if wants("unknown") {
        let bench = Bench::new(UNKNOWN, &small, asked.connections, 250.0);
        bench.overload("unknown", INTROSPECT, &asked, &mut report);
    }
    if wants("beside") {
        let bench = Bench::new(KNOWN, &usual, asked.connections, 2_000.0);
        bench.beside(&asked, &mut report);
    }
    report.end(asked.file.as_deref())
}

struct Bench {
    server: Server,
    secrets: Vec<String>,
    connections: usize,
    /// A rate at which nothing waits for anything, in a second.
    calm: f64,
}

impl Bench {
    fn new(keys: usize, settings: &[(&str, &str)], connections: usize, calm: f64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (server, secrets) = runtime.block_on(Server::start(keys, settings));
        Self { server, secrets, connections, calm }
    }

    fn load(&self, path: &str, connections: usize) -> Load {
        let messages = match path {
            CREATE => vec![create()],
            HEALTH => vec![check()],
            _ => self.secrets.iter().map(|secret| question(secret)).collect(),
        };
        let requests = Requests::new(path, &self.server.secret, DEADLINE, messages);
        Load::new(self.server.address(), connections, requests)
    }

    /// The answers in time of a rate that is offered, in a second, and how busy the client was.
    fn offered(&self, load: &mut Load, rate: f64) -> (f64, f64) {
        load.at(rate);
        let watched = run(&mut [&mut *load], TRY, self.server.id(), Then::Wait);
        let (good, busy) = (load.seen.goodput(), watched.busy);
        let ends = &load.seen.ends;
        println!("  {rate:.0}/s offered: {good:.0}/s in time, {ends:?}, client busy {busy:.2}");
        (good, busy)
    }

    /// The answers in time, in a second, at the rate at which they are the most: some tries of it, in order, and how
    /// busy the client was at the most.
    fn peak(&self, load: &mut Load, calm: f64) -> (Vec<f64>, f64) {
        let (mut best, mut rate, mut busy_max) = ((0.0_f64, 0.0), FIRST * calm, 0.0_f64);
        loop {
            // Twice, for the machine may have paused.
            let first = self.offered(load, rate);
            let enough = first.0 >= ANSWERED * rate;
            let second = if enough { first } else { self.offered(load, rate) };
            let (good, busy) = if second.0 > first.0 { second } else { first };
            if good > best.0 {
                (best, busy_max) = ((good, rate), busy);
            }
            if good < ANSWERED * rate {
                break;
            }
            rate *= STEP;
        }
        let mut tries = vec![best.0];
        for _ in 1..TRIES {
            let (good, busy) = self.offered(load, best.1);
            tries.push(good);
            busy_max = busy_max.max(busy);
        }
        tries.sort_by(f64::total_cmp);
        (tries, busy_max)
    }

    fn overload(&self, name: &str, path: &str, asked: &Asked, report: &mut Report) {
        println!("{name}: server alone on its processor: {}", self.server.is_alone);
        let mut load = self.load(path, self.connections);
        let mut health = self.load(HEALTH, 1);
        load.at(self.calm);
        run(&mut [&mut load], TRY, self.server.id(), Then::Wait);
        load.at(self.calm);
        run(&mut [&mut load], TRY, self.server.id(), Then::Wait);
        let calm = [load.seen.quantile(0.5), load.seen.quantile(0.99)];
        let before = memory(self.server.id());
        let (tries, busy) = self.peak(&mut load, self.calm);
        let peak = tries[TRIES / 2];
        report.peak(name, &tries);
        report.can_tell(name, self.server.is_alone, busy);
        load.at(TIMES * peak);
        health.at(20.0);
        let time = Duration::from_secs(asked.seconds);
        let watched = run(&mut [&mut load, &mut health], time, self.server.id(), Then::GoOn);
        let under = std::mem::take(&mut load.seen);
        load.at(self.calm);
        run(&mut [&mut load], AFTER, self.server.id(), Then::Wait);
        let after = memory(self.server.id());
        let memory = [before, watched.memory_max, after];
        report.overload(name, (peak, calm), &under, watched, memory, &load.seen);
        report.health(name, &health.seen);
    }

    /// Each kind at a quarter of what it can, beside four times of what the other can.
    fn beside(&self, asked: &Asked, report: &mut Report) {
        let mut questions = self.load(INTROSPECT, self.connections);
        let mut changes = self.load(CREATE, self.connections);
        let mut health = self.load(HEALTH, 1);
        let most_questions = self.peak(&mut questions, self.calm).0[TRIES / 2];
        let most_changes = self.peak(&mut changes, CALM_CHANGES).0[TRIES / 2];
        let time = Duration::from_secs(asked.seconds);
        for (name, of_questions, of_changes) in
            [("questions_beside_changes", 0.25, TIMES), ("changes_beside_questions", TIMES, 0.25)]
        {
            questions.at(of_questions * most_questions);
            changes.at(of_changes * most_changes);
            health.at(20.0);
            let all = &mut [&mut questions, &mut changes, &mut health];
            run(all, time, self.server.id(), Then::Wait);
            let few = if of_questions < 1.0 { &questions.seen } else { &changes.seen };
            report.beside(name, few);
            report.health(name, &health.seen);
        }
    }
}

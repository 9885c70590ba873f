//! What all measurements have in common.

use std::{fs, path::Path, time::Duration};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{
    cases::{BATCH, Case, batch},
    drive::{Lasts, Load, drive},
    figures::{Figures, line},
    keys::Deployment,
    questions::Spread,
    servers::{Server, free_addresses},
    stock,
    tally::Outcome,
};

/// Servers run here, and the load comes from there.
pub(crate) const SERVER_CORE: &str = "0";
pub(crate) const LOAD_CORE: usize = 1;

/// Who answers less than this part of what is asked does not keep up with it.
const KEPT_UP: f64 = 0.95;

/// How much is measured.
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// For how long in each.
    pub(crate) measured: Duration,
    /// Keys of which as many are in a database as are in memory.
    pub(crate) few: usize,
    pub(crate) keys: usize,
    /// Keys that are more than memory is given room for; it has room for as many as `keys`.
    pub(crate) many: usize,
    /// Connections, and calls in flight on each, beside those of all else.
    pub(crate) shapes: &'static [(usize, usize)],
}

impl Size {
    pub(crate) fn whole() -> Self {
        let measured = Duration::from_secs(3);
        Self {
            rounds: 5,
            measured,
            few: 10_000,
            keys: 100_000,
            many: 1_000_000,
            shapes: &[(1, 1), (1, 100), (64, 4), (256, 1)],
        }
    }

    pub(crate) fn quick() -> Self {
        let measured = Duration::from_millis(400);
        Self {
            rounds: 3,
            measured,
            few: 2_000,
            keys: 10_000,
            many: 50_000,
            shapes: &[(1, 1), (1, 100)],
        }
    }
}

/// What is measured and what came of it.
pub(crate) struct Bench {
    pub(crate) size: Size,
    pub(crate) figures: Figures,
}

impl Bench {
    /// So many questions in flight on so many connections.
    pub(crate) fn load(&self, connections: usize, in_flight: usize) -> Load {
        let measured = self.size.measured;
        let lasts = Lasts::Time(measured);
        Load { connections, in_flight, rate: None, warm_up: measured / 4, lasts }
    }

    /// As much as the server takes.
    pub(crate) fn run(&self, server: &Server, case: &mut Case) -> Outcome {
        let outcome = drive(server, case, self.load(8, 16));
        println!("{}", line(case.name, &outcome, true));
        outcome
    }

    /// So much in a second.
    pub(crate) fn run_at(&self, server: &Server, case: &mut Case, rate: f64) -> Outcome {
        let load = Load { rate: Some(rate), ..self.load(8, 16) };
        let outcome = told(&format!("  at {rate:.0}/s"), drive(server, case, load));
        if outcome.rate < rate * KEPT_UP {
            println!("  IT DOES NOT KEEP UP");
        }
        outcome
    }
}

/// Asks so many questions, which are not measured.
pub(crate) fn ask(server: &Server, case: &mut Case, count: usize) {
    // As many as are looked up at once.
    ask_over(server, case, count, 8);
}

fn ask_over(server: &Server, case: &mut Case, count: usize, connections: usize) {
    let lasts = Lasts::Answers(u64::try_from(count).unwrap());
    let (in_flight, warm_up) = (connections, Duration::ZERO);
    drive(server, case, Load { connections, in_flight, rate: None, warm_up, lasts });
}

/// Has all keys looked up, so that what memory has room for is in it.
pub(crate) fn fill(server: &Server, of: &Deployment) {
    let mut all = batch("all keys", of, Spread::Once);
    ask_over(server, &mut all, of.secrets.len().div_ceil(BATCH), 1);
}

/// Prints what came of a run that was not to take all that the server has.
pub(crate) fn told(name: &str, outcome: Outcome) -> Outcome {
    println!("{}", line(name, &outcome, false));
    outcome
}

/// Starts what everybody ships.
pub(crate) fn stock() -> Server {
    start(&[&stock::program().display().to_string()], SERVER_CORE)
}

/// The same with a worker for each processor of the machine, as it has where it is not kept on one of them.
pub(crate) fn stock_of_all_workers() -> Server {
    // Not what this process is kept on.
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
    let processors = processors.lines().filter(|line| line.starts_with("processor")).count();
    let workers = format!("TOKIO_WORKER_THREADS={processors}");
    start(&["env", &workers, &stock::program().display().to_string()], SERVER_CORE)
}

/// Starts this program as another server than ours.
pub(crate) fn other(kind: &str, cores: &str) -> Server {
    let program = std::env::current_exe().unwrap().display().to_string();
    start(&[&program, kind], cores)
}

fn start(program: &[&str], cores: &str) -> Server {
    let [address] = free_addresses();
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other.log");
    let listens = address.to_string();
    let program = [program, &[&*listens]].concat();
    Server::start(&program, &[], (address, address), cores, &log)
}

/// Keeps this thread on these cores.
pub(crate) fn stay_on(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(None, &set).unwrap();
}

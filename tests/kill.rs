//! The program is killed in the midst of changes, again and again, on one database:
//! what was acknowledged is there, what was not is there whole or not at all, and the
//! log has neither gap nor break.
//!
//! SIGKILL ends the process, not the machine: the loss of power is for the disk and for
//! SQLite's `synchronous = FULL` or PostgreSQL's `synchronous_commit = on` to bear, and is
//! not shown here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "kill/audit.rs"]
mod audit;
#[path = "kill/caller.rs"]
mod caller;
#[path = "kill/clients.rs"]
mod clients;
#[path = "kill/doctored.rs"]
mod doctored;
#[path = "postgres/database.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod fresh;
#[path = "kill/ledger.rs"]
mod ledger;
#[path = "kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "kill/random.rs"]
mod random;

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc;

use audit::Since;
use caller::Caller;
use clients::{Client, Shared};
use ledger::{Figures, Ledger, broken_links};
use process::{Deployment, Serving};
use random::{Random, seed};

const ROUNDS: usize = 50;
const ROUNDS_ON_POSTGRES: usize = 20;
const CLIENTS: usize = 4;
/// After at most this many acknowledgements of a round the process is killed.
const ACKNOWLEDGED_MAX: usize = 24;
/// And after at most this many introspections more, so that the kill does not always
/// meet the changes at the same point.
const READS_MAX: usize = 6;

struct Run {
    deployment: Deployment,
    root_secret: String,
    ledger: Shared,
    random: Random,
    since: Since,
    total: Figures,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill() {
    survive(Deployment::new(&[("log.level", "warn")]), ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_on_postgres() {
    let database = fresh::Fresh::new().await;
    let settings = [
        ("log.level", "warn"),
        ("database.url", &*database.url()),
        ("database.migrate_on_start", "true"),
    ];
    survive(Deployment::new(&settings), ROUNDS_ON_POSTGRES).await;
}

async fn survive(deployment: Deployment, rounds: usize) {
    let seed = seed("kill");
    let root_secret = deployment.bootstrap();
    let mut serving = deployment.serve().await;
    let mut root = Caller::connect(serving.address, &root_secret).await;
    let built_in = audit::events(&mut root, &Since::default()).await;
    let ledger = Arc::new(Mutex::new(Ledger::new(built_in.len() as i64)));
    let since = Since { revision: built_in.len() as i64, time: None };
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|number| Client::new(number, seed, Arc::clone(&ledger))).collect();
    for client in &mut clients {
        client.prepare(&mut root).await;
    }
    let random = Random::new(!seed);
    let mut run = Run { deployment, root_secret, ledger, random, since, total: Figures::default() };
    for round in 0..rounds {
        clients = run.disturb(&mut serving, clients).await;
        serving = run.deployment.serve().await;
        let faults = run.audit(&serving).await;
        assert!(faults.is_empty(), "round {round}:\n{}", faults.join("\n"));
    }
    run.conclude(serving, rounds).await;
}

impl Run {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Lets the clients make changes, and kills the program.
    async fn disturb(&mut self, serving: &mut Serving, clients: Vec<Client>) -> Vec<Client> {
        let (told, mut acknowledgements) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for mut client in clients {
            let caller = Caller::connect(serving.address, &self.root_secret).await;
            let told = told.clone();
            tasks.push(tokio::spawn(async move {
                client.run(caller, told).await;
                client
            }));
        }
        drop(told);
        let mut root = Caller::connect(serving.address, &self.root_secret).await;
        for _ in 0..=self.random.below(ACKNOWLEDGED_MAX) {
            acknowledgements.recv().await.unwrap();
        }
        for _ in 0..self.random.below(READS_MAX + 1) {
            root.introspect.introspect(keyward::proto::IntrospectRequest::default()).await.unwrap();
        }
        serving.kill();
        let mut clients = Vec::new();
        for task in tasks {
            clients.push(task.await.unwrap());
        }
        clients
    }

    /// What the database says otherwise than the clients.
    async fn audit(&mut self, serving: &Serving) -> Vec<String> {
        let mut root = Caller::connect(serving.address, &self.root_secret).await;
        let events = audit::events(&mut root, &self.since).await;
        let settled = self.ledger().settle(&events);
        let figures = match settled {
            Ok(figures) => figures,
            Err(faults) => return faults,
        };
        self.total.acknowledged += figures.acknowledged;
        self.total.done += figures.done;
        self.total.not_done += figures.not_done;
        let ledger = self.ledger().clone();
        let mut faults = ledger.compare(&audit::records(&mut root, CLIENTS).await);
        let answers = audit::answers(&mut root, &ledger, self.since.revision).await;
        faults.extend(ledger.examine(&answers));
        faults.extend(audit::read_back(&mut root, &ledger, self.since.revision).await);
        let last = events.last().and_then(|event| event.create_time);
        self.since = Since { revision: ledger.head(), time: last.or(self.since.time) };
        faults
    }

    /// Looks at everything once more, and at the log as a whole.
    async fn conclude(&mut self, mut serving: Serving, rounds: usize) {
        let mut root = Caller::connect(serving.address, &self.root_secret).await;
        let events = audit::events(&mut root, &Since::default()).await;
        let revisions: Vec<i64> = events.iter().map(|event| event.revision).collect();
        assert_eq!(revisions, (1..=self.ledger().head()).collect::<Vec<_>>());
        assert_eq!(broken_links(&events), [0; 0]);
        let ledger = self.ledger().clone();
        let answers = audit::answers(&mut root, &ledger, 0).await;
        assert_eq!(ledger.examine(&answers), [""; 0]);
        serving.kill();
        let verified = self.deployment.run(&["events", "verify"]);
        let said = String::from_utf8(verified.stdout).unwrap();
        assert!(verified.status.success(), "{said}");
        assert!(said.starts_with(&format!("{} events, unbroken.", events.len())), "{said}");
        let Figures { acknowledged, done, not_done } = self.total;
        println!(
            "kill: {rounds} rounds, {acknowledged} changes acknowledged and none lost, {} not \
             answered: {done} of them done whole, {not_done} not at all; {} secrets asked about",
            done + not_done,
            answers.len(),
        );
        assert!(acknowledged >= rounds, "hardly anything was done");
    }
}

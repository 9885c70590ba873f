//! What is between a process and the database: messages that are late, lost, or carried out
//! long after who sent them has given up; and a process that is stopped or killed.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use keyward::domain::{
    ports::StoreError,
    replica::{Doorbell, Durability, Member, Position, Renewal, Row, SharedLog, Stopwatch, Terms},
    time::{Moment, Timestamp},
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{database::Database, dice::Dice};

/// After what time a statement is given up.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// What all processes share.
pub(crate) struct Server {
    pub(crate) database: Mutex<Database>,
    /// How many commits there were: each rings.
    pub(crate) rings: watch::Sender<u64>,
    pub(crate) begun: Instant,
}

impl Server {
    pub(crate) fn new() -> Arc<Self> {
        let (database, rings) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { database, rings, begun: Instant::now() })
    }

    fn time(&self) -> Timestamp {
        let since = self.begun.elapsed().as_micros();
        Timestamp::from_micros(EPOCH + i64::try_from(since).unwrap())
    }
}

/// When it is by the database that a simulation begins.
pub(crate) const EPOCH: i64 = 1_000_000_000_000_000;

/// How messages fare, in percent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weather {
    /// For so long each is kept on its way to the server, beside.
    pub(crate) hold: Duration,
    /// The standby is behind.
    pub(crate) lag: u64,
    pub(crate) lost_there: u64,
    pub(crate) lost_back: u64,
    pub(crate) late: u64,
    pub(crate) rings_lost: u64,
}

/// What becomes of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Runs,
    Stopped,
    Killed,
}

/// The clock of a machine, and how fast it goes.
#[derive(Clone, Copy)]
pub(crate) struct Skewed {
    begun: Instant,
    ahead: Duration,
    percent: u32,
}

impl Skewed {
    pub(crate) fn new(ahead: Duration, percent: u32) -> Self {
        Self { begun: Instant::now(), ahead, percent }
    }
}

impl Stopwatch for Skewed {
    fn now(&self) -> Moment {
        Moment::from_start(self.ahead + self.begun.elapsed() * self.percent / 100)
    }
}

/// A process, as it is connected to the server.
pub(crate) struct Link {
    pub(crate) server: Arc<Server>,
    pub(crate) process: watch::Sender<Process>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    dice: Dice,
}

fn lost() -> StoreError {
    StoreError::Unavailable("lost".into())
}

impl Link {
    pub(crate) fn new(server: &Arc<Server>, dice: Dice) -> Arc<Self> {
        let (process, weather) = (watch::Sender::new(Process::Runs), Arc::default());
        Arc::new(Self { server: Arc::clone(server), process, weather, dice })
    }

    /// Returns when the process runs.
    pub(crate) async fn runs(&self) {
        let mut process = self.process.subscribe();
        // It cannot fail: the sender is here.
        process.wait_for(|process| *process == Process::Runs).await.unwrap();
        drop(process);
    }

    fn delay(&self, weather: Weather) -> Duration {
        if self.dice.percent(weather.late) {
            self.dice.millis(50, 3_000)
        } else {
            self.dice.millis(0, 4)
        }
    }

    /// Has a statement carried out, whatever becomes of who sent it.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&mut Database, Timestamp) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.send(false, |_| (), |database, time, ()| statement(database, time)).await
    }

    /// As [`Self::ask`], of one that writes: its reply is sent when the standby has it.
    pub(crate) async fn write<S: Send + 'static, T: Send + 'static>(
        &self,
        snapshot: impl FnOnce(&Database) -> S + Send + 'static,
        statement: impl FnOnce(&mut Database, Timestamp, S) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.send(true, snapshot, statement).await
    }

    async fn send<S: Send + 'static, T: Send + 'static>(
        &self,
        is_write: bool,
        snapshot: impl FnOnce(&Database) -> S + Send + 'static,
        statement: impl FnOnce(&mut Database, Timestamp, S) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.runs().await;
        let weather = *self.weather.lock().unwrap();
        let (there, back) = (weather.hold + self.delay(weather), self.delay(weather));
        let (is_sent, is_heard) =
            (!self.dice.percent(weather.lost_there), !self.dice.percent(weather.lost_back));
        // Between the snapshot and what is visible, and from there to the standby.
        let within = if is_write { self.dice.millis(0, 3) } else { Duration::ZERO };
        let to_standby = if self.dice.percent(weather.lag) {
            self.dice.millis(0, 300)
        } else {
            self.dice.millis(0, 2)
        };
        let (tell, told) = oneshot::channel();
        let (server, sky) = (Arc::clone(&self.server), Arc::clone(&self.weather));
        tokio::spawn(async move {
            tokio::time::sleep(there).await;
            // What is on its way is lost as well when everything is.
            if !is_sent || sky.lock().unwrap().lost_there == 100 {
                return pending().await;
            }
            let seen = {
                let database = server.database.lock().unwrap();
                if database.is_down {
                    return;
                }
                snapshot(&database)
            };
            tokio::time::sleep(within).await;
            let (answer, write) = {
                let mut database = server.database.lock().unwrap();
                if database.is_down {
                    return;
                }
                let write = if is_write { database.write() } else { database.newest() };
                (statement(&mut database, server.time(), seen), write)
            };
            if is_write {
                tokio::time::sleep(to_standby).await;
                if !server.database.lock().unwrap().settle(write) {
                    return;
                }
            }
            // Nothing can be seen before the standby has it.
            loop {
                let is_settled = server.database.lock().unwrap().is_settled(write);
                match is_settled {
                    Some(true) => break,
                    Some(false) => tokio::time::sleep(Duration::from_millis(1)).await,
                    None => return,
                }
            }
            tokio::time::sleep(back).await;
            if !is_heard {
                return pending().await;
            }
            _ = tell.send(answer);
        });
        let answer = tokio::time::timeout(LIMIT, told).await;
        self.runs().await;
        answer.map_err(|_| lost())?.map_err(|_| lost())
    }
}

#[async_trait]
impl SharedLog for Link {
    async fn join(&self, member: &Member, terms: Terms) -> Result<Position, StoreError> {
        let member = member.clone();
        let joined = self.write(Database::head, move |database, _, head| {
            database.join(&member, terms, head).then_some(head)
        });
        joined.await?.ok_or_else(lost)
    }

    async fn renew(&self, member: &Member, applied: Position) -> Result<Renewal, StoreError> {
        let member = member.clone();
        self.write(|_| (), move |database, time, ()| database.renew(&member, applied, time)).await
    }

    async fn leave(&self, member: &Member) -> Result<(), StoreError> {
        let member = member.clone();
        self.write(|_| (), move |database, _, ()| database.leave(&member)).await
    }

    async fn rows(&self) -> Result<Vec<Row>, StoreError> {
        self.ask(|database, _| {
            database.looks += 1;
            database.rows()
        })
        .await
    }

    async fn evict(&self, row: &Row) -> Result<bool, StoreError> {
        let row = row.clone();
        self.write(|_| (), move |database, _, ()| database.evict(&row)).await
    }

    async fn durability(&self) -> Result<Durability, StoreError> {
        self.ask(|_, _| Durability { on_disk: true, standbys: 1, synchronous: true }).await
    }

    async fn doorbell(&self) -> Result<Box<dyn Doorbell>, StoreError> {
        let server = Arc::clone(&self.server);
        let rings = self.ask(move |_, _| server.rings.subscribe()).await?;
        let weather = *self.weather.lock().unwrap();
        let process = self.process.subscribe();
        Ok(Box::new(Bell { rings, process, dice: self.dice.fork(), lost: weather.rings_lost }))
    }
}

struct Bell {
    rings: watch::Receiver<u64>,
    process: watch::Receiver<Process>,
    dice: Dice,
    lost: u64,
}

#[async_trait]
impl Doorbell for Bell {
    async fn ring(&mut self) -> Result<(), StoreError> {
        loop {
            self.rings.changed().await.map_err(|_| lost())?;
            tokio::time::sleep(self.dice.millis(0, 3)).await;
            let runs = self.process.wait_for(|process| *process == Process::Runs).await;
            runs.map_err(|_| lost())?;
            if self.dice.percent(self.lost / 10) {
                return Err(lost());
            }
            if !self.dice.percent(self.lost) {
                return Ok(());
            }
        }
    }
}

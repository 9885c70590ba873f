//! What goes wrong on purpose. The numbers are those of the list that the replicas were
//! designed by.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    asking::ask, changing::Changer, cluster::Cluster, pace::Pace, tally::Tally, world::Key,
};

#[path = "faults/commits.rs"]
mod commits;
#[path = "faults/database.rs"]
mod database;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/processes.rs"]
mod processes;
#[path = "faults/suspended.rs"]
mod suspended;

/// Keys that are changed while a replica is not there.
const KEYS: usize = 4;
/// More than anything takes to show that was done on purpose, on a machine that is busy.
pub(crate) const SHOWN_WITHIN: Duration = Duration::from_secs(20);

/// One way to break something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Stopped,
    Killed,
    CutOff,
    Deaf,
    Mute,
    Reset,
    Slow,
    LastLate,
    HalfOpenListener,
    CommitDelayed,
    CommitCut,
    DatabaseKilled,
    FailedOver,
    ListenersKilled,
    FillDelayed,
    RollingRestart,
    Suspended,
    WriterKilled,
}

/// Whether it took effect.
pub(crate) type Effect = Result<(), String>;

/// Where faults strike.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) pace: &'a Pace,
    pub(crate) cluster: &'a Arc<Cluster>,
    pub(crate) tally: &'a Arc<Tally>,
}

/// What faults change on their own account.
pub(crate) struct Stage {
    pub(crate) changer: Changer,
    /// Keys to be asked about once more when all is as before.
    pub(crate) again: Vec<Arc<Key>>,
    /// The one who suspends the workspace of many keys.
    hot: Changer,
}

impl Fault {
    pub(crate) const ALL: [Self; 18] = [
        Self::Stopped,
        Self::Killed,
        Self::CutOff,
        Self::Deaf,
        Self::Mute,
        Self::Reset,
        Self::Slow,
        Self::LastLate,
        Self::HalfOpenListener,
        Self::CommitDelayed,
        Self::CommitCut,
        Self::DatabaseKilled,
        Self::FailedOver,
        Self::ListenersKilled,
        Self::FillDelayed,
        Self::RollingRestart,
        Self::Suspended,
        Self::WriterKilled,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stopped => "F1 replica stopped",
            Self::Killed => "F2 replica killed",
            Self::CutOff => "F3 nothing comes through",
            Self::Deaf => "F3 only what it sends comes through",
            Self::Mute => "F3 only replies come through",
            Self::Reset => "F3 connections reset",
            Self::Slow => "F3 replies slow",
            Self::LastLate => "F3 last reply late",
            Self::HalfOpenListener => "F3 listener half open",
            Self::CommitDelayed => "F4 answer of a commit delayed",
            Self::CommitCut => "F4 answer of a commit lost",
            Self::DatabaseKilled => "F5 database killed",
            Self::FailedOver => "F6 standby promoted",
            Self::ListenersKilled => "F7 listeners killed",
            Self::FillDelayed => "F8 fill delayed across a revocation",
            Self::RollingRestart => "F10 rolling restart",
            Self::Suspended => "F12 workspace of hot keys suspended",
            Self::WriterKilled => "F13 writer killed between commit and return",
        }
    }

    /// All of a number, such as `F3`, or the one of this name; `none`: none.
    pub(crate) fn named(number: &str) -> Vec<Self> {
        let of_number =
            |fault: &Self| fault.name().split(' ').next() == Some(number) || fault.name() == number;
        let found: Vec<_> = Self::ALL.into_iter().filter(of_number).collect();
        assert!(!found.is_empty() || number == "none", "there is no fault {number:?}");
        found
    }

    /// Does it, and undoes it.
    pub(crate) async fn strike(
        self,
        place: Place<'_>,
        stage: &mut Stage,
        replica: usize,
    ) -> Effect {
        match self {
            Self::Stopped => processes::stopped(place, stage, replica).await,
            Self::Killed => processes::killed(place, stage, replica).await,
            Self::RollingRestart => processes::rolling(place).await,
            Self::CutOff | Self::Deaf | Self::Mute | Self::HalfOpenListener => {
                network::held(self, place, stage, replica).await
            }
            Self::Slow => network::slow(place, stage, replica).await,
            Self::LastLate => network::last_late(place, stage, replica).await,
            Self::Reset => network::reset(place, stage, replica).await,
            Self::CommitDelayed => commits::delayed(place, stage, replica).await,
            Self::CommitCut => commits::cut(place, stage, replica).await,
            Self::WriterKilled => commits::writer_killed(place, stage, replica).await,
            Self::FillDelayed => commits::fill_delayed(place, stage, replica).await,
            Self::DatabaseKilled => database::killed(place).await,
            Self::FailedOver => database::failed_over(place, stage).await,
            Self::ListenersKilled => database::listeners_killed(place, stage).await,
            Self::Suspended => suspended::suspended(place, stage).await,
        }
    }
}

impl Stage {
    pub(crate) fn new(changer: Changer, hot: Changer) -> Self {
        Self { changer, again: Vec::new(), hot }
    }

    /// Keys that every replica knows well.
    async fn warm(&mut self, place: Place<'_>) -> Vec<Arc<Key>> {
        let mut keys = Vec::new();
        for _ in 0..KEYS {
            let key = self.changer.create(None).await;
            let secret = key.newest_secret();
            for replica in 0..crate::cluster::REPLICAS {
                for _ in 0..2 {
                    ask(place.cluster, place.tally, replica, &key, &secret).await;
                }
            }
            keys.push(key);
        }
        self.again.clone_from(&keys);
        keys
    }
}

/// A question to a replica that may not be there to answer it soon.
fn ask_later(place: Place<'_>, asking: &mut JoinSet<()>, replica: usize, key: &Arc<Key>) {
    let (cluster, tally) = (Arc::clone(place.cluster), Arc::clone(place.tally));
    let (key, secret) = (Arc::clone(key), key.newest_secret());
    asking.spawn(async move {
        ask(&cluster, &tally, replica, &key, &secret).await;
    });
}

/// One that is not this.
fn other_than(replica: usize) -> usize {
    (replica + 1) % crate::cluster::REPLICAS
}

fn effect(is_so: bool, otherwise: &str) -> Effect {
    is_so.then_some(()).ok_or_else(|| otherwise.to_owned())
}

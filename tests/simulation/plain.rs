//! What must be so without chance: who is waited for, and for how long.

use std::{sync::Arc, time::Duration};

use keyward::{domain::ports::StoreError, replica::Lease};
use tokio::time::{Instant, timeout};

use crate::{
    dice::Dice,
    link::{LIMIT, Process, Server, Weather},
    node::{INTERVAL, LEASE, Node, Setup},
    subject::{Subject, versions},
};

/// More than a change takes when all is well, and less than any time-out.
const SOON: Duration = Duration::from_millis(200);
const KEY: Subject = Subject::Key(1);

struct Three {
    server: Arc<Server>,
    nodes: [Arc<Node>; 3],
}

impl Three {
    async fn new(setup: Setup) -> Self {
        let (server, dice) = (Server::new(), Dice::new(1));
        let nodes = ["a", "b", "c"].map(|name| Node::start(&server, name, setup, dice.fork()));
        for node in &nodes {
            node.replica.until(true).await;
            node.ask(1).await.unwrap();
        }
        Self { server, nodes }
    }

    /// Makes a change; how long it took.
    async fn change(&self, node: usize, request: u64) -> Duration {
        let begun = Instant::now();
        self.nodes[node].change(KEY, request, None).await.unwrap();
        begun.elapsed()
    }

    /// By which change the key is as this replica tells it.
    async fn version(&self, node: usize) -> i64 {
        versions(&self.nodes[node].ask(1).await.unwrap().0)[0].1
    }

    fn weather(&self, node: usize, weather: Weather) {
        *self.nodes[node].link.weather.lock().unwrap() = weather;
    }

    fn rows(&self) -> usize {
        self.server.database.lock().unwrap().rows().len()
    }

    fn looks(&self) -> usize {
        self.server.database.lock().unwrap().looks
    }
}

/// Nothing that is sent arrives.
const CUT: Weather = Weather {
    hold: Duration::ZERO,
    lag: 0,
    lost_there: 100,
    lost_back: 0,
    late: 0,
    rings_lost: 100,
};

#[tokio::test(start_paused = true)]
async fn a_change_is_everywhere_soon_when_all_is_well_and_hits_ask_nobody() {
    let three = Three::new(Setup::PLAIN).await;
    for request in 1..20 {
        let took = three.change(0, request).await;
        assert!(took < SOON, "{took:?}");
        // The writer, who knew of it first, has it from the log as well.
        tokio::time::sleep(SOON).await;
        for node in 0..3 {
            assert_eq!(three.version(node).await, i64::try_from(request).unwrap());
            let loads = three.nodes[node].cache.counts().loads;
            three.version(node).await;
            assert_eq!(three.nodes[node].cache.counts().loads, loads);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_doorbell_a_change_waits_for_a_look_at_the_most() {
    let three = Three::new(Setup { doorbell: false, ..Setup::PLAIN }).await;
    for request in 1..5 {
        let took = three.change(0, request).await;
        assert!(took < INTERVAL + SOON, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_has_changed_itself_is_soon_in_memory_also_without_a_doorbell() {
    let three = Three::new(Setup { doorbell: false, ..Setup::PLAIN }).await;
    for request in 1..=5 {
        let at_once = Some(Duration::ZERO);
        let outcome = three.nodes[0].change(KEY, request, at_once).await;
        assert!(matches!(outcome, Err(StoreError::NotInForce { .. })), "{outcome:?}");
        tokio::time::sleep(SOON).await;
        three.version(0).await;
        let loads = three.nodes[0].cache.counts().loads;
        three.version(0).await;
        assert_eq!(three.nodes[0].cache.counts().loads, loads, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_together_is_known_at_once_where_it_was_changed() {
    let three = Three::new(Setup { doorbell: false, ..Setup::PLAIN }).await;
    let node = &three.nodes[0];
    let keys = [0, 1, 2];
    for key in keys {
        node.ask(key).await.unwrap();
        let loads = node.cache.counts().loads;
        node.ask(key).await.unwrap();
        assert_eq!(node.cache.counts().loads, loads, "it is in memory");
    }
    let last = node.commit_all(&keys.map(Subject::Key), 1).await.unwrap();
    assert_eq!(last.0, 3);
    assert_eq!(node.replica.status().applied.0, 0, "the log has not told it yet");
    for key in keys {
        let found = node.ask(key).await.unwrap().0;
        assert_eq!(versions(&found)[0].1, i64::try_from(key).unwrap() + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_together_is_waited_for_once_and_then_in_force_everywhere() {
    let three = Three::new(Setup::PLAIN).await;
    for node in &three.nodes {
        for key in [0, 1, 2] {
            node.ask(key).await.unwrap();
        }
    }
    let node = &three.nodes[0];
    // The log shows no more than three at a time: the last come with another look.
    let subjects = [Subject::Policy, Subject::Workspace, Subject::Key(0), KEY, Subject::Key(2)];
    let last = node.commit_all(&subjects, 1).await.unwrap();
    node.replica_in_force(last.0, LEASE).await.unwrap();
    for node in &three.nodes {
        for key in [0, 1, 2] {
            let found = node.ask(key).await.unwrap().0;
            assert_eq!(versions(&found)[0].1, i64::try_from(key).unwrap() + 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_elsewhere_waits_for_that_replica_as_well() {
    let three = Three::new(Setup { doorbell: false, ..Setup::PLAIN }).await;
    three.nodes[2].replica.leave().await;
    // It is made, and whoever made it does not wait.
    let at_once = Some(Duration::ZERO);
    let outcome = three.nodes[0].change(KEY, 1, at_once).await;
    assert!(matches!(outcome, Err(StoreError::NotInForce { .. })), "{outcome:?}");
    let took = three.change(1, 1).await;
    assert!(took < INTERVAL + SOON, "{took:?}");
    assert_eq!(three.version(1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_outcome_was_lost_is_known_here_when_it_is_asked_for_again() {
    let three = Three::new(Setup { doorbell: false, ..Setup::PLAIN }).await;
    three.weather(0, Weather { lost_back: 100, ..Weather::default() });
    let request = three.nodes[0].change(KEY, 1, None).await;
    assert!(matches!(request, Err(StoreError::Unavailable(_))), "{request:?}");
    three.weather(0, Weather::default());
    three.nodes[0].change(KEY, 1, None).await.unwrap();
    assert_eq!(three.version(0).await, three.version(1).await);
}

#[tokio::test(start_paused = true)]
async fn a_killed_replica_delays_one_change_and_is_evicted() {
    let three = Three::new(Setup::PLAIN).await;
    three.nodes[2].becomes(Process::Killed);
    let wait = Setup::PLAIN.terms().wait();
    assert_eq!(wait, LEASE * 5 / 4);
    let first = three.change(0, 1).await;
    assert!(first >= wait && first < wait + SOON, "{first:?}");
    assert_eq!(three.rows(), 2);
    let second = three.change(1, 2).await;
    assert!(second < SOON, "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_left_delays_nothing_and_answers_nothing() {
    let three = Three::new(Setup::PLAIN).await;
    three.nodes[2].replica.leave().await;
    assert_eq!(three.rows(), 2);
    assert!(three.nodes[2].ask(1).await.is_err());
    let took = three.change(0, 1).await;
    assert!(took < SOON, "{took:?}");
    assert!(timeout(LEASE, three.nodes[2].replica.until(true)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_nobody_holds_any_more_leaves_by_itself() {
    let three = Three::new(Setup::PLAIN).await;
    let Three { server, nodes: [one, _other, dropped] } = three;
    drop(dropped);
    tokio::time::sleep(SOON).await;
    assert_eq!(server.database.lock().unwrap().rows().len(), 2);
    let begun = Instant::now();
    one.change(KEY, 1, None).await.unwrap();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_cut_off_answers_for_as_long_as_writers_wait() {
    for stale in [Duration::ZERO, Duration::from_secs(3)] {
        let setup = Setup { stale, ..Setup::PLAIN };
        let three = Three::new(setup).await;
        three.weather(2, CUT);
        let cut = Instant::now();
        let (change, answers) = tokio::join!(three.change(0, 1), async {
            let mut answers = Vec::new();
            while let Ok((found, since)) = three.nodes[2].ask(1).await {
                answers.push((cut.elapsed(), versions(&found)[0].1, since));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            answers
        });
        assert!(change >= (LEASE + stale) * 5 / 4, "{change:?}");
        let (last, version, since) = answers.last().unwrap();
        assert_eq!(*version, 0);
        assert_eq!(since.is_some(), !stale.is_zero());
        assert!(*last <= LEASE + stale && *last >= LEASE + stale - INTERVAL - SOON, "{last:?}");
        let fresh = answers.iter().filter(|(_, _, since)| since.is_none()).count();
        let (fresh, _, _) = answers[fresh - 1];
        assert!(fresh <= LEASE && fresh >= LEASE - INTERVAL - SOON, "{fresh:?}");
        // It is let in again, and knows of the change.
        three.weather(2, Weather::default());
        timeout(LEASE, three.nodes[2].replica.until(true)).await.unwrap();
        assert_eq!(three.version(2).await, 1);
        assert_eq!(three.rows(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rows_are_read_while_somebody_waits_and_never_else() {
    let three = Three::new(Setup::PLAIN).await;
    three.change(0, 1).await;
    tokio::time::sleep(SOON).await;
    let looks = three.looks();
    tokio::time::sleep(10 * LEASE).await;
    assert_eq!(three.looks(), looks);
    three.change(0, 2).await;
    assert!(three.looks() > looks);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_was_given_up_and_comes_late_acknowledges_nothing() {
    let three = Three::new(Setup { doorbell: false, ..Setup::PLAIN }).await;
    let begun = Instant::now();
    let late =
        Node::start(&three.server, "d", Setup { doorbell: false, ..Setup::PLAIN }, Dice::new(2));
    let hold = LIMIT + INTERVAL / 2;
    *late.link.weather.lock().unwrap() = Weather { hold, ..Weather::default() };
    tokio::time::sleep(LIMIT / 2).await;
    *late.link.weather.lock().unwrap() = Weather::default();
    late.replica.until(true).await;
    late.ask(1).await.unwrap();
    assert!(begun.elapsed() < hold, "the first join is still on its way");
    three.change(0, 1).await;
    assert_eq!(versions(&late.ask(1).await.unwrap().0)[0].1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_cannot_wait_is_told_how_long_it_may_take() {
    let three = Three::new(Setup::PLAIN).await;
    three.nodes[2].becomes(Process::Killed);
    let wait = Setup::PLAIN.terms().wait();
    let patience = Duration::from_secs(1);
    let begun = Instant::now();
    let outcome = three.nodes[0].change(KEY, 1, Some(patience)).await;
    let Err(StoreError::NotInForce { within, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(begun.elapsed() < patience + SOON, "{:?}", begun.elapsed());
    assert!(within <= wait - patience + SOON && within >= wait - patience - SOON, "{within:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_read_the_rows_is_told_no_less_than_the_own_terms() {
    let three = Three::new(Setup::PLAIN).await;
    three.weather(0, Weather { lost_back: 100, ..Weather::default() });
    let outcome = three.nodes[0].replica_in_force(1, Duration::from_secs(1)).await;
    let Err(StoreError::NotInForce { within, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(within, Setup::PLAIN.terms().wait());
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_read_the_rows_waits_until_it_can() {
    let three = Three::new(Setup::PLAIN).await;
    three.weather(0, Weather { lost_back: 100, ..Weather::default() });
    let begun = Instant::now();
    let outage = 5 * LEASE;
    let (outcome, ()) = tokio::join!(three.nodes[0].replica_in_force(0, 10 * LEASE), async {
        tokio::time::sleep(outage).await;
        three.weather(0, Weather::default());
    });
    outcome.unwrap();
    assert!(begun.elapsed() >= outage && begun.elapsed() < outage + LIMIT + SOON);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_lease_is_told_when_it_comes() {
    let three = Three::new(Setup::PLAIN).await;
    three.weather(2, CUT);
    let begun = Instant::now();
    timeout(2 * LEASE, three.nodes[2].replica.until(false)).await.unwrap();
    let took = begun.elapsed();
    assert!(took <= LEASE + SOON && took >= LEASE - INTERVAL - SOON, "{took:?}");
    three.nodes[2].becomes(Process::Killed);
    // One that has ended may not answer, and never will.
    three.nodes[1].replica.leave().await;
    timeout(SOON, three.nodes[1].replica.until(false)).await.unwrap();
    assert!(timeout(LEASE, three.nodes[1].replica.until(true)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_replica_tells_how_it_is() {
    let three = Three::new(Setup::PLAIN).await;
    let status = three.nodes[0].replica.status();
    assert_eq!((status.id.as_str(), status.lease, status.durability), ("a", Lease::Valid, None));
    three.change(0, 1).await;
    let durability = three.nodes[0].replica.look().await.unwrap();
    assert!(durability.survives_fail_over());
    tokio::time::sleep(SOON).await;
    let status = three.nodes[0].replica.status();
    assert_eq!((status.applied.0, status.head.0, status.replicas), (1, 1, 3));
    assert!(status.lease_left > LEASE - INTERVAL - SOON && status.lease_left <= LEASE);
    assert_eq!(status.durability, Some(durability));
    three.weather(0, CUT);
    assert!(three.nodes[0].replica.look().await.is_err());
}

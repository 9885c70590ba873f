//! Whether the doorbell is alive.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use super::script::Script;
use crate::{domain::replica::SharedLog, replica::doorbell::listen};

const LONG: Duration = Duration::from_secs(60);

struct Listening {
    script: Arc<Script>,
    rung: Arc<Notify>,
    unrung: Arc<Notify>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Listening {
    async fn new() -> Self {
        let script = Arc::<Script>::default();
        let (rung, unrung) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let stop = CancellationToken::new();
        let log = Arc::clone(&script) as Arc<dyn SharedLog>;
        let listening = listen(log, Arc::clone(&rung), Arc::clone(&unrung), stop.clone());
        let task = tokio::spawn(listening);
        let listening = Self { script, rung, unrung, stop, task };
        // For what happened before it hung there.
        assert!(listening.rings().await);
        listening
    }

    fn hung(&self) -> usize {
        *self.script.hung.borrow()
    }

    fn ring(&self) {
        self.script.rings.send_modify(|rings| *rings += 1);
    }

    async fn rings(&self) -> bool {
        timeout(Duration::from_millis(1), self.rung.notified()).await.is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn rings_are_passed_on_until_the_end() {
    let listening = Listening::new().await;
    for _ in 0..3 {
        assert!(!listening.rings().await);
        listening.ring();
        assert!(listening.rings().await);
    }
    tokio::time::sleep(LONG).await;
    assert_eq!(listening.hung(), 1);
    listening.stop.cancel();
    listening.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_did_not_ring_for_a_change_is_replaced_and_one_that_rings_late_is_not() {
    let listening = Listening::new().await;
    listening.unrung.notify_one();
    tokio::time::sleep(Duration::from_millis(400)).await;
    listening.ring();
    assert!(listening.rings().await);
    tokio::time::sleep(LONG).await;
    assert_eq!(listening.hung(), 1);
    listening.unrung.notify_one();
    tokio::time::sleep(LONG).await;
    assert_eq!(listening.hung(), 2);
    assert!(listening.rings().await, "for what happened meanwhile");
    listening.ring();
    assert!(listening.rings().await);
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_while_there_was_none_says_nothing_of_the_next() {
    let listening = Listening::new().await;
    listening.unrung.notify_one();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(listening.hung(), 1);
    listening.unrung.notify_one();
    tokio::time::sleep(LONG).await;
    assert_eq!(listening.hung(), 2);
}

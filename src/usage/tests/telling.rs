//! What the log is told.

use std::{cell::RefCell, io, sync::Once};

use super::super::{Counted, flush};
use crate::domain::ports::StoreError;

thread_local! {
    /// What was told on this thread, on which one test runs.
    static TOLD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

static LISTENING: Once = Once::new();

struct Told;

impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TOLD.with_borrow_mut(|told| told.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is told from now on. For all threads at once: one that came later could miss what
/// others told before.
pub(super) fn listen() {
    LISTENING.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(|| Told)
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// What was told on this thread, line by line.
pub(super) fn told() -> Vec<String> {
    let text = TOLD.with_borrow(|told| String::from_utf8(told.clone()).unwrap());
    text.lines().map(|line| line.trim_start().chars().take(40).collect()).collect()
}

/// The lines of the log after each turn of the flusher.
fn lines(turns: Vec<(Result<(), StoreError>, Counted)>) -> Vec<String> {
    listen();
    let mut log = flush::Told::default();
    for (written, counted) in turns {
        log.tell(&written, counted);
    }
    told()
}

fn failed() -> Result<(), StoreError> {
    Err(StoreError::Unavailable("on purpose".into()))
}

/// After so many calls that had no room.
fn beyond(coarsened: u64, dropped: u64) -> Counted {
    Counted { coarsened, dropped, ..Counted::default() }
}

const FAILED: &str = "WARN what is counted cannot be written; ";
const FULL: &str = "WARN there is no room for more that is c";
const AGAIN: &str = "INFO what is counted is written again";

#[test]
fn a_failure_is_told_when_it_begins_and_when_it_is_over() {
    let none = beyond(0, 0);
    let turns = [Ok(()), failed(), failed(), Ok(()), Ok(()), failed()];
    let turns = turns.map(|written| (written, none)).into();
    assert_eq!(lines(turns), [FAILED, AGAIN, FAILED]);
}

#[test]
fn that_there_is_no_room_is_told_once_each_time_that_it_comes_to_be_so() {
    let full = vec![
        (Ok(()), beyond(0, 0)),
        (failed(), beyond(0, 0)),
        (failed(), beyond(1, 0)),
        (failed(), beyond(5, 0)),
        // Nothing was asked for a while, and it is full all the same.
        (failed(), beyond(5, 0)),
        (failed(), beyond(5, 1)),
        (Ok(()), beyond(5, 1)),
        (Ok(()), beyond(6, 1)),
    ];
    assert_eq!(lines(full), [FAILED, FULL, AGAIN, FULL]);
}

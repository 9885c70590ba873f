//! How many calls a new connection may have open.
//!
//! A call that waits on a front thread, for which nobody waits any more when its turn comes, is work for nobody; and to
//! refuse one costs nearly as much as to answer it. So all connections together are to have no more calls open than are
//! answered within a part of what callers wait. Clients keep the rest back, which costs the server nothing
//! (RFC 9113, section 5.1.2).

use crate::config::ServerSettings;

/// What every connection may have open, however many there are: a watch of health, some streams of questions, and
/// calls. Whoever reaches the port can open connections that ask nothing, and bring what others are granted down to
/// this: so it must do.
const STREAMS_MIN: u64 = 16;

/// How often a client may give up all that it has open before the server has seen any of it: where a machine stands
/// still, one does so once in each deadline.
const GIVEN_UP: usize = 4;

/// What a client of few streams may give up so all the same.
const GIVEN_UP_MIN: usize = 100;

/// What one connection is granted for all its life: its client is told when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    /// Calls open at once.
    pub(super) streams: u32,
    /// Calls opened and reset before the server has seen them; more is a flood (CVE-2023-44487).
    pub(super) pending_resets: usize,
}

impl Granted {
    /// A fair part of `server.open_calls_target` where `open` connections are open, this one included.
    pub(super) fn to_one_of(open: u64, settings: &ServerSettings) -> Self {
        let fair = settings.open_calls_target / open.max(1);
        let most = settings.max_concurrent_streams;
        let streams = u32::try_from(fair.max(STREAMS_MIN)).unwrap_or(most).min(most);
        let given_up = usize::try_from(streams).unwrap_or(usize::MAX).saturating_mul(GIVEN_UP);
        Self { streams, pending_resets: given_up.max(GIVEN_UP_MIN) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_concurrent_streams: u32, open_calls_target: u64) -> ServerSettings {
        ServerSettings { max_concurrent_streams, open_calls_target, ..ServerSettings::default() }
    }

    #[track_caller]
    fn check(open: u64, streams: u32, pending_resets: usize) {
        let granted = Granted::to_one_of(open, &settings(100, 2_000));
        assert_eq!(granted, Granted { streams, pending_resets }, "{open} are open");
    }

    #[test]
    fn a_connection_is_granted_its_part_of_what_all_may_have_open() {
        check(1, 100, 400);
        check(20, 100, 400);
        check(21, 95, 380);
        check(100, 20, 100);
        check(125, 16, 100);
        check(126, 16, 100);
        check(10_000, 16, 100);
        check(0, 100, 400);
    }

    #[test]
    fn the_bound_of_one_connection_is_never_passed() {
        assert_eq!(Granted::to_one_of(1, &settings(1, 2_000)).streams, 1);
        assert_eq!(Granted::to_one_of(1, &settings(100_000, u64::MAX)).streams, 100_000);
    }

    /// The sum over connections that come one after another, and none goes.
    #[test]
    fn all_connections_together_have_little_more_than_the_target() {
        let settings = settings(100, 2_048);
        let sum = |connections: u64| -> u64 {
            (1..=connections)
                .map(|open| u64::from(Granted::to_one_of(open, &settings).streams))
                .sum()
        };
        assert_eq!(sum(20), 2_000);
        assert!((2_900..3_100).contains(&sum(32)), "{}", sum(32));
        assert!((7_700..8_200).contains(&sum(256)), "{}", sum(256));
    }
}

//! Puts load on a server: as much as it takes, or so much in a second.

use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::{
    cases::Case,
    connection::Connection,
    questions::Questions,
    servers::Server,
    tally::{Outcome, Tally},
};

/// What is in flight at the end is waited for so long.
const LAST_WITHIN: Duration = Duration::from_secs(10);
/// Who waits for events looks at the clock this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How much load there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Questions in flight on each, at the most.
    pub(crate) in_flight: usize,
    /// Questions in a second. None: the next one follows an answer.
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) lasts: Lasts,
}

/// For how long it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lasts {
    Time(Duration),
    /// Until so many questions are answered, those of the warm-up too.
    Answers(u64),
}

/// Asks, on this thread alone, which does nothing else meanwhile.
pub(crate) fn drive(server: &Server, case: &mut Case, load: Load) -> Outcome {
    let mut poll = Poll::new().unwrap();
    let open =
        || Connection::open(server.address, server.tls.as_ref(), &case.asked, load.in_flight);
    let mut connections: Vec<_> = (0..load.connections).map(|_| open()).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let source = &mut connection.socket.tcp;
        poll.registry().register(source, Token(number), interest).unwrap();
    }
    let mut tally = Tally::new(server.cpu());
    let from = Instant::now() + load.warm_up;
    let mut schedule = load.rate.map(|rate| Schedule::new(rate, Instant::now()));
    let mut asks = Asks { questions: &mut case.questions, left: u64::MAX };
    if let Lasts::Answers(count) = load.lasts {
        asks.left = count;
    }
    let mut events = Events::with_capacity(1_024);
    // With a schedule, what was due and could not be asked yet waits for the next turn.
    connections.iter_mut().for_each(|one| asks.fill(one, schedule.is_some()));
    let mut over = None;
    loop {
        let now = Instant::now();
        if !tally.has_begun() && now >= from {
            tally.begin();
        }
        let is_over = over.is_some()
            || match load.lasts {
                Lasts::Time(measured) => now >= from + measured,
                Lasts::Answers(count) => tally.all() >= count && tally.has_begun(),
            };
        if is_over && over.is_none() {
            tally.end();
            asks.left = 0;
            over = Some(now);
        }
        if let Some(over) = over {
            if connections.iter().all(|one| one.in_flight == 0) {
                break;
            }
            assert!(now < over + LAST_WITHIN, "{}: questions are left without answer", case.name);
        }
        if let Some(schedule) = &mut schedule {
            schedule.ask(&mut connections, &mut asks);
        }
        // Who keeps a schedule does not sleep beyond it.
        let wait = if schedule.is_some() { Duration::ZERO } else { LOOK_EVERY };
        poll.poll(&mut events, Some(wait)).unwrap();
        for event in &events {
            let connection = &mut connections[event.token().0];
            if event.is_readable() {
                let mut now = None;
                connection.receive(|done| {
                    tally.count(done, *now.get_or_insert_with(Instant::now));
                });
            }
            asks.fill(connection, schedule.is_some());
        }
    }
    let outcome = tally.outcome();
    let bad = connections.iter().find_map(|one| one.bad.as_deref()).unwrap_or_default();
    assert!(outcome.bad == 0, "{}: {} answers are not good: {bad}", case.name, outcome.bad);
    outcome
}

/// What may be asked.
struct Asks<'a> {
    questions: &'a mut Questions,
    left: u64,
}

impl Asks<'_> {
    /// Asks one, where there is one and the connection takes it.
    fn one(&mut self, connection: &mut Connection, due: Instant) -> bool {
        let is_asked = self.left > 0 && connection.ask(self.questions.here(), due);
        if is_asked {
            self.left -= 1;
            self.questions.go_on();
        }
        is_asked
    }

    /// Asks as many as the connection takes, unless there is a schedule; and sends them.
    fn fill(&mut self, connection: &mut Connection, has_schedule: bool) {
        let now = Instant::now();
        while !has_schedule && self.one(connection, now) {}
        connection.flush();
    }
}

/// When questions are due.
struct Schedule {
    begun: Instant,
    rate: f64,
    asked: u64,
    /// Who is asked next.
    turn: usize,
}

impl Schedule {
    fn new(rate: f64, begun: Instant) -> Self {
        Self { begun, rate, asked: 0, turn: 0 }
    }

    /// Asks all that is due, where somebody takes it. What nobody takes stays due from its time on.
    fn ask(&mut self, connections: &mut [Connection], asks: &mut Asks<'_>) {
        let now = Instant::now();
        loop {
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
            let due = self.begun + Duration::from_secs_f64(self.asked as f64 / self.rate);
            let count = connections.len();
            let is_asked = due <= now
                && (1..=count).any(|next| {
                    let turn = (self.turn + next) % count;
                    let is_asked = asks.one(&mut connections[turn], due);
                    if is_asked {
                        self.turn = turn;
                    }
                    is_asked
                });
            if !is_asked {
                return connections.iter_mut().for_each(Connection::flush);
            }
            self.asked += 1;
        }
    }
}

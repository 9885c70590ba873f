//! What is broken next: a replica, what is around it, the database, or Redis.

use std::time::Duration;

use tokio::task::block_in_place;

use crate::{
    cluster::REPLICAS,
    faults::{Effect, Fault, SHOWN_WITHIN},
    load::World,
    random::Random,
    redis::Server,
    relay::Relay,
    until::until,
};

/// Something to be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    Replica(Fault),
    /// Redis ends, and begins anew with nothing.
    RedisKilled,
    /// Redis does not answer.
    RedisStopped,
    /// One replica does not reach it.
    RedisCutOff,
    /// The connections of one replica to it end.
    RedisReset,
}

/// All of them in an order by chance, then again.
pub(crate) struct Strikes {
    all: Vec<Strike>,
    left: Vec<Strike>,
}

const LIMITS_UP: &str = "keyward_limits_redis_up";

impl Strike {
    const OF_REDIS: [Self; 4] =
        [Self::RedisKilled, Self::RedisStopped, Self::RedisCutOff, Self::RedisReset];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Replica(fault) => fault.name(),
            Self::RedisKilled => "Redis killed and begun anew",
            Self::RedisStopped => "Redis stopped",
            Self::RedisCutOff => "nothing comes through to Redis",
            Self::RedisReset => "connections to Redis reset",
        }
    }

    /// Whether all processes are replaced.
    fn ends_all(self) -> bool {
        self == Self::Replica(Fault::RollingRestart)
    }

    /// Whether the process that is struck is gone after it, without a word.
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::Replica(Fault::Killed | Fault::WriterKilled))
    }

    /// Whether a replica may be without Redis meanwhile.
    pub(crate) fn touches_limits(self) -> bool {
        let stops = self == Self::Replica(Fault::Stopped);
        Self::OF_REDIS.contains(&self) || self.kills() || self.ends_all() || stops
    }
}

impl Strikes {
    pub(crate) fn all() -> Self {
        let of_replicas = Fault::ALL.into_iter().map(Strike::Replica);
        Self::of(of_replicas.chain(Strike::OF_REDIS).collect())
    }

    /// What each is called that comes in any third of a run.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::all().all.into_iter().filter(|strike| !strike.ends_all()).map(Strike::name)
    }

    /// Those that take little time.
    pub(crate) fn quick() -> Self {
        Self::of(vec![
            Strike::Replica(Fault::Killed),
            Strike::Replica(Fault::Reset),
            Strike::Replica(Fault::ListenersKilled),
            Strike::Replica(Fault::Slow),
            Strike::RedisKilled,
            Strike::RedisReset,
        ])
    }

    fn of(all: Vec<Strike>) -> Self {
        Self { all, left: Vec::new() }
    }

    /// The next one, and the replica that it strikes: never `lasting` where that would end it.
    pub(crate) fn next(&mut self, random: &mut Random, lasting: Option<usize>) -> (Strike, usize) {
        loop {
            if self.left.is_empty() {
                self.left.clone_from(&self.all);
            }
            let strike = self.left.swap_remove(random.below(self.left.len()));
            if strike.ends_all() && lasting.is_some() {
                continue;
            }
            let place = random.below(REPLICAS);
            let spared = lasting.filter(|lasting| strike.kills() && *lasting == place);
            let next = (place + 1 + random.below(REPLICAS - 1)) % REPLICAS;
            return (strike, if spared.is_some() { next } else { place });
        }
    }
}

/// Whether these replicas know whether Redis answers.
fn know(world: &World, replicas: &[usize], is_up: bool) -> bool {
    let wanted = Some(if is_up { 1.0 } else { 0.0 });
    replicas.iter().all(|replica| world.metric(*replica, LIMITS_UP) == wanted)
}

/// Waits until Redis counts for all.
pub(crate) async fn redis_counts(world: &World) -> bool {
    until(SHOWN_WITHIN, || know(world, &[0, 1, 2], true)).await
}

/// Breaks Redis, or the way to it, and mends it.
pub(crate) async fn strike_redis(
    strike: Strike,
    world: &World,
    redis: &Server,
    relays: &[Relay],
    replica: usize,
    outage: Duration,
) -> Effect {
    let ctl = |command: &str| drop(block_in_place(|| redis.ctl(command)));
    let relay = &relays[replica];
    let (affected, is_kept) = match strike {
        Strike::RedisKilled => {
            ctl("stop");
            (vec![0, 1, 2], true)
        }
        Strike::RedisStopped => {
            ctl("pause");
            (vec![0, 1, 2], true)
        }
        Strike::RedisCutOff => {
            relay.hold(true);
            (vec![replica], true)
        }
        _ => {
            if !relay.is_used() {
                return Err("there was no connection to Redis".to_owned());
            }
            relay.reset();
            (vec![replica], false)
        }
    };
    // After a reset it may be there again before anybody looks.
    let is_known = !is_kept || until(SHOWN_WITHIN, || know(world, &affected, false)).await;
    if is_kept {
        tokio::time::sleep(outage).await;
    }
    match strike {
        Strike::RedisKilled => ctl("start"),
        Strike::RedisStopped => ctl("resume"),
        Strike::RedisCutOff => {
            relay.hold(false);
            relay.reset();
        }
        _ => {}
    }
    let is_back = redis_counts(world).await;
    match (is_known, is_back) {
        (true, true) => Ok(()),
        (false, _) => Err("nobody saw that Redis was gone".to_owned()),
        (_, false) => Err("Redis was not used again".to_owned()),
    }
}

#[test]
fn all_faults_come_by_turns_and_none_ends_the_one_that_lasts() {
    let (mut strikes, mut random) = (Strikes::all(), Random::new(7));
    let mut seen: Vec<_> = (0..22).map(|_| strikes.next(&mut random, None).0.name()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 22);
    let mut others = [0; REPLICAS];
    for _ in 0..500 {
        let (strike, replica) = strikes.next(&mut random, Some(1));
        assert!(!(strike.ends_all() || strike.kills() && replica == 1));
        others[replica] += usize::from(strike.kills());
    }
    assert!(others[0] > 10 && others[2] > 10, "{others:?}");
}

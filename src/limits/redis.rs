//! Redis as the counter of all replicas.

mod current;

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, Script, ServerErrorKind,
    aio::MultiplexedConnection,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::current::Current;
use super::counter::{Batch, Counter, Gone, Order};

/// How long it is until the next attempt to reach it again.
const AGAIN: Duration = Duration::from_millis(250);
/// What the names of its entries begin with.
const PREFIX: &str = "keyward:limit:";

/// Gives a batch of a limit, by the time of Redis. The level is kept in millionths and falls
/// evenly; what cannot be said exactly is rounded so that less is given.
///
/// All numbers are doubles, which are exact up to 2⁵³, some 9 × 10¹⁵. Bursts are at most 10⁹, so
/// levels at most 10¹⁵; the time is 1.8 × 10¹⁵ µs. What has come back takes three roundings, each
/// by 2⁻⁵³ at the most: of what is less than the level, and so matters, they make up less than one
/// millionth, which is taken off.
const TAKE: &str = r"
local quota, window, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slack, least, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local kept = redis.call('HMGET', KEYS[1], 'used', 'at')
local used, at = tonumber(kept[1] or 0), tonumber(kept[2] or now)
if now > at then
  local back = math.floor((now - at) * quota / window * 1000000) - 1
  used = math.max(0, used - math.max(0, back))
end
local level = math.max(used, slack * 1000000)
local taken = math.min(most, math.floor((burst * 1000000 - level) / 1000000))
if taken < least then taken = 0 end
if taken > 0 then
  level = level + taken * 1000000
  used = level
end
-- A clock that was set back must not keep anything from coming back until then.
if taken > 0 or now < at then
  redis.call('HSET', KEYS[1], 'used', string.format('%.0f', used), 'at', string.format('%.0f', now))
  local micros = used * window / quota / 1000000
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(9e12, math.ceil(micros / 1000)) + 1000))
end
return {string.format('%.0f', taken), string.format('%.0f', level)}
";

/// It is no address of a Redis server. It is not repeated: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no address of a Redis server")]
pub struct InvalidUrl;

/// A Redis server, over one connection.
pub struct Redis {
    client: Client,
    config: AsyncConnectionConfig,
    script: Script,
    /// None: it does not answer.
    connection: Current<MultiplexedConnection>,
    lost: Notify,
    /// Whether it answered the last question with an error.
    refuses: AtomicBool,
}

impl Redis {
    /// The server at this address, which is reached once [`Redis::keep`] runs. An answer that
    /// takes longer than `patience` is none.
    ///
    /// # Errors
    ///
    /// Where it is no address.
    pub fn new(url: &str, patience: Duration) -> Result<Self, InvalidUrl> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience.max(AGAIN)))
            .set_response_timeout(Some(patience));
        Ok(Self {
            client: Client::open(url).map_err(|_| InvalidUrl)?,
            config,
            script: Script::new(TAKE),
            connection: Current::default(),
            lost: Notify::new(),
            refuses: AtomicBool::new(false),
        })
    }

    /// What follows from an error that came over the connection of this number.
    fn failed(&self, number: u64, error: &RedisError) {
        let is_answer = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
        if is_answer && !self.refuses.swap(true, Relaxed) {
            warn(error);
        }
        // One that may not be written any more may have a successor at the same address.
        let is_old = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if (is_old || !is_answer) && self.connection.drop_one(number) {
            if !is_answer {
                warn(error);
            }
            self.lost.notify_one();
        }
    }

    /// It does what it is asked for.
    fn succeeded(&self) {
        if self.refuses.load(Relaxed) && self.refuses.swap(false, Relaxed) {
            tell_that_it_counts();
        }
    }

    /// Reaches it, and again whenever it was lost, until `stop`.
    pub async fn keep(&self, stop: CancellationToken) {
        let keeping = async {
            let mut is_told = false;
            loop {
                match self.client.get_multiplexed_async_connection_with_config(&self.config).await {
                    Ok(connection) => {
                        self.connection.set(connection);
                        // One that refuses would be told of each time.
                        if !self.refuses.load(Relaxed) {
                            tell_that_it_counts();
                        }
                        is_told = false;
                        self.lost.notified().await;
                    }
                    Err(error) if !is_told => {
                        is_told = true;
                        warn(&error);
                    }
                    Err(_) => {}
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        stop.run_until_cancelled(keeping).await;
    }
}

fn tell_that_it_counts() {
    tracing::info!("Redis counts the rate limits of all replicas");
}

fn warn(error: &RedisError) {
    let error = error as &(dyn std::error::Error + 'static);
    tracing::warn!(error, "Redis cannot be asked: limits are kept as limits.without_redis says");
}

#[async_trait]
impl Counter for Redis {
    fn is_here(&self) -> bool {
        self.connection.is_here()
    }

    async fn take(&self, limit: &str, order: &Order) -> Result<Batch, Gone> {
        let (number, mut connection) = self.connection.get().ok_or(Gone)?;
        let Order { rate, slack, least, most } = order;
        let (quota, window) = rate.parts();
        // Rounded up, so that less is given.
        let window = window.as_nanos().div_ceil(1_000);
        let window = u64::try_from(window).unwrap_or(u64::MAX);
        let mut call = self.script.key(format!("{PREFIX}{limit}"));
        let call = call.arg(quota).arg(window).arg(rate.burst()).arg(slack).arg(least).arg(most);
        let span = tracing::info_span!(
            "EVALSHA",
            otel.kind = "client",
            db.system.name = "redis",
            db.operation.name = "EVALSHA",
        );
        match call.invoke_async::<(u64, u64)>(&mut connection).instrument(span).await {
            Ok((taken, level)) => {
                self.succeeded();
                Ok(Batch { taken, level })
            }
            Err(error) => {
                self.failed(number, &error);
                Err(Gone)
            }
        }
    }
}

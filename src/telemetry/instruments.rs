//! What is measured, by the names of OpenTelemetry. Each is read when somebody gathers.

mod tls;

use std::sync::{Arc, OnceLock};

use opentelemetry::{KeyValue, metrics::Meter};

use super::{Sources, VERSION};
use crate::{
    cache::Counts,
    checkpoints::Witnessed,
    limits::{CounterTallied, Tallied},
    replica::{Lease, Status},
    usage::Counted,
};

/// A value, and what it is the value of.
type Observed = (i64, Vec<KeyValue>);

/// What is registered, and of what.
struct Instruments<'a> {
    meter: &'a Meter,
    sources: &'a Arc<OnceLock<Sources>>,
}

/// Registers all of them.
pub(super) fn register(meter: &Meter, sources: &Arc<OnceLock<Sources>>) {
    meter
        .i64_observable_gauge("keyward.build_info")
        .with_description("1, of the version that runs.")
        .with_callback(|gauge| gauge.observe(1, &[KeyValue::new("version", VERSION)]))
        .build();
    let instruments = Instruments { meter, sources };
    instruments.of_lease();
    instruments.of_replica();
    instruments.of_cache();
    instruments.of_usage();
    instruments.of_checkpoints();
    instruments.of_limits();
    tls::register(meter, sources);
}

impl Instruments<'_> {
    fn of_lease(&self) {
        let sources = Arc::clone(self.sources);
        self.meter
            .f64_observable_gauge("keyward.replica.lease")
            .with_unit("s")
            .with_description("For how long this replica may still answer without a renewal.")
            .with_callback(move |gauge| {
                if let Some(status) = status(&sources) {
                    gauge.observe(status.lease_left.as_secs_f64(), &[]);
                }
            })
            .build();
        self.status(
            "keyward.replica.state",
            "",
            "1 for what this replica may do: answer (valid), answer and say that it may have \
             missed changes (stale), or not (none).",
            |status| {
                [Lease::Valid, Lease::Stale, Lease::None]
                    .into_iter()
                    .map(|lease| {
                        let label = KeyValue::new("state", lease.as_str());
                        (i64::from(lease == status.lease), vec![label])
                    })
                    .collect()
            },
        );
    }

    fn of_replica(&self) {
        self.status(
            "keyward.replica.applied_revision",
            "",
            "The newest change that this replica has applied.",
            |status| vec![(status.applied.0, vec![])],
        );
        self.status(
            "keyward.replica.head_revision",
            "",
            "The newest change in the log, as of the last renewal.",
            |status| vec![(status.head.0, vec![])],
        );
        self.status(
            "keyward.replicas",
            "{replica}",
            "Replicas of the database, as of the last look.",
            |status| match status.replicas {
                0 => vec![],
                replicas => vec![(i64::try_from(replicas).unwrap_or(i64::MAX), vec![])],
            },
        );
        self.status(
            "keyward.database.durability",
            "",
            "1 for how safe a commit is: on the disk, and on a standby before it is acknowledged.",
            |status| {
                let durability = status.durability.as_ref();
                let of = |is: bool| if is { "true" } else { "false" };
                let labels = durability.map(|durability| {
                    vec![
                        KeyValue::new("on_disk", of(durability.on_disk)),
                        KeyValue::new("synchronous", of(durability.synchronous)),
                    ]
                });
                labels.map(|labels| (1, labels)).into_iter().collect()
            },
        );
        self.status(
            "keyward.database.standbys",
            "{server}",
            "Servers that follow the database, as of the last look.",
            |status| {
                let durability = status.durability.as_ref();
                durability.map(|it| (i64::from(it.standbys), vec![])).into_iter().collect()
            },
        );
    }

    fn of_cache(&self) {
        let counter = |name, about, read: fn(Counts) -> u64| {
            self.counter(name, about, move |sources| read(sources.cache.counts()));
        };
        counter("keyward.cache.hits", "Look-ups of keys answered from memory.", |c| c.hits);
        counter("keyward.cache.misses", "Look-ups of keys that were not.", |c| c.misses);
        counter("keyward.cache.loads", "Reads of keys in the database.", |c| c.loads);
        counter(
            "keyward.cache.joins",
            "Look-ups that waited for a read which another began.",
            |c| c.joins,
        );
        counter("keyward.cache.refused", "Reads that waited too long.", |c| c.refused);
        self.size("keyward.cache.entries", "{key}", "Keys in memory.", |sources| {
            sources.cache.size().0
        });
        self.size("keyward.cache.size", "By", "Memory they take, by estimate.", |sources| {
            sources.cache.size().1
        });
    }

    fn of_usage(&self) {
        self.size(
            "keyward.usage.entries",
            "{entry}",
            "What was counted and is not written: secrets by hour and outcome.",
            |sources| sources.usage.counted().entries,
        );
        let counter = |name, about, read: fn(Counted) -> u64| {
            self.counter(name, about, move |sources| read(sources.usage.counted()));
        };
        counter("keyward.usage.batches", "Batches of what was counted that were written.", |u| {
            u.batches
        });
        counter("keyward.usage.failures", "Tries to write one that failed.", |u| u.failures);
        counter(
            "keyward.usage.coarsened",
            "Calls counted for their workspace alone: there was no room for more.",
            |u| u.coarsened,
        );
        counter("keyward.usage.dropped", "Calls not counted: there was no room.", |u| u.dropped);
        counter(
            "keyward.usage.refused",
            "Calls not counted: the database refuses what is written of them.",
            |u| u.refused,
        );
    }

    fn of_checkpoints(&self) {
        let sources = Arc::clone(self.sources);
        self.meter
            .f64_observable_gauge("keyward.checkpoints.age")
            .with_unit("s")
            .with_description("Seconds since the last checkpoint of the log was signed, or since the schedule began.")
            .with_callback(move |gauge| {
                let witnessed = sources.get().map(|sources| sources.checkpoints.witnessed());
                if let Some(age) = witnessed.and_then(|witnessed| witnessed.age) {
                    gauge.observe(age.as_secs_f64(), &[]);
                }
            })
            .build();
        let counter = |name, about, read: fn(Witnessed) -> u64| {
            self.counter(name, about, move |sources| read(sources.checkpoints.witnessed()));
        };
        counter("keyward.checkpoints.signed", "Checkpoints that were signed.", |c| c.signed);
        counter("keyward.checkpoints.failures", "Checkpoints that were due and not signed.", |c| {
            c.failures
        });
    }

    fn of_limits(&self) {
        let sources = Arc::clone(self.sources);
        self.meter
            .u64_observable_counter("keyward.limits.decisions")
            .with_description("Calls that have limits: within them, refused, or not to be told.")
            .with_callback(move |counter| {
                let Some(sources) = sources.get() else { return };
                let Tallied { passed, refused, unknown, .. } = sources.limits.tallied();
                for (outcome, count) in
                    [("passed", passed), ("refused", refused), ("unknown", unknown)]
                {
                    counter.observe(count, &[KeyValue::new("outcome", outcome)]);
                }
            })
            .build();
        self.size(
            "keyward.limits.holders",
            "{holder}",
            "Keys and workspaces of which it is remembered what was taken.",
            |sources| sources.limits.tallied().holders,
        );
        let sources = Arc::clone(self.sources);
        self.meter
            .u64_observable_counter("keyward.limits.orders")
            .with_description("Batches that Redis was asked for.")
            .with_callback(move |counter| {
                if let Some(CounterTallied { orders, .. }) = redis(&sources) {
                    counter.observe(orders, &[]);
                }
            })
            .build();
        let sources = Arc::clone(self.sources);
        self.meter
            .u64_observable_gauge("keyward.limits.redis_up")
            .with_description("1 while Redis answers, else 0.")
            .with_callback(move |gauge| {
                if let Some(CounterTallied { is_here, .. }) = redis(&sources) {
                    gauge.observe(is_here.into(), &[]);
                }
            })
            .build();
    }

    /// A gauge of this replica; absent where there are no others.
    fn status(
        &self,
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        read: fn(&Status) -> Vec<Observed>,
    ) {
        let sources = Arc::clone(self.sources);
        self.meter
            .i64_observable_gauge(name)
            .with_unit(unit)
            .with_description(about)
            .with_callback(move |gauge| {
                for (value, labels) in status(&sources).iter().flat_map(read) {
                    gauge.observe(value, &labels);
                }
            })
            .build();
    }

    fn counter(
        &self,
        name: &'static str,
        about: &'static str,
        read: impl Fn(&Sources) -> u64 + Send + Sync + 'static,
    ) {
        let sources = Arc::clone(self.sources);
        self.meter
            .u64_observable_counter(name)
            .with_description(about)
            .with_callback(move |counter| {
                if let Some(sources) = sources.get() {
                    counter.observe(read(sources), &[]);
                }
            })
            .build();
    }

    fn size(
        &self,
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        read: fn(&Sources) -> u64,
    ) {
        let sources = Arc::clone(self.sources);
        self.meter
            .u64_observable_gauge(name)
            .with_unit(unit)
            .with_description(about)
            .with_callback(move |gauge| {
                if let Some(sources) = sources.get() {
                    gauge.observe(read(sources), &[]);
                }
            })
            .build();
    }
}

fn redis(sources: &OnceLock<Sources>) -> Option<CounterTallied> {
    sources.get()?.limits.tallied().counter
}

fn status(sources: &OnceLock<Sources>) -> Option<Status> {
    sources.get()?.replica.as_ref().map(|replica| replica.status())
}

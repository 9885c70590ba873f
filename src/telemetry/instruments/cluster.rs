//! Metrics of the replica, the database and the log of changes.

use super::{Metric, Read, Series, level, metric, one, some};
use crate::{
    replica::{Lease, Status},
    telemetry::Sources,
};

pub(super) static METRICS: &[Metric] = &[
    metric(
        "keyward.replica.lease",
        "s",
        "For how long this replica may still answer without hearing from the database.",
        Read::Time(|sources| some(status(sources).map(|it| it.lease_left.as_secs_f64()))),
    ),
    metric(
        "keyward.replica.state",
        "",
        "1 for what this replica may do: answer (`valid`), answer and say that it may have missed changes (`stale`), or not (`none`).",
        Read::Level(|sources| status(sources).iter().flat_map(states).collect()),
    )
    .labelled(&["state"]),
    metric(
        "keyward.replica.applied_revision",
        "",
        "The newest change that this replica has applied.",
        Read::Level(|sources| some(status(sources).map(|it| it.applied.0))),
    ),
    metric(
        "keyward.replica.head_revision",
        "",
        "The newest change in the log, as of the last renewal.",
        Read::Level(|sources| some(status(sources).map(|it| it.head.0))),
    ),
    metric(
        "keyward.replicas",
        "{replica}",
        "Replicas of the database, as of the last look.",
        Read::Level(|sources| {
            some(status(sources).map(|it| level(it.replicas)).filter(|replicas| *replicas > 0))
        }),
    ),
    metric(
        "keyward.barrier.wait",
        "s",
        "How long changes that were made waited until no replica answered from an older state.",
        Read::Histogram(|sources| {
            some(sources.replica.as_ref().map(|replica| replica.waits().read()))
        }),
    ),
    metric(
        "keyward.database.durability",
        "",
        "1 for how safe a commit is: on the disk, and on a standby before it is acknowledged.",
        Read::Level(|sources| {
            let durability = status(sources).and_then(|it| it.durability);
            let of = |is: bool| if is { "true" } else { "false" };
            let told = durability.map(|it| {
                (1, vec![("on_disk", of(it.on_disk)), ("synchronous", of(it.synchronous))])
            });
            told.into_iter().collect()
        }),
    )
    .labelled(&["on_disk", "synchronous"]),
    metric(
        "keyward.database.standbys",
        "{server}",
        "Servers that follow the database, as of the last look.",
        Read::Level(|sources| {
            some(status(sources).and_then(|it| it.durability).map(|it| i64::from(it.standbys)))
        }),
    ),
    metric(
        "keyward.database.connections",
        "{connection}",
        "Connections to the database that are in use, by what for.",
        Read::Level(|sources| by_pool(sources, |in_use, _| in_use)),
    )
    .labelled(&["pool"]),
    metric(
        "keyward.database.connections_max",
        "{connection}",
        "Connections to the database that may be in use at once.",
        Read::Level(|sources| by_pool(sources, |_, max| max)),
    )
    .labelled(&["pool"]),
    metric(
        "keyward.checkpoints.age",
        "s",
        "Time since the last checkpoint of the log was signed, or since the schedule began; absent where there are none.",
        Read::Time(|sources| {
            some(sources.checkpoints.witnessed().age.map(|age| age.as_secs_f64()))
        }),
    ),
    metric(
        "keyward.checkpoints.signed",
        "{checkpoint}",
        "Checkpoints that were signed.",
        Read::Count(|sources| one(sources.checkpoints.witnessed().signed)),
    ),
    metric(
        "keyward.checkpoints.failures",
        "{checkpoint}",
        "Checkpoints that were due and not signed.",
        Read::Count(|sources| one(sources.checkpoints.witnessed().failures)),
    ),
];

fn status(sources: &Sources) -> Option<Status> {
    sources.replica.as_ref().map(|replica| replica.status())
}

fn states(status: &Status) -> Series<i64> {
    let of = |lease: Lease| (i64::from(lease == status.lease), vec![("state", lease.as_str())]);
    [Lease::Valid, Lease::Stale, Lease::None].map(of).into()
}

fn by_pool(sources: &Sources, value: fn(u64, u64) -> u64) -> Series<i64> {
    let pools = (sources.pools)().into_iter();
    pools.map(|pool| (level(value(pool.in_use, pool.max)), vec![("pool", pool.name)])).collect()
}

//! Metrics of what is kept in memory of keys: the cache, their use, their limits.

use super::{Metric, Read, level, metric, one, some};

pub(super) static METRICS: &[Metric] = &[
    metric(
        "keyward.cache.hits",
        "{lookup}",
        "Look-ups of keys answered from memory. A question makes two: of its caller and of the key; one whose key is not in memory makes more.",
        Read::Count(|sources| one(sources.cache.counts().hits)),
    ),
    metric(
        "keyward.cache.misses",
        "{lookup}",
        "Look-ups of keys that were not.",
        Read::Count(|sources| one(sources.cache.counts().misses)),
    ),
    metric(
        "keyward.cache.loads",
        "{load}",
        "Reads of keys in the database.",
        Read::Count(|sources| one(sources.cache.counts().loads)),
    ),
    metric(
        "keyward.cache.joins",
        "{lookup}",
        "Look-ups that waited for a read which another began.",
        Read::Count(|sources| one(sources.cache.counts().joins)),
    ),
    metric(
        "keyward.cache.refused",
        "{load}",
        "Reads that waited longer than `cache.load_wait_ms` for their turn.",
        Read::Count(|sources| one(sources.cache.counts().refused)),
    ),
    metric(
        "keyward.cache.loading",
        "{load}",
        "Reads of keys that are under way or wait for their turn.",
        Read::Level(|sources| one(level(sources.cache.loading()))),
    ),
    metric(
        "keyward.cache.entries",
        "{key}",
        "Keys in memory.",
        Read::Level(|sources| one(level(sources.cache.size().0))),
    ),
    metric(
        "keyward.cache.size",
        "By",
        "The memory they take, by estimate.",
        Read::Level(|sources| one(level(sources.cache.size().1))),
    ),
    metric(
        "keyward.usage.entries",
        "{entry}",
        "What was counted of the use of keys and is not written yet: secrets by hour and outcome.",
        Read::Level(|sources| one(level(sources.usage.counted().entries))),
    ),
    metric(
        "keyward.usage.batches",
        "{batch}",
        "Batches of it that were written.",
        Read::Count(|sources| one(sources.usage.counted().batches)),
    ),
    metric(
        "keyward.usage.failures",
        "{try}",
        "Tries to write one that failed.",
        Read::Count(|sources| one(sources.usage.counted().failures)),
    ),
    metric(
        "keyward.usage.coarsened",
        "{call}",
        "Calls counted for their workspace alone: there was no room for more.",
        Read::Count(|sources| one(sources.usage.counted().coarsened)),
    ),
    metric(
        "keyward.usage.dropped",
        "{call}",
        "Calls not counted: there was no room.",
        Read::Count(|sources| one(sources.usage.counted().dropped)),
    ),
    metric(
        "keyward.usage.refused",
        "{call}",
        "Calls not counted: the database refuses what is written of them.",
        Read::Count(|sources| one(sources.usage.counted().refused)),
    ),
    metric(
        "keyward.limits.decisions",
        "{call}",
        "Calls that have rate limits: `passed`, `refused`, or `unknown`: it could not be told, and they were answered UNAVAILABLE.",
        Read::Count(|sources| {
            let tallied = sources.limits.tallied();
            let outcomes = [
                ("passed", tallied.passed),
                ("refused", tallied.refused),
                ("unknown", tallied.unknown),
            ];
            outcomes.map(|(outcome, count)| (count, vec![("outcome", outcome)])).into()
        }),
    )
    .labelled(&["outcome"]),
    metric(
        "keyward.limits.holders",
        "{holder}",
        "Keys and workspaces of which it is remembered what was taken.",
        Read::Level(|sources| one(level(sources.limits.tallied().holders))),
    ),
    metric(
        "keyward.limits.orders",
        "{order}",
        "Batches that Redis was asked for, where it counts.",
        Read::Count(|sources| some(sources.limits.tallied().counter.map(|it| it.orders))),
    ),
    metric(
        "keyward.limits.redis_up",
        "",
        "1 while Redis answers, else 0, where it counts.",
        Read::Level(|sources| {
            some(sources.limits.tallied().counter.map(|it| i64::from(it.is_here)))
        }),
    ),
];

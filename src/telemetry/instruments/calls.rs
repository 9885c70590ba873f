//! Metrics of the calls and what is decided in them.

use super::{Labels, Metric, Read, Series, level, metric, one};
use crate::{measure, telemetry::Sources};

const SYSTEM: (&str, &str) = ("rpc.system.name", "grpc");

pub(super) static METRICS: &[Metric] = &[
    metric(
        "rpc.server.call.duration",
        "s",
        "How long calls took, until their answer was taken; methods that are not served are `_OTHER`, an answer that was not taken to its end is `CANCELLED`.",
        Read::Histogram(durations),
    )
    .labelled(&["rpc.system.name", "rpc.method", "rpc.response.status_code"]),
    metric(
        "keyward.introspect.duration",
        "s",
        "How long calls of `Introspect` took, however they ended, in classes from 50 µs on.",
        Read::Histogram(|sources| one(sources.calls.introspect())),
    ),
    metric(
        "keyward.calls.in_flight",
        "{call}",
        "Calls in flight, by kind; each kind has places of its own.",
        Read::Level(|sources| by_kind(sources.calls.in_flight().map(level))),
    )
    .labelled(&["kind"]),
    metric(
        "keyward.calls.refused",
        "{call}",
        "Calls that found no place among those of their kind, or (`admin_wait`) waited longer than `server.admin_wait_ms` for their turn, and were answered `RESOURCE_EXHAUSTED`.",
        Read::Count(|sources| {
            let refused = sources.calls.refused();
            refused.map(|(kind, count)| (count, vec![("kind", kind)])).collect()
        }),
    )
    .labelled(&["kind"]),
    metric(
        "keyward.connections.open",
        "{connection}",
        "Connections of clients that are open.",
        Read::Level(|sources| one(level(sources.connections.read()))),
    ),
    metric(
        "keyward.decisions",
        "{decision}",
        "Decisions by reason, each question of a batch and of a stream included; `ALLOWED` is none.",
        Read::Count(decisions),
    )
    .labelled(&["reason"]),
];

fn durations(sources: &Sources) -> Series<measure::Snapshot> {
    let labels = |method, status| -> Labels {
        vec![SYSTEM, ("rpc.method", method), ("rpc.response.status_code", status)]
    };
    let ended = sources.calls.durations().into_iter();
    ended.map(|one| (one.took, labels(one.method, one.status))).collect()
}

fn by_kind<V>(values: [V; measure::KINDS.len()]) -> Series<V> {
    let labels = measure::KINDS.map(|kind| vec![("kind", kind)]);
    values.into_iter().zip(labels).collect()
}

fn decisions(sources: &Sources) -> Series<u64> {
    let counted = sources.introspection.decisions();
    counted.into_iter().map(|(reason, count)| (count, vec![("reason", reason)])).collect()
}

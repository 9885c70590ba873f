//! Metrics of the process itself, and of what it tells.

use super::{Metric, Read, Series, level, metric, some};
use crate::{
    measure::Process,
    telemetry::{Sources, VERSION},
};

pub(super) static METRICS: &[Metric] = &[
    metric(
        "keyward.build_info",
        "",
        "1, of the version that runs.",
        Read::Fixed(|| vec![(1, vec![("version", VERSION)])]),
    )
    .labelled(&["version"]),
    metric(
        "keyward.telemetry.spans",
        "{span}",
        "Spans: `sent`; `dropped`: too many waited; `failed`: the collector did not take them; `refused`: calls that are not traced although they say so, for more than `telemetry.caller_traces_per_s` did or they were strangers'. Only with `telemetry.otlp_endpoint`.",
        Read::Count(spans),
    )
    .labelled(&["outcome"]),
    metric(
        "process.memory.usage",
        "By",
        "Physical memory that the process takes.",
        Read::Level(|_| some(Process::read().map(|process| level(process.memory)))),
    ),
    metric("process.cpu.time", "s", "Time of processors that the process took.", Read::Spent(processor))
        .labelled(&["cpu.mode"]),
    metric(
        "keyward.process.threads",
        "{thread}",
        "Threads of the process.",
        Read::Level(|_| some(Process::read().map(|process| level(process.threads)))),
    ),
    metric(
        "keyward.process.descriptors",
        "{descriptor}",
        "Files and connections that the process has open.",
        Read::Level(|_| some(Process::read().map(|process| level(process.descriptors)))),
    ),
];

fn spans(sources: &Sources) -> Series<u64> {
    let counted = sources
        .spans
        .iter()
        .flat_map(|spans| spans.read().into_iter().chain([("refused", sources.sampler.refused())]));
    counted.map(|(outcome, count)| (count, vec![("outcome", outcome)])).collect()
}

fn processor(_: &Sources) -> Series<f64> {
    let modes = ["user", "system"].map(|mode| vec![("cpu.mode", mode)]);
    let process = Process::read().into_iter();
    process
        .flat_map(|it| it.processor.map(|time| time.as_secs_f64()).into_iter().zip(modes.clone()))
        .collect()
}

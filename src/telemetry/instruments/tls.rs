//! Metrics of certificates; absent where connections are not encrypted.

use super::{Metric, Read, metric, some};
use crate::tls::Counted;

pub(super) static METRICS: &[Metric] = &[
    metric(
        "keyward.tls.certificate_expiry",
        "s",
        "Seconds until the server's certificate ends, or one that it sends with it; negative after that.",
        Read::Time(|sources| some(sources.tls.as_ref().map(|tally| tally.counted().left_s))),
    ),
    metric(
        "keyward.tls.reloads",
        "{file}",
        "Changed files that were read again: `applied`, or `refused` and left as before, which counts once however often it is tried again.",
        Read::Count(|sources| {
            let Some(tally) = &sources.tls else { return Vec::new() };
            let Counted { certificate, client_ca, callers, .. } = tally.counted();
            [("certificate", certificate), ("client_ca", client_ca), ("callers", callers)]
                .into_iter()
                .flat_map(|(file, reloads)| {
                    [("applied", reloads.applied), ("refused", reloads.refused)]
                        .map(|(outcome, count)| (count, vec![("file", file), ("outcome", outcome)]))
                })
                .collect()
        }),
    )
    .labelled(&["file", "outcome"]),
    metric(
        "keyward.tls.stale",
        "",
        "Whether a file was refused, and so differs from what is in force: 1, else 0.",
        Read::Level(|sources| {
            let Some(tally) = &sources.tls else { return Vec::new() };
            let Counted { certificate, client_ca, callers, .. } = tally.counted();
            [("certificate", certificate), ("client_ca", client_ca), ("callers", callers)]
                .map(|(file, reloads)| (reloads.is_stale.into(), vec![("file", file)]))
                .into()
        }),
    )
    .labelled(&["file"]),
];

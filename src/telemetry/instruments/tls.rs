//! What is measured of certificates.

use std::sync::{Arc, OnceLock};

use opentelemetry::{KeyValue, metrics::Meter};

use crate::{
    telemetry::Sources,
    tls::{Counted, Reloads},
};

/// Registers it; absent where connections are not encrypted.
pub(super) fn register(meter: &Meter, sources: &Arc<OnceLock<Sources>>) {
    let read = Arc::clone(sources);
    meter
        .f64_observable_gauge("keyward.tls.certificate_expiry")
        .with_unit("s")
        .with_description("Seconds until the server's certificate ends; negative after that.")
        .with_callback(move |gauge| {
            if let Some(Counted { left_s, .. }) = counted(&read) {
                gauge.observe(left_s, &[]);
            }
        })
        .build();
    let read = Arc::clone(sources);
    meter
        .u64_observable_counter("keyward.tls.reloads")
        .with_description(
            "Changed files that were read again: applied, or refused and left as before.",
        )
        .with_callback(move |counter| {
            let Some(Counted { certificate, client_ca, callers, .. }) = counted(&read) else {
                return;
            };
            for (file, Reloads { applied, refused }) in
                [("certificate", certificate), ("client_ca", client_ca), ("callers", callers)]
            {
                for (outcome, count) in [("applied", applied), ("refused", refused)] {
                    let labels = [KeyValue::new("file", file), KeyValue::new("outcome", outcome)];
                    counter.observe(count, &labels);
                }
            }
        })
        .build();
}

fn counted(sources: &OnceLock<Sources>) -> Option<Counted> {
    sources.get()?.tls.as_ref().map(|tally| tally.counted())
}

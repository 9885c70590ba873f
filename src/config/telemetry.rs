//! Settings of what is told to a collector of OpenTelemetry, and of the level of the log.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use super::Problem;

/// What is told to a collector of OpenTelemetry, over OTLP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// Where the collector takes gRPC: `http://HOST:PORT`, or `https://` to speak TLS. Empty: nowhere.
    pub otlp_endpoint: String,
    /// A file with headers for the collector, one `name: value` a line. Empty: none.
    pub otlp_headers_file: PathBuf,
    /// Which part of the calls begins a trace, of those whose caller says nothing of one.
    pub sample_ratio: Ratio,
    /// Calls that are traced because their caller says so, of all callers together, a second.
    pub caller_traces_per_s: u64,
    /// What this process is told from others by. Empty: a new name at each start.
    pub service_instance_id: String,
    /// Milliseconds between two times that metrics are sent.
    pub metrics_interval_ms: u64,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            otlp_endpoint: String::new(),
            otlp_headers_file: PathBuf::new(),
            sample_ratio: Ratio::default(),
            // Each has some ten spans where it waits for the database: those of four seconds wait together.
            caller_traces_per_s: 100,
            service_instance_id: String::new(),
            metrics_interval_ms: 60_000,
        }
    }
}

impl TelemetrySettings {
    /// Whether there is a collector.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.otlp_endpoint.is_empty()
    }

    /// The file with headers, where there is one.
    #[must_use]
    pub fn headers_file(&self) -> Option<&Path> {
        Some(&*self.otlp_headers_file).filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.is_on() && !is_endpoint(&self.otlp_endpoint) {
            problems.push(Problem::Refused {
                name: "telemetry.otlp_endpoint",
                // It may hold what is nobody else's business.
                value: "…".to_owned(),
                bound: "http://HOST:PORT, or https:// to speak TLS, and nothing more; what the collector asks to be known by goes into telemetry.otlp_headers_file".to_owned(),
            });
        }
        if !self.is_on() && self.headers_file().is_some() {
            problems.push(Problem::Refused {
                name: "telemetry.otlp_headers_file",
                value: format!("{:?}", self.otlp_headers_file),
                bound: "empty without telemetry.otlp_endpoint".to_owned(),
            });
        }
        problems
    }
}

fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// A part of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Ratio(f64);

/// None is NaN.
impl Eq for Ratio {}

impl Ratio {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Ratio {
    type Error = String;

    fn try_from(given: f64) -> Result<Self, String> {
        match (0.0..=1.0).contains(&given) {
            true => Ok(Self(given)),
            false => Err(format!("invalid ratio {given}, expected 0 to 1")),
        }
    }
}

/// What a level may be, for people.
pub const LEVELS: &str = "off, error, warn, info, debug, trace or target=level directives";

/// What a level, or directives, let through. None: it is neither.
#[must_use]
pub fn parse_level(text: &str) -> Option<Targets> {
    text.split(',').all(is_directive).then(|| text.parse().ok()).flatten()
}

/// Stricter than [`Targets`], to which a misspelt level is a target, logged in full while all else falls silent.
fn is_directive(directive: &str) -> bool {
    let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
    !level.is_empty() && level.parse::<LevelFilter>().is_ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn names(settings: &TelemetrySettings) -> Vec<String> {
        settings.contradictions().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let of = |url: &str| {
            let otlp_endpoint = url.to_owned();
            names(&TelemetrySettings { otlp_endpoint, ..TelemetrySettings::default() })
        };
        for good in ["", "http://h:4317", "https://h", "http://[::1]:4317/"] {
            assert_eq!(of(good), [""; 0], "{good}");
        }
        for bad in [
            "h:4317",
            "grpc://h",
            "http://",
            "https://u:hunter2@h",
            "http://h/v1/traces",
            "http://h?hunter2",
            "http://h#hunter2",
        ] {
            let told = of(bad);
            assert!(told.len() == 1 && !told.concat().contains("hunter2"), "{bad}: {told:?}");
        }
    }

    #[test]
    fn headers_for_nobody_are_half_of_something() {
        let otlp_headers_file = PathBuf::from("headers");
        let mut settings = TelemetrySettings { otlp_headers_file, ..TelemetrySettings::default() };
        let told = names(&settings).concat();
        assert!(told.contains("telemetry.otlp_headers_file"), "{told}");
        settings.otlp_endpoint = "http://h".to_owned();
        assert_eq!(names(&settings), [""; 0]);
    }

    #[test]
    fn a_ratio_is_a_part_of_a_whole() {
        for good in [0.0, 0.001, 1.0] {
            assert_eq!(Ratio::try_from(good).unwrap().get(), good);
        }
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Ratio::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_level_is_one_of_few_words() {
        for good in ["off", "info", "warn,h2=off", "keyward=trace"] {
            assert!(parse_level(good).is_some(), "{good}");
        }
        for bad in ["", "inof", "info,", "h2=loud", "info;warn"] {
            assert!(parse_level(bad).is_none(), "{bad}");
        }
    }
}

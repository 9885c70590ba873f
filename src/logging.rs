//! Where log lines go: standard error, as text or JSON, with the ids of the trace that they are of.

mod level;
mod lines;

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{LEVELS, LogFormat, LogSettings, parse_level};
use crate::telemetry::SpanLayer;
pub use level::Level;
use lines::{Chosen, Traced};

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `log.level` is neither a level nor directives. [`crate::config::Settings::load`] refuses such a value.
    #[error("log.level must be {LEVELS}")]
    Level,
    /// The process logs already.
    #[error("logging is set up already")]
    Twice(#[from] TryInitError),
}

/// Sends the events of this process that `settings` lets through, and checkpoints always, to standard error, and turns a panic into one event
/// that names its thread and place. The panic's message is left out: it may quote what the code was working on, which
/// may be key material. `spans` gathers what is traced, where somebody wants that.
///
/// What it gives changes the level while the process runs.
///
/// # Errors
/// When the level cannot be read, and when called twice.
pub fn start(settings: &LogSettings, spans: Option<SpanLayer>) -> Result<Level, LoggingError> {
    let coloured = std::io::stderr().is_terminal();
    let (subscriber, level) = subscriber(settings, spans, coloured, std::io::stderr)?;
    subscriber.try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(level)
}

fn subscriber<W>(
    settings: &LogSettings,
    spans: Option<SpanLayer>,
    coloured: bool,
    writer: W,
) -> Result<(Box<dyn Subscriber + Send + Sync>, Level), LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let usual: Targets = parse_level(&settings.level).ok_or(LoggingError::Level)?;
    let (filter, handle) = reload::Layer::new(Chosen::new(usual.clone()));
    let lines = fmt::layer::<Registry>().with_writer(writer).with_ansi(coloured);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => {
            let json = fmt::format().json();
            lines
                .fmt_fields(fmt::format::JsonFields::new())
                .event_format(Traced(json))
                .with_filter(filter)
                .boxed()
        }
    };
    let file = settings.file().map(ToOwned::to_owned);
    let level = Level::new(handle, usual, file);
    let lines = tracing_subscriber::registry().with(lines);
    // A layer that is none would have every span asked after.
    Ok(match spans {
        Some(spans) => (Box::new(lines.with(spans)), level),
        None => (Box::new(lines), level),
    })
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    match panic.location() {
        Some(place) => {
            tracing::error!(thread, file = place.file(), line = place.line(), "panicked");
        }
        None => tracing::error!(thread, "panicked"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::telemetry::{Identity, context::Sampler};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: LogFormat, events: impl FnOnce()) -> String {
        logged_with(None, level, format, events)
    }

    fn logged_with(
        spans: Option<SpanLayer>,
        level: &str,
        format: LogFormat,
        events: impl FnOnce(),
    ) -> String {
        let lines = Lines::default();
        let settings = LogSettings { level: level.to_owned(), format, ..LogSettings::default() };
        let writer = lines.clone();
        let writer = move || writer.clone();
        let (subscriber, _) = subscriber(&settings, spans, false, writer).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_of_json_has_the_ids_of_its_trace() {
        let (spans, _traces) = Identity::new("a".to_owned()).traces();
        let text = logged_with(Some(spans), "info", LogFormat::Json, || {
            tracing::info!("before");
            let call =
                Sampler::new(1.0, 0).begin(&http::HeaderMap::new(), "keyward.v1.A/B", || false);
            call.in_scope(|| {
                tracing::info!("in the call");
                tracing::info_span!("inside").in_scope(|| tracing::info!("inside"));
            });
            tracing::info!("after");
        });
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [before, call, inside, after] = &lines[..] else { panic!("{text}") };
        let id = |line: &serde_json::Value, name: &str| {
            line.get(name).and_then(|id| id.as_str()).unwrap_or_default().to_owned()
        };
        assert!(id(before, "trace_id").is_empty() && id(after, "span_id").is_empty(), "{text}");
        assert_eq!(id(call, "trace_id").len(), 32, "{text}");
        assert_eq!(id(call, "span_id").len(), 16, "{text}");
        assert_eq!(id(call, "trace_id"), id(inside, "trace_id"));
        assert_ne!(id(call, "span_id"), id(inside, "span_id"));
    }

    #[test]
    fn checkpoints_and_changes_of_the_level_are_lines_whatever_the_level() {
        for (level, expected) in [("off", 2), ("error", 2), ("keyward::checkpoints=debug", 3)] {
            let text = logged(level, LogFormat::Text, || {
                tracing::info!(target: "keyward::checkpoints", "kept");
                tracing::debug!(target: "keyward::checkpoints", "kept");
                tracing::info!(target: "keyward::logging::level", "kept");
                tracing::info!(target: "keyward::store", "gone");
            });
            assert_eq!((text.matches("kept").count(), text.contains("gone")), (expected, false));
        }
    }

    #[test]
    fn a_level_lets_through_what_is_as_grave() {
        let text = logged("warn", LogFormat::Text, || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
    }

    #[test]
    fn a_directive_concerns_its_target_alone() {
        let text = logged("info,h2=off", LogFormat::Text, || {
            tracing::error!(target: "h2", "frame");
            tracing::info!("ours");
        });
        assert!(text.contains("ours") && !text.contains("frame"), "{text}");
    }

    #[test]
    fn what_anybody_may_cause_at_will_is_a_line_where_it_is_asked_for_alone() {
        let of = |level: &str| {
            logged(level, LogFormat::Text, || {
                tracing::warn!(target: "h2::proto::streams::recv", "a flood");
                tracing::error!(target: "h2::proto", "a fault");
            })
        };
        for usual in ["warn", "info", "keyward=debug,info"] {
            assert!(!of(usual).contains("a flood") && of(usual).contains("a fault"), "{usual}");
        }
        for more in ["debug", "trace", "info,h2=warn", "h2::proto=info"] {
            assert!(of(more).contains("a flood"), "{more}");
        }
        assert!(!of("off").contains("a fault"));
    }

    #[test]
    fn json_is_one_object_per_line() {
        let text = logged("info", LogFormat::Json, || {
            tracing::info!(count = 3, "ours");
        });
        assert!(
            text.starts_with('{') && text.ends_with("}\n") && text.contains("\"count\":3"),
            "{text}"
        );
    }

    #[test]
    fn a_panic_is_logged_by_its_place_and_never_by_its_message() {
        let text = logged("info", LogFormat::Text, || {
            std::panic::set_hook(Box::new(log_panic));
            let _ = std::panic::catch_unwind(|| panic!("kw_live_material"));
            let _ = std::panic::take_hook();
        });
        assert!(text.contains("logging.rs") && text.contains("panicked"), "{text}");
        assert!(!text.contains("material"), "{text}");
    }
}

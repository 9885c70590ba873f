//! Where log lines go: standard error, as text or JSON.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{LogFormat, LogSettings};

/// Where checkpoints are told of. Each is a line to be kept, however little else is wanted: without a file the log is
/// the only place where it is.
const CHECKPOINTS: &str = "keyward::checkpoints";

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `log.level` is neither a level nor directives. [`crate::config::Settings::load`] refuses such a value.
    #[error("log.level cannot be read")]
    Level(#[from] ParseError),
    /// The process logs already.
    #[error("logging is set up already")]
    Twice(#[from] TryInitError),
}

/// Sends the events of this process that `settings` lets through, and checkpoints always, to standard error, and turns a panic into one event
/// that names its thread and place. The panic's message is left out: it may quote what the code was working on, which
/// may be key material.
///
/// # Errors
/// When the level cannot be read, and when called twice.
pub fn start(settings: &LogSettings) -> Result<(), LoggingError> {
    let coloured = std::io::stderr().is_terminal();
    subscriber(settings, coloured, std::io::stderr)?.try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(
    settings: &LogSettings,
    coloured: bool,
    writer: W,
) -> Result<impl Subscriber + use<W>, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = settings.level.parse::<Targets>()?.with_target(CHECKPOINTS, LevelFilter::INFO);
    let lines = fmt::layer().with_writer(writer).with_ansi(coloured);
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter)))
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
        let lines = Lines::default();
        let settings = LogSettings { level: level.to_owned(), format };
        let writer = lines.clone();
        let subscriber = subscriber(&settings, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
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

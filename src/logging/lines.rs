//! Which lines there are, and what stands in them beside what they say.

use std::fmt;

use tracing::{Event, Metadata, Subscriber, subscriber::Interest};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format::Writer};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::telemetry::context::current;

/// Whose lines are to be kept, however little else is wanted: checkpoints, for without a file the log is the only place
/// where they are; and what became of a change of the level, which else nobody would learn.
const KEPT: [&str; 2] = ["keyward::checkpoints", "keyward::logging::level"];

/// Who warns of each connection that it ends as a flood, as anybody may cause at will. It says so where more is wanted than
/// usual, or where it is named.
const LOUD: &str = "h2";

/// What these let through, but of who is loud errors alone.
fn quieted(targets: Targets) -> Targets {
    let is_named = targets.iter().any(|(name, _)| name.split("::").next() == Some(LOUD));
    let is_usual = targets.would_enable(LOUD, &tracing::Level::WARN)
        && !targets.would_enable(LOUD, &tracing::Level::DEBUG);
    match is_usual && !is_named {
        true => targets.with_target(LOUD, LevelFilter::ERROR),
        false => targets,
    }
}

/// Lets events through that were chosen. Spans are for traces: no line tells of them.
pub(super) struct Chosen(Targets);

impl Chosen {
    /// What these let through, and what is kept always.
    pub(super) fn new(targets: Targets) -> Self {
        let targets = quieted(targets);
        let keep = |targets: Targets, kept: &str| targets.with_target(kept, LevelFilter::INFO);
        // More where more is wanted.
        let is_more = |kept: &&str| !targets.would_enable(kept, &tracing::Level::INFO);
        Self(KEPT.iter().copied().filter(|kept| is_more(kept)).fold(targets.clone(), keep))
    }
}

impl<S: Subscriber> Filter<S> for Chosen {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        metadata.is_event() && Filter::enabled(&self.0, metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_event() {
            true => Filter::<S>::callsite_enabled(&self.0, metadata),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.0)
    }
}

/// Lines of JSON that begin with the ids of the trace that they are of, where they are of one.
pub(super) struct Traced<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some((trace, span)) = current() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => {
                write!(writer, "{{\"trace_id\":\"{trace}\",\"span_id\":\"{span}\",{rest}")
            }
            None => writer.write_str(&line),
        }
    }
}

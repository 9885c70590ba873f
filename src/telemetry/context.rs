//! Which calls are traced, and what their spans say: the one place where a trace comes in.
//!
//! Spans are those of `tracing`: whoever waits for something opens one, and it counts only within
//! a call that is traced ([`super::spans`]). A call that is not costs a look at one header.

use std::{
    cell::Cell,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use http::{HeaderMap, HeaderName};
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanId, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::allowance::Allowance;

/// What the spans of calls are of: with these a trace begins in this process.
pub(super) const CALLS: &str = "keyward::calls";

/// The header by which a caller tells of its trace (W3C Trace Context, section 3.2).
const PARENT: &str = "traceparent";
/// The same, made once: every call is asked for it.
static PARENT_NAME: HeaderName = HeaderName::from_static(PARENT);

/// The header by which vendors tell of it what they like (section 3.3).
const STATE: &str = "tracestate";

/// The longest [`STATE`] that is passed on, in bytes: what all must, and who goes on with a trace
/// may drop the rest (section 3.3.1.5). It is in each span beneath.
const STATE_BYTES_MAX: usize = 512;

/// The statuses that are the server's fault (OpenTelemetry, gRPC: status of server spans).
const FAULTS: [&str; 6] =
    ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// The parts that a whole is divided into.
const WHOLE: u64 = 1 << 53;

/// Decides which calls are traced. Clones share what callers may have.
#[derive(Clone, Debug, Default)]
pub struct Sampler(Option<Sampling>);

#[derive(Clone, Debug)]
struct Sampling {
    /// Of [`WHOLE`].
    threshold: u64,
    of_callers: Arc<Allowance>,
}

impl Sampler {
    /// Has those traced whose callers say so, so many a second, none of whose callers say not, and
    /// this part, from 0 to 1, of the rest. The default has none traced at all.
    #[must_use]
    pub fn new(ratio: f64, of_callers_per_s: u64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "2^53 is exact, and a cast of a float is of what is nearest"
        )]
        let threshold = (ratio * WHOLE as f64) as u64;
        Self(Some(Sampling { threshold, of_callers: Arc::new(Allowance::new(of_callers_per_s)) }))
    }

    /// How many calls are not traced although they say so: too many do, or they are strangers'.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.as_ref().map_or(0, |sampling| sampling.of_callers.refused())
    }

    /// The span of a call with these headers; one that is disabled where it is not traced. What
    /// strangers say of their traces counts for nothing.
    pub fn begin(
        &self,
        headers: &HeaderMap,
        method: &'static str,
        is_known: impl FnOnce() -> bool,
    ) -> Span {
        let Some(Sampling { threshold, of_callers }) = &self.0 else { return Span::none() };
        let threshold = *threshold;
        match parent(headers) {
            Some(false) => Span::none(),
            Some(true) => {
                // Of strangers no more than that is known: they take nothing from callers.
                if !is_known() {
                    of_callers.refuse();
                    return Span::none();
                }
                if !of_callers.take() {
                    return Span::none();
                }
                let span = open(method);
                let parent = TraceContextPropagator::new().extract(&Headers::of(headers));
                // An error says that nobody gathers spans.
                _ = span.set_parent(parent);
                span
            }
            None if threshold > 0 && draw() < threshold => open(method),
            None => Span::none(),
        }
    }
}

fn open(method: &'static str) -> Span {
    tracing::info_span!(
        target: CALLS,
        "call",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = Empty,
        "error.type" = Empty,
    )
}

/// Notes how a call ended.
pub fn told(span: &Span, status: &'static str) {
    if span.is_disabled() {
        return;
    }
    span.record("rpc.response.status_code", status);
    if FAULTS.contains(&status) {
        span.record("error.type", status);
        span.record("otel.status_code", "ERROR");
    }
}

/// The trace and the span that this thread works for, where it is traced.
pub fn current() -> Option<(TraceId, SpanId)> {
    Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| (span.trace_id(), span.span_id()))
    })
}

/// Whether the caller has its trace recorded. None: it tells of no trace, or not as it should be.
fn parent(headers: &HeaderMap) -> Option<bool> {
    let mut given = headers.get_all(&PARENT_NAME).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (version, rest) = value.as_bytes().split_first_chunk::<2>()?;
    let (trace, rest) = rest.strip_prefix(b"-")?.split_first_chunk::<32>()?;
    let (span, rest) = rest.strip_prefix(b"-")?.split_first_chunk::<16>()?;
    let (flags, rest) = rest.strip_prefix(b"-")?.split_first_chunk::<2>()?;
    let is_hex = |part: &[u8]| part.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_hex(part) && part.iter().any(|digit| *digit != b'0');
    // Later versions may say more; of this one nobody does.
    let is_whole =
        if version == b"00" { rest.is_empty() } else { !matches!(rest, [b'0'..=b'z', ..]) };
    let is_right = is_hex(version) && version != b"ff" && is_whole && is_hex(flags);
    (is_right && is_id(trace) && is_id(span)).then(|| {
        let [_, last] = flags;
        char::from(*last).to_digit(16).is_some_and(|digit| digit & 1 == 1)
    })
}

/// What a request says of its trace, for who reads that.
struct Headers<'a> {
    parent: Option<&'a str>,
    /// All of its headers together, in their order (section 3.3.1). None: it is too long.
    state: Option<String>,
}

impl<'a> Headers<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let states = headers.get_all(STATE).iter();
        let states: Option<Vec<_>> = states.map(|state| state.to_str().ok()).collect();
        let state = states.map(|states| states.join(","));
        let state = state.filter(|state| state.len() <= STATE_BYTES_MAX);
        Self { parent: headers.get(PARENT).and_then(|parent| parent.to_str().ok()), state }
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => self.parent,
            STATE => self.state.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

/// A number below [`WHOLE`], by chance (xorshift64*): nobody's safety rests on it.
fn draw() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(PARENT) | 1);
    }
    STATE.with(|state| {
        let mut next = state.get();
        next ^= next >> 12;
        next ^= next << 25;
        next ^= next >> 27;
        state.set(next);
        next.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[track_caller]
    fn check(values: &[&str], expected: Option<bool>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PARENT, value.parse().unwrap());
        }
        assert_eq!(parent(&headers), expected, "{values:?}");
    }

    #[test]
    fn the_caller_says_whether_its_trace_is_recorded() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true)] {
            check(&[&format!("00-{TRACE}-{SPAN}-{flags}")], Some(sampled));
        }
        check(&[&format!("01-{TRACE}-{SPAN}-01-more")], Some(true));
    }

    #[test]
    fn what_is_no_parent_is_as_if_it_were_not_there() {
        let zeros = "0".repeat(32);
        let (no_span, whole) = ("0".repeat(16), format!("00-{TRACE}-{SPAN}-01"));
        for bad in [
            "",
            "00",
            &format!("ff-{TRACE}-{SPAN}-01"),
            &format!("00-{zeros}-{SPAN}-01"),
            &format!("00-{TRACE}-{no_span}-01"),
            &format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            &format!("{whole}-more"),
            &whole[1..],
            &format!("00-{TRACE}-{SPAN}-0"),
            &format!("00-{TRACE}-{SPAN}-g1"),
            &format!("00_{TRACE}-{SPAN}-01"),
        ] {
            check(&[bad], None);
        }
        check(&[], None);
        check(&[&whole, &whole], None);
    }

    fn state(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(STATE, value.parse().unwrap());
        }
        Headers::of(&headers).get(STATE).map(str::to_owned)
    }

    #[test]
    fn what_vendors_say_of_it_is_read_together_up_to_a_length() {
        assert_eq!(state(&["a=1", "b=2,c=3"]).unwrap(), "a=1,b=2,c=3");
        let (whole, more) = ("x".repeat(STATE_BYTES_MAX), "x".repeat(STATE_BYTES_MAX - 3));
        assert_eq!(state(&[&whole]).unwrap(), whole);
        assert_eq!(state(&[&format!("{whole}x")]), None);
        assert_eq!(state(&["a=1", &more]), None);
    }

    #[test]
    fn chance_is_even() {
        let below = (0..100_000).filter(|_| draw() < WHOLE / 4).count();
        assert!((24_000..26_000).contains(&below), "{below}");
        assert!((0..1_000).all(|_| draw() < WHOLE));
    }
}

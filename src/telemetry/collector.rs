//! The collector of OpenTelemetry that traces and metrics are sent to, over gRPC.
//!
//! Everything that is sent passes through here, on the back of the process, one message of a kind
//! at a time. What is not taken in time is given up: telemetry is worth no memory.

use std::{
    error::Error as _,
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use tokio::runtime::Handle;
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

/// What the collector may take for one message, the connection included.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long nothing may come from the collector while it is to answer, before it is asked for a sign
/// of life: less than [`PATIENCE`], or there was always nothing left to wait for. Without one within
/// [`PATIENCE`] the connection is given up; else one to a host that is gone would be kept for as long
/// as the system sends it again and again, which is a quarter of an hour.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// The address of the collector is none.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp_endpoint cannot be used: {0}")]
pub struct InvalidEndpoint(#[from] tonic::transport::Error);

/// Headers for the collector, which may tell it whose they are. They are shown nowhere.
#[derive(Clone, Default)]
pub struct Headers(MetadataMap);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers({})", self.0.len())
    }
}

/// Lines that are no headers, by their numbers: what is in them may be secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "each line must be `name: value`, with a name of small letters, digits, `-`, `_` and `.`; these are not: {0:?}"
)]
pub struct InvalidHeaders(Vec<usize>);

impl Headers {
    /// Reads one `name: value` a line. Empty lines, and those that begin with `#`, say nothing.
    ///
    /// # Errors
    ///
    /// Lines that are neither: all of them.
    pub fn parse(text: &str) -> Result<Self, InvalidHeaders> {
        let (mut headers, mut wrong) = (MetadataMap::new(), Vec::new());
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match header(line) {
                Some((name, value)) => _ = headers.append(name, value),
                None => wrong.push(number + 1),
            }
        }
        if wrong.is_empty() { Ok(Self(headers)) } else { Err(InvalidHeaders(wrong)) }
    }
}

fn header(line: &str) -> Option<(MetadataKey<Ascii>, MetadataValue<Ascii>)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.".contains(&c);
    let mut value: MetadataValue<Ascii> = value.trim().parse().ok()?;
    value.set_sensitive(true);
    let name = Some(name).filter(|name| name.bytes().all(is_name));
    Some((name?.parse().ok()?, value))
}

/// Sends to the collector.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    pub(super) channel: Channel,
    headers: Headers,
    pub(super) back: Handle,
}

impl Collector {
    /// The collector at this address; it is reached when there is something to send.
    pub(super) fn new(
        endpoint: &str,
        headers: Headers,
        back: &Handle,
    ) -> Result<Self, InvalidEndpoint> {
        let mut address = Endpoint::from_shared(endpoint.to_owned())?
            .connect_timeout(PATIENCE)
            .http2_keep_alive_interval(SILENCE_MAX)
            .keep_alive_timeout(PATIENCE);
        if endpoint.starts_with("https:") {
            address = address.tls_config(ClientTlsConfig::new().with_enabled_roots())?;
        }
        let _on_the_back = back.enter();
        Ok(Self { channel: address.connect_lazy(), headers, back: back.clone() })
    }

    /// A message with the headers.
    pub(super) fn message<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.0.clone();
        request
    }
}

/// Tells in the log that the collector does not take what is sent, and when it does again.
#[derive(Debug)]
pub(super) struct Taking {
    what: &'static str,
    fails: AtomicBool,
}

impl Taking {
    pub(super) const fn of(what: &'static str) -> Self {
        Self { what, fails: AtomicBool::new(false) }
    }

    /// Waits for the answer, but not for long. Whether the message was taken.
    pub(super) async fn is_taken<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> bool {
        let what = self.what;
        let why = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(_)) => {
                if self.fails.swap(false, Relaxed) {
                    tracing::info!(what, "the collector takes telemetry again");
                }
                return true;
            }
            Ok(Err(status)) => why(&status),
            Err(_) => "no answer in time".to_owned(),
        };
        if !self.fails.swap(true, Relaxed) {
            tracing::warn!(
                what,
                error = why,
                "the collector at telemetry.otlp_endpoint does not take telemetry, which is lost; calls are answered all the same"
            );
        }
        false
    }
}

/// Why a message was not taken. What the collector itself says of that is left out: it may repeat
/// what was sent, headers included, and at any length.
fn why(status: &Status) -> String {
    match status.source() {
        Some(_) => format!("{:?}: {}", status.code(), status.message()),
        None => format!("the collector answers {:?}", status.code()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn headers_are_lines_and_shown_nowhere() {
        let headers = Headers::parse("# ours\n\nx-key: hunter2\n authorization:Basic a:b \n");
        let headers = headers.unwrap();
        assert_eq!(headers.0.get("x-key").unwrap(), "hunter2");
        assert_eq!(headers.0.get("authorization").unwrap(), "Basic a:b");
        assert!(!format!("{headers:?} {:?}", headers.0).contains("hunter2"));
    }

    #[test]
    fn lines_that_are_no_headers_are_told_by_number_alone() {
        let wrong =
            Headers::parse("x: y\nhunter2\nX-Key: hunter2\nx-bin: hunter2\ny: hunter2\u{7}");
        let told = wrong.unwrap_err();
        assert_eq!(told, InvalidHeaders(vec![2, 3, 4, 5]));
        assert!(!told.to_string().contains("hunter2"));
    }

    #[test]
    fn what_a_collector_says_is_not_repeated_and_what_keeps_from_reaching_it_is_told() {
        let told = why(&Status::unauthenticated("no such key: hunter2"));
        assert_eq!(told, "the collector answers Unauthenticated");
        let unreached = Status::from_error("nobody is there".into());
        assert!(why(&unreached).contains("nobody is there"), "{unreached:?}");
    }
}

//! What a server tells of itself, read strictly.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// The head and the body of what is at the path.
pub(crate) fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: keyward\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(head.contains("cache-control: no-store"), "{answer}");
    (head.to_owned(), body.to_owned())
}

/// `/status`.
pub(crate) fn status(address: SocketAddr) -> serde_json::Value {
    let (head, body) = get(address, "/status");
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

/// `/metrics`: the value of each series, by its name with its labels.
#[derive(Debug, PartialEq)]
pub(crate) struct Metrics(pub(crate) BTreeMap<String, f64>);

impl Metrics {
    pub(crate) fn of(address: SocketAddr) -> Self {
        let (head, body) = get(address, "/metrics");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        Self::parse(&body).unwrap_or_else(|line| panic!("{line:?} is wrong in {body}"))
    }

    /// The value of one series, which is there.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} is not among {self:?}"))
    }

    /// Gauges, counters and histograms in the text format of Prometheus, version 0.0.4; an error is a line
    /// that is wrong. Each family is there once: HELP, TYPE, and at least one series.
    fn parse<'a>(text: &'a str) -> Result<Self, String> {
        let (mut series, mut families) = (BTreeMap::new(), BTreeSet::new());
        let text = text.strip_suffix('\n').ok_or("no end of line at the end")?;
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let wrong = || line.to_owned();
            let help = line.strip_prefix("# HELP ").ok_or_else(wrong)?;
            let (name, _) =
                help.split_once(' ').filter(|(_, text)| !text.is_empty()).ok_or_else(wrong)?;
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let is_name = is_name(name) && families.insert(name);
            let is_kind = match kind.and_then(|kind| kind.strip_prefix(name)) {
                Some(" counter") => name.ends_with("_total"),
                Some(" gauge" | " histogram") => !name.ends_with("_total"),
                _ => false,
            };
            (is_name && is_kind).then_some(()).ok_or_else(wrong)?;
            let is_histogram = kind.is_some_and(|kind| kind.ends_with(" histogram"));
            let of_part = |rest: &'a str| {
                let part = ["_bucket", "_sum", "_count"].into_iter();
                part.filter_map(|part| rest.strip_prefix(part)).next()
            };
            let mut count = 0;
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (given, value) = line.rsplit_once(' ').ok_or(line)?;
                let labels = given.strip_prefix(name).ok_or(line)?;
                let labels = if is_histogram { of_part(labels).ok_or(line)? } else { labels };
                let value = value.parse().map_err(|_| line)?;
                let is_new = series.insert(given.to_owned(), value).is_none();
                (is_new && are_labels(labels)).then_some(()).ok_or(line)?;
                count += 1;
            }
            (count > 0).then_some(()).ok_or_else(wrong)?;
        }
        Ok(Self(series))
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// `{name="value",…}` or nothing; values without anything to escape, which ours have not.
fn are_labels(text: &str) -> bool {
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let is_label = |label: &str| {
        let (name, value) = label.split_once('=').unwrap_or_default();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        is_name(name) && value.is_some_and(|value| !value.contains(['"', '\\']))
    };
    text.is_empty() || inside.is_some_and(|inside| inside.split(',').all(is_label))
}

#[test]
fn what_is_no_exposition_is_refused() {
    let good = "# HELP a_b text\n# TYPE a_b gauge\na_b{c=\"d\",e=\"\"} 1.5\na_b -3\n";
    assert_eq!(Metrics::parse(good).unwrap().value("a_b{c=\"d\",e=\"\"}"), 1.5);
    for (part, with) in [
        ("3\n", "3"),
        ("# HELP a_b text\n", ""),
        ("# TYPE a_b gauge\n", ""),
        ("# TYPE a_b", "# TYPE a_c"),
        ("gauge", "counter"),
        ("gauge", "histogram"),
        ("gauge", "gauges"),
        ("a_b -3", "a_bc -3"),
        ("a_b -3", "a_b{c=\"d\",e=\"\"} 1"),
        ("-3", "x"),
        ("c=\"d\"", "c=d"),
        ("c=\"d\"", "C=\"d\""),
        ("\"}", "\""),
        ("-3\n", "-3\n\n"),
        ("-3\n", "-3\n# HELP a_b text\n# TYPE a_b gauge\na_b 1\n"),
        ("-3\n", "-3\n# HELP a_c text\n# TYPE a_c gauge\n"),
    ] {
        let bad = good.replacen(part, with, 1);
        assert_ne!(bad, good, "{part}");
        assert!(Metrics::parse(&bad).is_err(), "{bad}");
    }
}

//! `/metrics` and `/status` of `keyward serve`, and `keyward health --status`.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use serde_json::json;

use crate::{
    caller::Caller,
    metrics_reader::{Metrics, status},
    place::Place,
    process::Serving,
};

/// An address at which nothing answers: the port is reserved, and never given to who asks
/// for any.
const NOBODY: &str = "127.0.0.1:1";

/// Where the server said that it tells of itself.
pub(crate) fn metrics_of(server: &Serving) -> SocketAddr {
    let seen = server.process.stderr.seen();
    let (_, rest) = seen.split_once("metrics and status can be read address=").unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

#[test]
fn of_a_file_the_memory_is_told_and_no_lease() {
    let place = Place::new();
    let secret = place.bootstrap();
    let server = place.serve();
    let address = metrics_of(&server);
    let caller = Caller::new(server.address, &secret);
    for _ in 0..3 {
        assert!(caller.knows(&secret));
    }
    let metrics = Metrics::of(address);
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        ("keyward_build_info{version=\"VERSION\"}", 1.0),
        // Each question looks up its caller and the key that it is of, which are one here; and the
        // first, of a caller that is not in memory, looks that up when it comes and when it is read.
        ("keyward_checkpoints_age_seconds", metrics.value("keyward_checkpoints_age_seconds")),
        ("keyward_checkpoints_signed_total", 0.0),
        ("keyward_checkpoints_failures_total", 0.0),
        ("keyward_cache_hits_total", 6.0),
        ("keyward_cache_misses_total", 1.0),
        ("keyward_cache_loads_total", 1.0),
        ("keyward_cache_joins_total", 0.0),
        ("keyward_cache_refused_total", 0.0),
        ("keyward_cache_entries", 1.0),
        ("keyward_cache_size_bytes", metrics.value("keyward_cache_size_bytes")),
        ("keyward_limits_decisions_total{outcome=\"passed\"}", 0.0),
        ("keyward_limits_decisions_total{outcome=\"refused\"}", 0.0),
        ("keyward_limits_decisions_total{outcome=\"unknown\"}", 0.0),
        ("keyward_limits_holders", 0.0),
        ("keyward_usage_entries", metrics.value("keyward_usage_entries")),
        ("keyward_usage_batches_total", metrics.value("keyward_usage_batches_total")),
        ("keyward_usage_failures_total", 0.0),
        ("keyward_usage_coarsened_total", 0.0),
        ("keyward_usage_dropped_total", 0.0),
        ("keyward_usage_refused_total", 0.0),
        ("keyward_decisions_total{reason=\"ALLOWED\"}", 3.0),
        ("keyward_decisions_total{reason=\"INVALID_KEY\"}", 0.0),
        ("keyward_cache_loading", 0.0),
        ("keyward_calls_refused_total{kind=\"usual\"}", 0.0),
        ("keyward_database_connections_max{pool=\"read\"}", 4.0),
        ("keyward_database_connections_max{pool=\"write\"}", 1.0),
    ];
    for (series, value) in expected {
        assert_eq!(metrics.value(&series.replace("VERSION", version)), value, "{series}");
    }
    let told = |name: &str| metrics.0.keys().any(|series| series.starts_with(name));
    assert!(told("target_info{") && !told("keyward_replica") && !told("keyward_barrier"));
    assert!(!told("keyward_limits_redis_up") && !told("keyward_telemetry"), "{metrics:?}");
    assert!(metrics.value("process_memory_usage_bytes") > 1e6);
    let size = metrics.value("keyward_cache_size_bytes");
    assert!((100.0..100_000.0).contains(&size), "{size}");
    // The one secret that was used is not written yet, or it is.
    let counted = ["entries", "batches_total"];
    let counted = counted.map(|name| metrics.value(&format!("keyward_usage_{name}")));
    assert!(counted.iter().sum::<f64>() >= 1.0, "{counted:?}");
    let expected = json!({
        "version": version,
        "ready": true,
        "replica": null,
        "cache": {
            "hits": 6, "misses": 1, "loads": 1, "joins": 0, "refused": 0,
            "entries": 1, "bytes": size as u64,
        },
    });
    assert_eq!(status(address), expected);
}

#[test]
fn health_prints_the_status_after_its_first_line() {
    let place = Place::new();
    let server = place.serve();
    let (serving, metrics) = (server.address.to_string(), metrics_of(&server).to_string());
    let variables = [
        ("KEYWARD__SERVER__LISTEN", serving.as_str()),
        ("KEYWARD__METRICS__LISTEN", metrics.as_str()),
    ];
    let by_settings = place.run_with(&["health", "--status"], &variables).succeeded();
    let by_name = ["health", "--address", &serving, "--status", "--metrics-address", &metrics];
    let by_name = place.run(&by_name).succeeded();
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        "SERVING",
        "cache.bytes = 0",
        "cache.entries = 0",
        "cache.hits = 0",
        "cache.joins = 0",
        "cache.loads = 0",
        "cache.misses = 0",
        "cache.refused = 0",
        "ready = true",
        "replica = null",
        &format!("version = \"{version}\""),
    ];
    for ran in [by_settings, by_name] {
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected, "{ran:?}");
        assert_eq!(ran.stderr, "", "{ran:?}");
    }
}

#[test]
fn where_no_status_is_told_health_says_what_to_do() {
    let place = Place::new();
    let server = place.serve();
    let serving = server.address.to_string();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_address = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>");
    });
    for (variable, value, said) in [
        ("ENABLED", "false", &["metrics.enabled is false", "--metrics-address"][..]),
        ("LISTEN", "127.0.0.1:0", &["the server's log names it", "--metrics-address"]),
        ("LISTEN", NOBODY, &[NOBODY, "--metrics-address", "metrics.enabled"]),
        ("LISTEN", &serving, &[&serving, "no metrics.listen of keyward"]),
        ("LISTEN", &other_address, &[&other_address, "no metrics.listen of keyward"]),
    ] {
        let variable = format!("KEYWARD__METRICS__{variable}");
        let ran =
            place.run_with(&["health", "--address", &serving, "--status"], &[(&variable, value)]);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, "SERVING\n"), "{ran:?}");
        for said in said {
            assert!(ran.stderr.contains(said), "{said}: {ran:?}");
        }
    }
    let ran = place.run(&["health", "--metrics-address", NOBODY]);
    assert_eq!(ran.status, 2, "{ran:?}");
}

#[test]
fn a_port_for_metrics_that_is_taken_is_named_with_the_remedy() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables =
        [("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"), ("KEYWARD__METRICS__LISTEN", &address)];
    let ran = place.run_with(&["serve"], &variables);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let said = format!("cannot listen on {address} for metrics");
    for said in [&said, "set metrics.listen to another address", "metrics.enabled to false"] {
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    }
}

#[test]
fn where_metrics_are_off_no_port_is_taken() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [
        ("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"),
        ("KEYWARD__METRICS__LISTEN", address.as_str()),
        ("KEYWARD__METRICS__ENABLED", "false"),
    ];
    let server = Serving::await_of(place.start(&["serve"], &variables));
    let ran = server.end().succeeded();
    assert!(!ran.stderr.contains("metrics"), "{ran:?}");
}

#[test]
fn the_port_is_free_again_when_the_server_has_ended() {
    let place = Place::new();
    let server = place.serve();
    let address = metrics_of(&server);
    // Whoever says nothing does not keep it from ending.
    let _silent = TcpStream::connect(address).unwrap();
    assert_eq!(status(address)["ready"], true);
    server.end().succeeded();
    TcpStream::connect(address).unwrap_err();
}

#[test]
fn no_secret_nor_address_of_a_client_is_told() {
    let place = Place::new();
    let secret = place.bootstrap();
    let server = place.serve();
    assert!(Caller::new(server.address, &secret).knows(&secret));
    let mut stream = TcpStream::connect(metrics_of(&server)).unwrap();
    let own = stream.local_addr().unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {secret}\r\nx-forwarded-for: {own}\r\n\r\n")
        .unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    told += &status(metrics_of(&server)).to_string();
    let ran = server.end().succeeded();
    for needle in [&secret[..], &secret[8..24], "127.0.0.1", "bootstrap"] {
        assert!(!told.contains(needle), "{needle}: {told}");
    }
    assert!(!ran.stderr.contains(&secret) && !ran.stderr.contains(&own.to_string()), "{ran:?}");
}

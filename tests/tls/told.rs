//! What the program tells of certificates: in its log and in its metrics.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use crate::{
    client::{Client, ask, reason},
    metrics_reader::Metrics,
    place::Place,
    refused::program,
    until,
};

/// A program that serves. Killed when dropped.
struct Serving {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Serving {
    fn start(place: &Place) -> Self {
        let files = ["tls.crt", "tls.key", "ca.crt", "callers.toml"].map(|name| place.text(name));
        let [certificate, key, authorities, callers] = &files;
        let settings = [
            ("tls.certificate_file", &**certificate),
            ("tls.private_key_file", key),
            ("tls.client_ca_file", authorities),
            ("tls.callers_file", callers),
            ("metrics.enabled", "true"),
            ("metrics.listen", "127.0.0.1:0"),
            ("log.level", "info,keyward::grpc=debug"),
        ];
        let mut command = program(place, &["serve"], &settings);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *written.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, log }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    async fn says(&self, text: &str) {
        until(text, async || self.log().contains(text)).await;
    }

    /// The address that the line has which ends with it, or goes on.
    async fn address(&self, line: &str) -> SocketAddr {
        let text = format!("{line} address=");
        self.says(&text).await;
        let log = self.log();
        let (_, rest) = log.split_once(&text).unwrap();
        rest.split([' ', '\n']).next().unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_certificates_is_told_and_no_client_is() {
    let place = Place::new();
    place.list(&[("dns:ops.acme.example", "[\"*\"]", "")]);
    let serving = Serving::start(&place);
    let address = serving.address(" serving").await;
    let metrics = serving.address("metrics and status can be read").await;
    let left = Metrics::of(metrics).value("keyward_tls_certificate_expiry_seconds");
    // Two thousand years, as those who make certificates for tests mean it.
    assert!(left > 1e10, "{left}");
    let reloads = |file: &str, outcome: &str| {
        let series = format!("keyward_tls_reloads_total{{file={file:?},outcome={outcome:?}}}");
        Metrics::of(metrics).value(&series)
    };
    serving.says("connections are encrypted; clients must show a certificate").await;
    let stale = |file: &str| {
        Metrics::of(metrics).value(&format!("keyward_tls_stale{{file={file:?}}}")) > 0.5
    };
    for file in ["certificate", "client_ca", "callers"] {
        assert!(!stale(file), "{file}");
        assert!(reloads(file, "applied") + reloads(file, "refused") < 0.5, "{file}");
    }

    let half = place.authority.server();
    place.write("tls.crt", &half.certificate);
    serving.says("the server's certificate changed and was refused").await;
    serving.says("does not belong to the certificate in").await;
    assert!((reloads("certificate", "refused") - 1.0).abs() < 0.5);
    assert!(stale("certificate") && !stale("callers"));
    place.write("tls.key", &half.key);
    serving.says("the server's certificate changed: ").await;
    assert!((reloads("certificate", "applied") - 1.0).abs() < 0.5);
    assert!(!stale("certificate"));
    place.write("callers.toml", "[[callers]]\n");
    serving.says("line 1: identity is missing").await;
    assert!((reloads("callers", "refused") - 1.0).abs() < 0.5);
    assert!(stale("callers") && !stale("certificate"));
    assert_eq!(serving.log().matches("was refused").count(), 2, "each is told once");

    let stranger = place.clients.client(&["stranger.example"]);
    let client = Client::with(&place.authority.pem, &stranger);
    let channel = client.channel(address).await.unwrap();
    assert_eq!(reason(ask(&channel, None).await), "CREDENTIALS_INVALID");
    serving.says("identities=\"dns:stranger.example\"").await;

    assert!(!Client::new(&place.clients.pem).is_served(address).await);
    serving.says("TLS handshakes failed count=1").await;
    let log = serving.log();
    // Where it listens is no client.
    let addresses = log.matches("127.0.0.1:").count();
    assert_eq!(addresses, log.matches(" address=127.0.0.1:").count(), "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

//! No secret is to be found anywhere but in the one answer that shows it: not in the
//! database, not in the log at its most talkative, not in an event, an error, what
//! `Debug` prints, or what a panic leaves behind.
//!
//! What a caller writes into a field for a title, a label or a description is kept as it
//! is, be it a secret: such fields are text for people, and nobody reads them for
//! secrets. But an error never repeats one, whatever field it was put into: errors end
//! in the logs of others.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "tls/authority.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod authority;
#[path = "kill/caller.rs"]
mod caller;
#[path = "canary/messages.rs"]
mod messages;
#[path = "metrics/reader.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod metrics_reader;
#[path = "canary/needles.rs"]
mod needles;
#[path = "kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "canary/raw.rs"]
mod raw;
#[path = "telemetry/receiver.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod receiver;
#[path = "canary/scenario.rs"]
mod scenario;
#[path = "canary/seen.rs"]
mod seen;
#[path = "api/support.rs"]
#[expect(dead_code, reason = "written for the tests of the API, which use more of it")]
mod support;
#[path = "canary/together.rs"]
mod together;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use keyward::{config::LogSettings, domain::secret::Keyring, keyring, logging};

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::{Layer as _, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use needles::{Needles, as_text};
use process::Deployment;
use receiver::Receiver;
use seen::Seen;
use support::Server;

/// More than anything takes, even on a machine that is busy.
const LONG: std::time::Duration = std::time::Duration::from_secs(60);

/// How much of a text is shown in which something leaked.
const SHOWN: usize = 400;

/// The beginning of a text, without the secret.
fn shown(text: &str, secret: &str) -> String {
    let redacted = text.replace(&secret[secret.len() - 40..], "…");
    redacted.chars().take(SHOWN).collect()
}

/// Fails with the names of all that leaked, and never with what leaked.
fn check(seen: &Seen, keyring: &Keyring, directory: &Path, log: &str) {
    let mut leaks = Vec::new();
    let files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let of_database =
        |path: &&PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("keyward.db");
    let database: Vec<Vec<u8>> =
        files.iter().filter(of_database).map(|path| fs::read(path).unwrap()).collect();
    for (number, secret) in seen.secrets.iter().enumerate() {
        let needles = Needles::new(secret, keyring);
        let mut look = |place: String, text: &str| {
            leaks.extend(
                needles
                    .found_in(text)
                    .iter()
                    .map(|what| format!("secret {number}: {what} in {place}")),
            );
        };
        for path in &files {
            look(path.display().to_string(), &as_text(&fs::read(path).unwrap()));
        }
        let lines = if needles.found_in(log).is_empty() { "" } else { log };
        for line in lines.lines() {
            look(format!("the log: {}", shown(line, secret)), line);
        }
        for text in &seen.texts {
            look(format!("an answer or error: {}", shown(text, secret)), text);
        }
        let shown: usize = seen.messages.iter().map(|text| text.matches(&**secret).count()).sum();
        // The first was shown by the command that bootstraps.
        assert_eq!(shown, usize::from(number > 0), "secret {number} is shown once");
        // The files are the right ones: they hold the digest.
        let digest = keyring.recognise(secret).unwrap().digest;
        let holds = |bytes: &Vec<u8>| bytes.windows(24).any(|part| part == digest.as_bytes());
        assert!(database.iter().any(holds), "secret {number} is not in the database");
    }
    leaks.dedup();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    assert!(seen.secrets.len() >= 4 && seen.refusals > 100, "hardly anything was tried");
}

fn keyring_of(path: &Path) -> Keyring {
    keyring::load_or_create(path, false, 0).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_leaks_no_secret_at_its_most_talkative() {
    let receiver = Receiver::start().await;
    let deployment = Deployment::new(&[
        ("log.level", "trace"),
        ("telemetry.otlp_endpoint", &receiver.url),
        ("telemetry.sample_ratio", "1"),
        ("telemetry.metrics_interval_ms", "100"),
    ]);
    let root_secret = deployment.bootstrap();
    let mut serving = deployment.serve().await;
    let mut seen = scenario::play(serving.address, &root_secret).await;
    for path in ["/metrics", "/status"] {
        let (head, body) = metrics_reader::get(serving.metrics, path);
        seen.texts.push(head + &body);
    }
    // All that was traced and counted leaves the program before it ends.
    assert!(Command::new("kill").arg(serving.id().to_string()).status().unwrap().success());
    serving.end();
    let sent = receiver.now();
    assert!(sent.spans.len() > 500 && sent.metrics.len() > 20, "hardly anything was sent");
    seen.texts.push(as_text(&sent.bytes));
    let log = deployment.log();
    assert!(log.contains("TRACE") && log.contains("serving"), "the log is not at its level");
    println!(
        "canary: {} secrets, {} refusals, {} bytes of log",
        seen.secrets.len(),
        seen.refusals,
        log.len()
    );
    let database = deployment.file("keyward.db");
    let keyring = keyring_of(&deployment.file("keyward.keyring"));
    check(&seen, &keyring, database.parent().unwrap(), &log);
}

/// Log lines of this process.
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

/// Here the log has what the clients trace as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_and_clients_in_one_process_leak_no_secret() {
    let lines = Lines::default();
    let writer = lines.clone();
    // The clients' own layer repeats a time-out that it cannot read; the server has none of it.
    let filter = Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_target("tonic::transport", LevelFilter::OFF);
    let lines_of_text =
        tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    tracing_subscriber::registry().with(lines_of_text.with_filter(filter)).init();
    let mut files = (PathBuf::new(), PathBuf::new());
    let server = Server::start_with(|settings| {
        files = (settings.database.path.clone(), settings.keyring.path.clone());
    })
    .await;
    let seen = scenario::play(server.address, &server.root_secret).await;
    let log = as_text(&lines.0.lock().unwrap());
    assert!(log.contains("TRACE"), "the log is not at its level");
    check(&seen, &keyring_of(&files.1), files.0.parent().unwrap(), &log);
}

/// The variable by which this program tells itself to panic with a secret.
const PANICS: &str = "KEYWARD_TEST_PANICS_WITH";

/// No call is known that makes the server panic, so this panics by itself, with the
/// logging of the server, once in its own thread and once in work handed to the back.
#[test]
fn a_panic_leaves_no_secret_behind() {
    const SECRET: &str = "acme_live_0CanaryCanaryCanaryCanaryCanaryCanaryCanaryCanary";
    if let Ok(secret) = std::env::var(PANICS) {
        let level = "trace".to_owned();
        logging::start(&LogSettings { level, ..LogSettings::default() }, None).unwrap();
        let (runtime, back) = keyward::back::Back::start(1).unwrap();
        let quoted = secret.clone();
        let outcome: Result<(), _> = runtime.block_on(back.run(async move { panic!("{quoted}") }));
        tracing::error!(error = ?outcome.unwrap_err(), "the work was not done");
        panic!("{secret}");
    }
    let itself = std::env::current_exe().unwrap();
    let output = Command::new(itself)
        .args(["--exact", "a_panic_leaves_no_secret_behind", "--nocapture"])
        .env(PANICS, SECRET)
        .output()
        .unwrap();
    let (out, err) = (as_text(&output.stdout), as_text(&output.stderr));
    assert!(!output.status.success());
    assert_eq!(err.matches("panicked").count(), 2, "{err}");
    assert!(!err.contains("Canary") && !out.contains("Canary"), "{out}{err}");
}

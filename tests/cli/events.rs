//! `keyward events verify`, and checkpoints of the log.

use std::{fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    caller::Caller,
    metrics::metrics_of,
    metrics_reader::Metrics,
    place::{Place, Ran},
    process::Serving,
};

const KEYRING: &str = "keyward.keyring";
const CHECKPOINT: &str = "log.checkpoint";

/// Serves and keeps checkpoints, one a second.
fn serve(place: &Place) -> Serving {
    let variables = [
        ("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"),
        ("KEYWARD__AUDIT__CHECKPOINT_FILE", CHECKPOINT),
        ("KEYWARD__AUDIT__CHECKPOINT_INTERVAL_S", "1"),
    ];
    Serving::await_of(place.start(&["serve"], &variables))
}

fn verify(place: &Place, arguments: &[&str]) -> Ran {
    place.run(&[&["events", "verify", "--checkpoint", CHECKPOINT], arguments].concat())
}

fn public_key(place: &Place) -> String {
    let ran = place.run(&["keyring", "public-key"]).succeeded();
    ran.stdout.lines().next().unwrap().to_owned()
}

/// A deployment that served, with a checkpoint, and whose log went on from `before` until then.
fn served() -> (Place, Vec<u8>) {
    let place = Place::new();
    let secret = place.bootstrap();
    let before = fs::read(place.path("keyward.db")).unwrap();
    let server = serve(&place);
    Caller::new(server.address, &secret).mint();
    server.end().succeeded();
    (place, before)
}

#[test]
fn a_server_signs_checkpoints_again_and_again_and_when_it_ends() {
    let place = Place::new();
    let secret = place.bootstrap();
    let mut server = serve(&place);
    let line = server.process.stderr.until("a checkpoint was signed");
    let first = fs::read(place.path(CHECKPOINT)).unwrap();
    assert!(line.contains(&format!("checkpoint=\"{}\"", STANDARD.encode(&first))), "{line}");
    let mode = fs::metadata(place.path(CHECKPOINT)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "whoever keeps copies may read it");
    server.process.stderr.until("a checkpoint was signed");
    Caller::new(server.address, &secret).mint();
    server.end().succeeded();
    let ran = verify(&place, &[]).succeeded();
    let count = place.events();
    assert!(ran.stdout.starts_with(&format!("{count} events, unbroken. ")), "{ran:?}");
    let told = format!("The checkpoint of keyward at revision {count}, signed ");
    let line = ran.stdout.lines().nth(1).unwrap();
    let signed = line.strip_prefix(&told).and_then(|rest| rest.strip_suffix(", holds.")).unwrap();
    let kept = fs::read_to_string(place.path(CHECKPOINT)).unwrap();
    let time = signed.parse::<prost_types::Timestamp>().unwrap();
    assert!(kept.contains(&format!("\n{}\n", time.seconds)), "{kept} {signed}");
}

#[test]
fn a_checkpoint_is_logged_whatever_the_level() {
    for level in ["off", "warn", "keyward=error", "info"] {
        let place = Place::new();
        place.bootstrap();
        let variables = [
            ("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"),
            ("KEYWARD__AUDIT__CHECKPOINT_INTERVAL_S", "1"),
            ("KEYWARD__LOG__LEVEL", level),
        ];
        let mut process = place.start(&["serve"], &variables);
        process.stderr.until("a checkpoint was signed");
        let ran = process.end("TERM").succeeded();
        assert_eq!(ran.stderr.contains("serving"), level == "info", "{ran:?}");
    }
}

#[test]
fn an_older_database_in_place_of_the_newest_is_found() {
    let (place, before) = served();
    fs::write(place.path("keyward.db"), before).unwrap();
    place.run(&["events", "verify"]).succeeded();
    verify(&place, &[]).failed(1, &["the log ends at event ", "was cut off", "backup"]);
    let kept = fs::read(place.path(CHECKPOINT)).unwrap();
    let mut server = serve(&place);
    server.process.stderr.until("no checkpoint was signed");
    let ran = server.end().succeeded();
    assert!(ran.stderr.contains("was cut off"), "{ran:?}");
    assert_eq!(fs::read(place.path(CHECKPOINT)).unwrap(), kept);
}

#[test]
fn a_checkpoint_is_verified_without_the_keyring() {
    let (place, _) = served();
    let key = public_key(&place);
    assert!(key.starts_with("keyward+"), "{key}");
    let keyring = fs::read(place.path(KEYRING)).unwrap();
    fs::remove_file(place.path(KEYRING)).unwrap();
    verify(&place, &["--public-key", &key]).succeeded();
    verify(&place, &[]).failed(1, &[KEYRING, "does not exist"]);
    let ran = verify(&place, &["--public-key", &key[..key.len() - 1]]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("keyward keyring public-key"), "{ran:?}");
    let ran = place.run(&["events", "verify", "--public-key", &key]);
    assert_eq!(ran.status, 2, "{ran:?}");
    fs::write(place.path(KEYRING), keyring).unwrap();
}

#[test]
fn what_is_wrong_with_a_checkpoint_is_told() {
    let (place, _) = served();
    let other = served().0;
    let text = fs::read_to_string(place.path(CHECKPOINT)).unwrap();
    let key = public_key(&other);
    verify(&place, &["--public-key", &key]).failed(1, &[CHECKPOINT, "signed by another key"]);
    let cases = [
        (&text[..text.len() - 10], "is no checkpoint, or is damaged"),
        (&text.replacen('\n', "\n1", 3)[..], "its text cannot be read"),
        (&text.replace("\nkeyward\n", "\nkeywarD\n"), "its signature is wrong"),
        ("", "no empty line"),
    ];
    for (damaged, said) in cases {
        fs::write(place.path(CHECKPOINT), damaged).unwrap();
        verify(&place, &[]).failed(1, &[CHECKPOINT, said]);
    }
    fs::remove_file(place.path(CHECKPOINT)).unwrap();
    verify(&place, &[]).failed(1, &["cannot read log.checkpoint"]);
    fs::write(place.path(CHECKPOINT), text).unwrap();
    verify(&place, &[]).succeeded();
}

#[test]
fn what_an_older_key_signed_holds_after_the_key_was_replaced() {
    let (place, _) = served();
    let old = public_key(&place);
    let ran = place.run(&["keyring", "rotate", "--checkpoints"]).succeeded();
    assert!(ran.stdout.is_empty() && ran.stderr.contains("public-key"), "{ran:?}");
    let ran = place.run(&["keyring", "public-key"]).succeeded();
    let [new, older] = ran.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{ran:?}") };
    assert_eq!(older, old);
    verify(&place, &[]).succeeded();
    verify(&place, &["--public-key", new]).failed(1, &["another key"]);
    serve(&place).end().succeeded();
    verify(&place, &["--public-key", new]).succeeded();
    verify(&place, &["--public-key", &old]).failed(1, &["another key"]);
    verify(&place, &["--public-key", &old, "--public-key", new]).succeeded();
}

#[test]
fn a_keyring_of_a_version_without_checkpoints_is_served_and_given_a_key() {
    let place = Place::new();
    place.bootstrap();
    let text = fs::read_to_string(place.path(KEYRING)).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    document.as_object_mut().unwrap().remove("checkpoints").unwrap();
    fs::write(place.path(KEYRING), document.to_string()).unwrap();
    let ran = serve(&place).end().succeeded();
    assert!(ran.stderr.contains("keyring rotate --checkpoints"), "{ran:?}");
    assert!(!place.path(CHECKPOINT).exists());
    place.run(&["keyring", "public-key"]).failed(1, &[KEYRING, "keyring rotate --checkpoints"]);
    place.run(&["keyring", "rotate"]).succeeded();
    place.run(&["keyring", "public-key"]).failed(1, &[KEYRING]);
    place.run(&["keyring", "rotate", "--checkpoints"]).succeeded();
    serve(&place).end().succeeded();
    verify(&place, &[]).succeeded();
}

#[test]
fn there_are_no_checkpoints_where_none_are_wanted() {
    let place = Place::new();
    place.bootstrap();
    let variables = [
        ("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"),
        ("KEYWARD__AUDIT__CHECKPOINT_INTERVAL_S", "0"),
    ];
    let ran = Serving::await_of(place.start(&["serve"], &variables)).end().succeeded();
    assert!(!ran.stderr.contains("checkpoint"), "{ran:?}");
}

#[test]
fn a_file_that_cannot_be_written_stops_no_server_and_is_told_of_until_it_can() {
    let place = Place::new();
    let secret = place.bootstrap();
    let file = "absent/log.checkpoint";
    let variables = [
        ("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"),
        ("KEYWARD__AUDIT__CHECKPOINT_FILE", file),
        ("KEYWARD__AUDIT__CHECKPOINT_INTERVAL_S", "1"),
    ];
    let mut server = Serving::await_of(place.start(&["serve"], &variables));
    let line = server.process.stderr.until("no checkpoint was signed");
    assert!(
        line.contains("ERROR") && line.contains("cannot write absent/log.checkpoint"),
        "{line}"
    );
    let metrics = metrics_of(&server);
    // The second is told of after the first was counted.
    server.process.stderr.until("no checkpoint was signed");
    let told = Metrics::of(metrics);
    assert!(told.value("keyward_checkpoints_failures_total") >= 1.0, "{told:?}");
    assert_eq!(told.value("keyward_checkpoints_signed_total"), 0.0);
    assert!(told.value("keyward_checkpoints_age_seconds") >= 0.5, "{told:?}");
    Caller::new(server.address, &secret).mint();

    fs::create_dir(place.path("absent")).unwrap();
    server.process.stderr.until("a checkpoint was signed");
    server.process.stderr.until("a checkpoint was signed");
    let told = Metrics::of(metrics);
    assert!(told.value("keyward_checkpoints_signed_total") >= 1.0, "{told:?}");
    server.end().succeeded();
    place.run(&["events", "verify", "--checkpoint", file]).succeeded();
    let content: Vec<_> = fs::read_dir(place.path("absent")).unwrap().collect();
    assert_eq!(content.len(), 1, "no draft is left: {content:?}");
}

#[test]
fn a_file_that_hangs_keeps_nothing_else_from_its_end() {
    let place = Place::new();
    place.bootstrap();
    // Whoever opens it waits for somebody at the other end.
    let made = std::process::Command::new("mkfifo").arg(place.path(CHECKPOINT)).status();
    assert!(made.unwrap().success());
    let variables = [
        ("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"),
        ("KEYWARD__SERVER__DRAIN_TIMEOUT_MS", "20000"),
        ("KEYWARD__AUDIT__CHECKPOINT_FILE", CHECKPOINT),
    ];
    let ran = Serving::await_of(place.start(&["serve"], &variables)).end().succeeded();
    assert!(ran.stderr.contains("no checkpoint was signed at the end"), "{ran:?}");
    assert!(!ran.stderr.contains("the database did not close in time"), "{ran:?}");
}

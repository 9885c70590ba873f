//! Settings that no command runs with.

use std::fs;

use crate::place::{Place, closed_pipe, full};

/// Every command that reads settings.
const COMMANDS: [&[&str]; 9] = [
    &["serve"],
    &["serve", "--print-config"],
    &["quickstart", "--exit"],
    &["bootstrap"],
    &["migrate"],
    &["keyring", "rotate"],
    &["keyring", "public-key"],
    &["events", "verify"],
    &["health"],
];

#[test]
fn an_unknown_variable_stops_every_command_before_it_does_anything() {
    let place = Place::new();
    for command in COMMANDS {
        let ran = place.run_with(command, &[("KEYWARD__SERVER__LISEN", "127.0.0.1:0")]);
        ran.failed(2, &["unknown setting KEYWARD__SERVER__LISEN"]);
    }
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn unknown_settings_of_the_file_and_the_environment_are_all_named() {
    let place = Place::new();
    fs::write(place.path("keyward.toml"), "colour = 1\n[server]\nlisen = \"x\"\n").unwrap();
    let ran = place.run_with(
        &["serve", "--config", "keyward.toml"],
        &[("KEYWARD__LOG__LEVLE", "info"), ("KEYWARD__DATABASE", "x")],
    );
    ran.failed(
        2,
        &[
            "unknown setting colour",
            "unknown setting server.lisen",
            "unknown setting KEYWARD__LOG__LEVLE",
            "unknown setting KEYWARD__DATABASE",
        ],
    );
    assert_eq!(place.content(), ["keyward.toml"]);
}

#[test]
fn settings_that_contradict_each_other_are_all_named() {
    let place = Place::new();
    let ran = place.run_with(
        &["serve"],
        &[
            ("KEYWARD__SERVER__KEEPALIVE_INTERVAL_MS", "2000"),
            ("KEYWARD__SERVER__KEEPALIVE_TIMEOUT_MS", "3000"),
            ("KEYWARD__DATABASE__PATH", "same"),
            ("KEYWARD__KEYRING__PATH", "same"),
        ],
    );
    ran.failed(
        2,
        &[
            "server.keepalive_timeout_ms",
            "server.keepalive_interval_ms",
            "keyring.path",
            "database.path",
        ],
    );
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ran = Place::new().run(&["serve", "--config", "absent.toml"]);
    ran.failed(2, &["absent.toml"]);
}

#[test]
fn the_environment_wins_over_the_file() {
    let place = Place::new();
    fs::write(place.path("keyward.toml"), "[back]\nthreads = 3\n[log]\nlevel = \"warn\"\n")
        .unwrap();
    let command = ["serve", "--print-config", "--config", "keyward.toml"];
    let printed = place.run_with(&command, &[("KEYWARD__BACK__THREADS", "4")]).succeeded().stdout;
    assert!(printed.contains("back.threads = 4\n"), "{printed}");
    assert!(printed.contains("log.level = \"warn\"\n"), "{printed}");
}

#[test]
fn variables_of_others_are_let_be() {
    let place = Place::new();
    let variables = [("KEYWARD_PORT", "tcp://10.0.0.1:50051"), ("KEYWARDX", "1")];
    place.run_with(&["serve", "--print-config"], &variables).succeeded();
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_one_that_nobody_reads_is_none() {
    let place = Place::new();
    let command = ["serve", "--print-config"];
    assert_eq!(place.run_into(&command, full()).status, 1);
    let unread = place.run_into(&command, closed_pipe()).succeeded();
    assert_eq!(unread.stderr, "");
}

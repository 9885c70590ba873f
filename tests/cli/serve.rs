//! `keyward serve`.

use std::fs;

use keyward::config::Settings;

use crate::{caller::Caller, place::Place};

#[track_caller]
fn ends_in_good_order(signal: &str) {
    let place = Place::new();
    let secret = place.bootstrap();
    let server = place.serve();
    assert!(Caller::new(server.address, &secret).knows(&secret));
    let ran = server.process.end(signal).succeeded();
    assert_eq!(ran.stdout, "", "{ran:?}");
    for line in [" serving ", "asked to end", "every call was finished"] {
        assert_eq!(ran.stderr.matches(line).count(), 1, "{line}: {ran:?}");
    }
    assert!(!ran.stderr.contains(&secret), "{ran:?}");
    assert!(!ran.stderr.contains('\x1b'), "no colours where nobody looks: {ran:?}");
}

#[test]
fn sigterm_ends_it_with_status_0_and_nothing_goes_to_standard_output() {
    ends_in_good_order("TERM");
}

#[test]
fn sigint_ends_it_with_status_0() {
    ends_in_good_order("INT");
}

#[test]
fn a_signal_counts_from_the_moment_it_says_that_it_serves() {
    let place = Place::new();
    for _ in 0..5 {
        place.serve().end().succeeded();
    }
}

#[test]
fn it_serves_again_where_it_ended() {
    let place = Place::new();
    let secret = place.bootstrap();
    let first = place.serve();
    let made = Caller::new(first.address, &secret).mint();
    first.end().succeeded();
    let second = place.serve();
    assert!(Caller::new(second.address, &secret).knows(&made));
    second.end().succeeded();
}

#[test]
fn it_serves_again_where_it_was_killed() {
    let place = Place::new();
    let secret = place.bootstrap();
    let first = place.serve();
    let made = Caller::new(first.address, &secret).mint();
    drop(first);
    let second = place.serve();
    assert!(Caller::new(second.address, &secret).knows(&made));
}

#[test]
fn no_other_process_gets_at_the_database_meanwhile() {
    let place = Place::new();
    let server = place.serve();
    for command in [
        &["serve"][..],
        &["bootstrap"],
        &["bootstrap", "--force"],
        &["migrate"],
        &["events", "verify"],
    ] {
        let ran = place.run_with(command, &[("KEYWARD__SERVER__LISTEN", "127.0.0.1:0")]);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("another keyward process owns"), "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("keyward.db"), "{command:?}: {ran:?}");
    }
    server.end().succeeded();
    place.run(&["bootstrap"]).succeeded();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = Place::new();
    place.run(&["migrate"]).succeeded();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run_with(&["serve"], &[("KEYWARD__SERVER__LISTEN", &address)]);
    ran.failed(1, &[&format!("cannot listen on {address}")]);
}

#[test]
fn lines_of_the_log_are_json_where_that_is_set() {
    let place = Place::new();
    let variables = [("KEYWARD__SERVER__LISTEN", "127.0.0.1:0"), ("KEYWARD__LOG__FORMAT", "json")];
    let mut process = place.start(&["serve"], &variables);
    process.stderr.until("\"serving\"");
    let ran = process.end("TERM").succeeded();
    assert!(ran.stderr.lines().count() >= 3, "{ran:?}");
    for line in ran.stderr.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
    }
}

#[test]
fn print_config_prints_the_settings_in_force_and_does_nothing_else() {
    let place = Place::new();
    let ran = place.run(&["serve", "--print-config"]).succeeded();
    assert_eq!((ran.stdout, ran.stderr.as_str()), (Settings::default().print(), ""));
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn what_print_config_prints_is_a_file_of_settings() {
    let place = Place::new();
    let variables = [("KEYWARD__SERVER__LISTEN", "[::1]:7"), ("KEYWARD__BACK__THREADS", "3")];
    let printed = place.run_with(&["serve", "--print-config"], &variables).succeeded().stdout;
    assert!(printed.contains("server.listen = \"[::1]:7\"\n"), "{printed}");
    fs::write(place.path("keyward.toml"), &printed).unwrap();
    let again = place.run(&["--config", "keyward.toml", "serve", "--print-config"]).succeeded();
    assert_eq!(again.stdout, printed);
}

//! `keyward health`.

use std::net::TcpListener;

use crate::place::Place;

/// An address at which nothing answers: the port is reserved, and never given to who asks
/// for any.
const NOBODY: &str = "127.0.0.1:1";

#[test]
fn a_server_that_serves_is_healthy() {
    let place = Place::new();
    let server = place.serve();
    let address = server.address.to_string();
    let ran = place.run(&["health", "--address", &address]).succeeded();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("SERVING\n", ""));
}

#[test]
fn the_address_of_the_settings_is_asked_where_none_is_given() {
    let place = Place::new();
    let server = place.serve();
    let address = server.address.to_string();
    let listen = [("KEYWARD__SERVER__LISTEN", address.as_str())];
    assert_eq!(place.run_with(&["health"], &listen).succeeded().stdout, "SERVING\n");
    let nobody = place.run_with(&["health"], &[("KEYWARD__SERVER__LISTEN", NOBODY)]);
    nobody.failed(1, &[NOBODY]);
}

#[test]
fn where_nothing_answers_the_address_is_named() {
    let place = Place::new();
    let ran = place.run(&["health", "--address", NOBODY]);
    ran.failed(1, &["nothing answers at 127.0.0.1:1"]);
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn something_that_is_no_server_is_not_healthy() {
    // Its backlog takes the connection, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let ran = Place::new().run(&["health", "--address", &address]);
    ran.failed(1, &[&address]);
}

#[test]
fn an_address_that_is_none_is_refused() {
    let ran = Place::new().run(&["health", "--address", "no address"]);
    ran.failed(1, &[]);
}

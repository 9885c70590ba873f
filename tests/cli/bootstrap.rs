//! `keyward bootstrap`.

use keyward::proto::EventKind;

use crate::{
    caller::{Caller, is_secret},
    place::{Place, closed_pipe, full},
};

#[test]
fn one_secret_alone_goes_to_standard_output() {
    let place = Place::new();
    let ran = place.run(&["bootstrap"]).succeeded();
    let secret = ran.stdout.strip_suffix('\n').unwrap();
    assert!(is_secret(secret, "keyward"), "{ran:?}");
    assert!(ran.stderr.contains("workspaces/system/keys/bootstrap"), "{ran:?}");
    assert!(!ran.stderr.contains(secret), "{ran:?}");
    assert_eq!(place.content(), ["keyward.db", "keyward.db.lock", "keyward.keyring"]);
}

#[test]
fn the_secret_is_that_of_a_caller_that_may_do_everything() {
    let place = Place::new();
    let secret = place.bootstrap();
    let server = place.serve();
    let keys = Caller::new(server.address, &secret).keys("workspaces/system");
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(keys[0].name, "workspaces/system/keys/bootstrap");
    assert_eq!(keys[0].grants[0].scope, "*");
}

#[test]
fn a_second_run_says_done_and_mints_nothing() {
    let place = Place::new();
    let secret = place.bootstrap();
    let before = place.events();
    let ran = place.run(&["bootstrap"]).succeeded();
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("Done before") && ran.stderr.contains("--force"), "{ran:?}");
    assert_eq!(place.events(), before);
    let server = place.serve();
    assert_eq!(Caller::new(server.address, &secret).keys("workspaces/system").len(), 1);
}

#[test]
fn force_mints_another_and_the_log_says_so() {
    let place = Place::new();
    let first = place.bootstrap();
    let ran = place.run(&["bootstrap", "--force"]).succeeded();
    let second = ran.stdout.strip_suffix('\n').unwrap();
    assert!(is_secret(second, "keyward") && second != first, "{ran:?}");
    let server = place.serve();
    let caller = Caller::new(server.address, second);
    assert!(caller.knows(&first) && caller.knows(second));
    let events = caller.events("");
    let minted: Vec<_> = events
        .iter()
        .filter(|event| event.kind() == EventKind::KeyCreated)
        .map(|event| event.actor.as_str())
        .collect();
    assert_eq!(minted, ["bootstrap", "bootstrap --force"]);
}

#[test]
fn a_secret_that_nobody_gets_is_a_failure_with_the_remedy() {
    for stdout in [full, closed_pipe] {
        let place = Place::new();
        let ran = place.run_into(&["bootstrap"], stdout());
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stderr.contains("the secret could not be printed"), "{ran:?}");
        assert!(ran.stderr.contains("mint another with --force"), "{ran:?}");
        let secret = place.run(&["bootstrap", "--force"]).succeeded().stdout;
        let server = place.serve();
        assert_eq!(Caller::new(server.address, secret.trim()).keys("workspaces/system").len(), 2);
    }
}

#[test]
fn beside_a_running_server_it_says_what_to_do_instead() {
    let place = Place::new();
    let server = place.serve();
    for command in [&["bootstrap"][..], &["bootstrap", "--force"]] {
        place.run(command).failed(
            1,
            &["keyward.db", "Stop that one, run `keyward bootstrap` again", "KeyAdmin/CreateKey"],
        );
    }
    server.end().succeeded();
    let secret = place.bootstrap();
    // And that way a running server mints another.
    assert!(is_secret(&Caller::new(place.serve().address, &secret).mint(), "keyward"));
}

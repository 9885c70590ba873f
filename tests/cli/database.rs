//! `keyward migrate` and `keyward events`.

use sea_orm::{ConnectionTrait as _, Database};
use tokio::runtime::Builder;

use crate::{caller::Caller, place::Place};

/// Runs a statement behind the back of every command.
fn execute(place: &Place, sql: &str) {
    let url = format!("sqlite:{}", place.path("keyward.db").display());
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let connection = Database::connect(url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn migrating_twice_changes_nothing_more() {
    let place = Place::new();
    for _ in 0..2 {
        let ran = place.run(&["migrate"]).succeeded();
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("keyward.db fits this version"), "{ran:?}");
    }
    assert_eq!(place.events(), 0);
    assert_eq!(place.content(), ["keyward.db", "keyward.db.lock"]);
}

#[test]
fn migrating_keeps_what_is_there() {
    let place = Place::new();
    let secret = place.bootstrap();
    let events = place.events();
    place.run(&["migrate"]).succeeded();
    assert_eq!(place.events(), events);
    let server = place.serve();
    assert!(Caller::new(server.address, &secret).knows(&secret));
}

#[test]
fn a_database_of_a_newer_version_is_refused_by_every_command() {
    let place = Place::new();
    place.bootstrap();
    execute(&place, "INSERT INTO seaql_migrations VALUES ('m29990101_000001_tomorrow', 0)");
    for command in [&["serve"][..], &["bootstrap"], &["migrate"]] {
        let ran = place.run_with(command, &[("KEYWARD__SERVER__LISTEN", "127.0.0.1:0")]);
        ran.failed(1, &["keyward.db", "newer keyward", "m29990101_000001_tomorrow"]);
    }
    execute(&place, "DELETE FROM seaql_migrations WHERE version LIKE 'm2999%'");
    place.run(&["migrate"]).succeeded();
}

/// The newest change of the schema, and the one before.
const CHANGES: [&str; 2] =
    ["m20261122_000005_add_deleted_principals", "m20261122_000004_add_usage"];

#[test]
fn a_schema_goes_back_for_an_older_version_and_up_again() {
    let place = Place::new();
    let secret = place.bootstrap();
    let events = place.events();
    let ran = place.run(&["migrate", "--down"]).succeeded();
    assert!(ran.stderr.contains(CHANGES[0]) && !ran.stderr.contains(CHANGES[1]), "{ran:?}");
    // Nothing after that change is left to be taken back.
    let again = place.run(&["migrate", "--down", "--to", CHANGES[1]]).succeeded();
    assert!(again.stderr.contains("nothing to take back"), "{again:?}");
    place.run(&["migrate"]).succeeded();
    assert_eq!(place.events(), events);
    assert!(Caller::new(place.serve().address, &secret).knows(&secret));
}

#[test]
fn what_going_back_would_lose_is_named_and_kept_unless_it_may_be_lost() {
    let place = Place::new();
    let secret = place.bootstrap();
    let server = place.serve();
    assert!(Caller::new(server.address, &secret).knows(&secret));
    server.end().succeeded();
    execute(&place, "UPDATE keys SET plan = 'gold'");
    let down = ["migrate", "--down", "--to", "m20261122_000001_create_tables"];
    place
        .run(&down)
        .failed(1, &["how often keys were used", "the plans of", "back it up", "--force"]);
    assert!(Caller::new(place.serve().address, &secret).knows(&secret));
    let forced = place.run(&[&down[..], &["--force"]].concat()).succeeded();
    assert!(forced.stderr.contains("m20261122_000002_add_plans"), "{forced:?}");
    place.run(&["migrate"]).succeeded();
    assert!(Caller::new(place.serve().address, &secret).knows(&secret));
}

#[test]
fn a_change_that_was_never_made_is_answered_with_those_that_were() {
    let place = Place::new();
    place.run(&["migrate"]).succeeded();
    let ran = place.run(&["migrate", "--down", "--to", "m2026"]);
    ran.failed(1, &["\"m2026\"", CHANGES[0], CHANGES[1]]);
    let half = place.run(&["migrate", "--to", CHANGES[1]]);
    assert!(half.status == 2 && half.stderr.contains("--down"), "{half:?}");
}

#[test]
fn a_running_server_keeps_its_schema() {
    let place = Place::new();
    let server = place.serve();
    place.run(&["migrate", "--down", "--force"]).failed(1, &["keyward.db", "stop it first"]);
    server.end().succeeded();
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let place = Place::new();
    let text = "a file that somebody needs ".repeat(1_000);
    std::fs::write(place.path("keyward.db"), &text).unwrap();
    let ran = place.run_with(&["serve"], &[("KEYWARD__SERVER__LISTEN", "127.0.0.1:0")]);
    ran.failed(1, &["keyward.db"]);
    assert_eq!(std::fs::read_to_string(place.path("keyward.db")).unwrap(), text);
}

#[test]
fn a_good_log_is_found_whole_and_grows_with_every_change() {
    let place = Place::new();
    let secret = place.bootstrap();
    let before = place.events();
    let server = place.serve();
    Caller::new(server.address, &secret).mint();
    server.end().succeeded();
    assert_eq!(place.events(), before + 1);
}

#[test]
fn an_event_that_was_edited_is_named() {
    let place = Place::new();
    place.bootstrap();
    execute(&place, "UPDATE events SET actor = 'nobody' WHERE revision = 2");
    place.run(&["events", "verify"]).failed(1, &["the log is broken at event 2"]);
}

#[test]
fn the_end_of_a_good_log_is_told_for_keeping_elsewhere() {
    let place = Place::new();
    let secret = place.bootstrap();
    let ran = place.run(&["events", "verify"]).succeeded();
    let (count, last) = ran.stdout.split_once(" events, unbroken. Last: ").unwrap();
    let server = place.serve();
    let events = Caller::new(server.address, &secret).events("");
    let event = events.last().unwrap();
    let hash: String = event.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(count, events.len().to_string());
    assert_eq!(last, format!("revision {}, hash {hash}\n", event.revision));
}

#[test]
fn where_there_is_no_database_none_is_made_to_be_verified() {
    let place = Place::new();
    place.run(&["events", "verify"]).failed(1, &["there is no database at keyward.db"]);
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn the_log_of_a_running_server_is_not_verified_and_the_help_says_so() {
    let place = Place::new();
    let server = place.serve();
    place.run(&["events", "verify"]).failed(1, &["keyward.db", "stop it first"]);
    server.end().succeeded();
    let ran = place.run(&["events", "verify", "--help"]).succeeded();
    assert!(ran.stdout.contains("Stop the server first"), "{ran:?}");
}

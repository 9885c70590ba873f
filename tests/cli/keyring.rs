//! The keyring file, and `keyward keyring`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use serde_json::Value;

use crate::{caller::Caller, place::Place};

const FILE: &str = "keyward.keyring";

/// The version of the key that signed a caller's secret.
fn version(secret: &str) -> char {
    secret.strip_prefix("keyward_").unwrap().chars().next().unwrap()
}

fn rotate(place: &Place) {
    let ran = place.run(&["keyring", "rotate"]).succeeded();
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert!(ran.stderr.contains(FILE), "{ran:?}");
}

#[test]
fn it_is_made_for_its_owner_alone() {
    let place = Place::new();
    place.bootstrap();
    for file in [FILE, "keyward.db"] {
        let mode = fs::metadata(place.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn one_that_others_may_read_is_refused_with_the_remedy() {
    let place = Place::new();
    place.bootstrap();
    fs::set_permissions(place.path(FILE), Permissions::from_mode(0o644)).unwrap();
    for command in [&["serve"][..], &["bootstrap", "--force"], &["keyring", "rotate"]] {
        let ran = place.run(command);
        ran.failed(1, &["0644", "chmod 600 keyward.keyring"]);
    }
    fs::set_permissions(place.path(FILE), Permissions::from_mode(0o600)).unwrap();
    place.run(&["bootstrap", "--force"]).succeeded();
}

#[test]
fn one_that_is_lost_is_never_replaced_by_a_new_one() {
    let place = Place::new();
    place.bootstrap();
    fs::remove_file(place.path(FILE)).unwrap();
    for command in
        [&["serve"][..], &["bootstrap"], &["bootstrap", "--force"], &["keyring", "rotate"]]
    {
        place.run(command).failed(1, &[FILE, "does not exist", "Restore it from backup"]);
    }
    assert!(!place.content().iter().any(|name| name.contains("keyring")), "{:?}", place.content());
}

#[test]
fn that_of_another_deployment_is_refused_and_both_files_stay() {
    let (place, other) = (Place::new(), Place::new());
    let secret = place.bootstrap();
    other.bootstrap();
    let own = fs::read(place.path(FILE)).unwrap();
    fs::copy(other.path(FILE), place.path(FILE)).unwrap();
    for command in [&["serve"][..], &["bootstrap", "--force"]] {
        place.run(command).failed(1, &["this keyring is not the one", "keyward.db", "backup"]);
    }
    assert_eq!(fs::read(place.path(FILE)).unwrap(), fs::read(other.path(FILE)).unwrap());
    fs::write(place.path(FILE), own).unwrap();
    let server = place.serve();
    assert!(Caller::new(server.address, &secret).knows(&secret));
}

#[test]
fn one_that_is_damaged_is_refused_without_a_word_of_its_content() {
    let place = Place::new();
    place.bootstrap();
    let text = fs::read_to_string(place.path(FILE)).unwrap();
    let key = text.split('"').find(|part| part.len() == 64).unwrap();
    fs::write(place.path(FILE), text.replace(key, &key[..63])).unwrap();
    let ran = place.run(&["serve"]);
    ran.failed(1, &[FILE, "is no keyring", "restore it from backup"]);
    assert!(!ran.stderr.contains(&key[..8]), "{ran:?}");
}

#[test]
fn after_a_rotation_new_secrets_have_the_new_version_and_old_ones_still_work() {
    let place = Place::new();
    let old = place.bootstrap();
    rotate(&place);
    let server = place.serve();
    let caller = Caller::new(server.address, &old);
    let new = caller.mint();
    assert_eq!((version(&old), version(&new)), ('0', '1'));
    assert!(caller.knows(&old) && caller.knows(&new));
    server.end().succeeded();
    rotate(&place);
    let server = place.serve();
    let caller = Caller::new(server.address, &old);
    let newest = caller.mint();
    assert_eq!(version(&newest), '2');
    assert!(caller.knows(&old) && caller.knows(&new) && caller.knows(&newest));
}

#[test]
fn one_without_the_key_that_signed_a_live_secret_is_refused() {
    let place = Place::new();
    place.bootstrap();
    rotate(&place);
    let text = fs::read_to_string(place.path(FILE)).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    document["keys"].as_array_mut().unwrap().retain(|key| key["version"] != "0");
    fs::write(place.path(FILE), document.to_string()).unwrap();
    place.run(&["serve"]).failed(1, &["keyring", "version 0"]);
    fs::write(place.path(FILE), text).unwrap();
    place.serve().end().succeeded();
}

#[test]
fn a_running_server_signs_as_before_until_its_next_start() {
    let place = Place::new();
    let secret = place.bootstrap();
    let server = place.serve();
    rotate(&place);
    assert_eq!(version(&Caller::new(server.address, &secret).mint()), '0');
    server.end().succeeded();
    let server = place.serve();
    assert_eq!(version(&Caller::new(server.address, &secret).mint()), '1');
}

#[test]
fn who_rotates_one_of_several_processes_is_told_to_copy_it_to_all() {
    let place = Place::new();
    place.bootstrap();
    let server = [("KEYWARD__DATABASE__URL", "postgres://keyward@127.0.0.1:1/keyward")];
    let cases = [
        (&["keyring", "rotate"][..], "refuses what the others sign"),
        (&["keyring", "rotate", "--checkpoints"], "signs no checkpoint in a file that they share"),
    ];
    for (command, left_out) in cases {
        let ran = place.run_with(command, &server).succeeded();
        for said in ["Copy it to every process that uses the database", left_out] {
            assert!(ran.stderr.contains(said), "{ran:?}");
        }
        let alone = place.run(command).succeeded();
        assert!(!alone.stderr.contains("every process"), "{alone:?}");
    }
}

#[test]
fn there_is_nothing_to_rotate_before_it_is_made() {
    let place = Place::new();
    place.run(&["keyring", "rotate"]).failed(1, &[FILE, "does not exist"]);
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn one_is_made_where_there_is_none_and_never_in_place_of_another() {
    let place = Place::new();
    let ran = place.run(&["keyring", "init"]).succeeded();
    assert_eq!(ran.stdout, "");
    for said in [FILE, "keep a copy", "create secret generic keyward-keyring --from-file=keyring="]
    {
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    let made = fs::read_to_string(place.path(FILE)).unwrap();
    assert_eq!(fs::metadata(place.path(FILE)).unwrap().permissions().mode() & 0o7777, 0o600);
    let key = made.split('"').find(|part| part.len() == 64).unwrap();
    assert!(!ran.stderr.contains(&key[..8]), "{ran:?}");
    place.run(&["keyring", "init"]).failed(1, &[FILE, "is there already", "keyring rotate"]);
    assert_eq!(fs::read_to_string(place.path(FILE)).unwrap(), made);
    assert_eq!(place.content(), [FILE]);
    // It is the one that the first secret is signed with.
    place.bootstrap();
    assert_eq!(fs::read_to_string(place.path(FILE)).unwrap(), made);
}

#[test]
fn one_is_made_where_it_is_told_to_be() {
    let place = Place::new();
    place.run(&["keyring", "init", "--path", "other"]).succeeded();
    assert_eq!(place.content(), ["other"]);
    place.run(&["keyring", "init", "--path", "absent/other"]).failed(1, &["cannot create absent/"]);
}

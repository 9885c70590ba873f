//! `keyward descriptor-set`.

use std::fs::File;

use crate::place::Place;

#[test]
fn the_compiled_api_is_printed_byte_for_byte() {
    let place = Place::new();
    let file = place.path("keyward.binpb");
    let mut command = place.command(&["descriptor-set"], &[]);
    assert!(command.stdout(File::create(&file).unwrap()).status().unwrap().success());
    assert_eq!(std::fs::read(file).unwrap(), keyward::proto::DESCRIPTOR_SET);
    assert_eq!(place.content(), ["keyward.binpb"]);
}

#[test]
fn a_set_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    let mut command = place.command(&["descriptor-set"], &[]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = command.stdout(full).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stderr).starts_with("keyward: "), "{ran:?}");
}

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use ring::rand::SystemRandom;
use tempfile::TempDir;

use super::*;
use crate::domain::secret::Prefix;

const NOW: i64 = 1_767_225_600;
const KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdefFEDCBA9876543210";

fn entry(version: &str, key: &str) -> String {
    format!(r#"{{"version":"{version}","created":1,"key":"{key}"}}"#)
}

fn document(current: &str, entries: &[String]) -> String {
    format!(r#"{{"current":"{current}","keys":[{}]}}"#, entries.join(","))
}

/// A directory with a keyring file of this text and mode.
fn place(text: &str, mode: u32) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn current(keyring: &Keyring) -> String {
    keyring.current().version().to_string()
}

/// Loading and rotating refuse the file alike, leave it as it is, and tell nothing of the key.
#[track_caller]
fn check_refused(text: &str, mode: u32, message: &str) {
    let (directory, path) = place(text, mode);
    let refusals = [load_or_create(&path, true, NOW).err(), rotate(&path, NOW).err()];
    for refusal in refusals.map(Option::unwrap) {
        let shown = refusal.to_string();
        assert!(shown.contains(message), "{shown}");
        assert!(shown.contains(path.to_str().unwrap()), "{shown}");
        for told in [shown, format!("{refusal:?}")] {
            let told = told.to_lowercase();
            for part in ["00112233", "445566778899", "fedcba98", "76543210"] {
                assert!(!told.contains(part), "{told}");
            }
        }
    }
    assert_eq!(names(&directory), ["keyring.json"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[track_caller]
fn check_malformed(text: &str) {
    check_refused(text, 0o600, "is no keyring");
}

#[test]
fn a_new_keyring_is_private_and_stays_the_same() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    let made = load_or_create(&path, true, NOW).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(&directory), ["keyring.json"]);
    assert!(fs::read_to_string(&path).unwrap().contains(r#""created":1767225600"#));
    for may_create in [true, false] {
        let again = load_or_create(&path, may_create, NOW + 1).unwrap();
        assert_eq!(again.current().fingerprint(), made.current().fingerprint());
    }
}

#[test]
fn two_new_keyrings_differ() {
    let fingerprint = || {
        let directory = TempDir::new().unwrap();
        let keyring = load_or_create(&directory.path().join("k"), true, NOW).unwrap();
        keyring.current().fingerprint()
    };
    assert_ne!(fingerprint(), fingerprint());
}

#[test]
fn processes_that_start_at_once_agree_on_one_keyring() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    let start = std::sync::Barrier::new(8);
    let load = || {
        start.wait();
        load_or_create(&path, true, NOW).unwrap().current().fingerprint()
    };
    let fingerprints: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(fingerprints.windows(2).all(|pair| pair.first() == pair.last()));
    assert_eq!(names(&directory), ["keyring.json"]);
}

#[test]
fn an_absent_keyring_is_to_be_restored() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    for refusal in [load_or_create(&path, false, NOW).err(), rotate(&path, NOW).err()] {
        let refusal = refusal.unwrap();
        assert!(matches!(refusal, KeyringError::Absent { .. }));
        assert!(refusal.to_string().contains("Restore it from backup"), "{refusal}");
    }
    assert!(names(&directory).is_empty());
    let nowhere = directory.path().join("absent/keyring.json");
    let refusal = load_or_create(&nowhere, true, NOW).err().unwrap();
    assert!(refusal.to_string().starts_with("cannot create"), "{refusal}");
}

#[test]
fn a_file_that_others_may_touch_is_refused() {
    let text = document("0", &[entry("0", KEY)]);
    for mode in [0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666] {
        check_refused(&text, mode, &format!("(mode {mode:04o}); run `chmod 600 "));
    }
    for mode in [0o600, 0o400, 0o700] {
        let (_directory, path) = place(&text, mode);
        assert_eq!(current(&load_or_create(&path, false, NOW).unwrap()), "0");
    }
}

#[test]
fn a_keyring_of_roots_that_its_group_may_read_stays_so() {
    let (_directory, path) = place(&document("0", &[entry("0", KEY)]), 0o640);
    // Only where root runs the tests is it root's.
    let is_roots = fs::metadata(&path).unwrap().uid() == 0;
    assert_eq!(load_or_create(&path, false, NOW).is_ok(), is_roots);
    assert_eq!(rotate(&path, NOW).is_ok(), is_roots);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(load_or_create(&path, false, NOW).is_ok(), is_roots);
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let directory = TempDir::new().unwrap();
    for path in [directory.path(), Path::new("/dev/null")] {
        let refusal = load_or_create(path, true, NOW).err().unwrap();
        assert!(matches!(refusal, KeyringError::NotRegular { .. }), "{refusal}");
    }
}

#[test]
fn what_is_no_keyring_is_refused_without_a_word_of_it() {
    let whole = document("0", &[entry("0", KEY)]);
    for at in 0..whole.len() {
        check_malformed(whole.split_at(at).0);
    }
    check_malformed(&format!("{whole}{whole}"));
    check_malformed(&"x".repeat(70_000));
    check_malformed(&format!(r#""{KEY}""#));
    check_malformed(&document(KEY, &[entry("0", KEY)]));
    check_malformed(&document("é", &[entry("0", KEY)]));
    check_malformed(&document("0", &[entry(KEY, KEY)]));
    check_malformed(&document("0", &[entry("0", &format!("{KEY}00"))]));
    check_malformed(&document("0", &[entry("0", KEY.split_at(62).0)]));
    check_malformed(&document("0", &[entry("0", &KEY.replace('0', "g"))]));
    check_malformed(&document("0", &[entry("0", &KEY.replace("00", "é"))]));
    check_malformed(&whole.replace("keys", KEY));
    check_malformed(&whole.replace("\"created\"", &format!("\"{KEY}\":1,\"created\"")));
    check_malformed(&whole.replace("\"created\":1,", ""));
}

#[test]
fn contradictory_keys_are_refused() {
    let twice = document("0", &[entry("0", KEY), entry("0", KEY)]);
    check_refused(&twice, 0o600, "version 0 occurs twice");
    check_refused(&document("1", &[entry("0", KEY)]), 0o600, "current version 1 is not among");
    check_refused(&document("0", &[]), 0o600, "current version 0 is not among");
}

#[test]
fn rotation_keeps_the_old_keys_and_mints_with_the_new() {
    let (directory, path) = place(&document("A", &[entry("A", KEY), entry("0", KEY)]), 0o600);
    let prefix = Prefix::parse("kw").unwrap();
    let before = load_or_create(&path, false, NOW).unwrap();
    let old = before.mint(&prefix, &SystemRandom::new()).unwrap();
    assert_eq!(rotate(&path, NOW).unwrap().to_string(), "1");
    let after = load_or_create(&path, false, NOW).unwrap();
    let new = after.mint(&prefix, &SystemRandom::new()).unwrap();
    assert_eq!(current(&after), "1");
    assert!(after.recognise(old.secret.as_str()).unwrap().digest == old.digest);
    assert!(after.recognise(new.secret.as_str()).is_some());
    assert!(before.recognise(new.secret.as_str()).is_none());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(&directory), ["keyring.json"]);
}

#[test]
fn rotation_ends_when_all_versions_are_taken() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    load_or_create(&path, true, NOW).unwrap();
    for version in KeyVersion::all().skip(1) {
        assert_eq!(rotate(&path, NOW).unwrap(), version);
    }
    let full = fs::read(&path).unwrap();
    let refusal = rotate(&path, NOW).unwrap_err();
    assert!(refusal.to_string().contains("all 62 versions"), "{refusal}");
    assert_eq!(fs::read(&path).unwrap(), full);
    assert_eq!(load_or_create(&path, false, NOW).unwrap().keys().count(), 62);
}

#[test]
fn rotations_at_once_lose_no_key() {
    let (_directory, path) = place(&document("0", &[entry("0", KEY)]), 0o600);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| rotate(&path, NOW).unwrap());
        }
    });
    assert_eq!(load_or_create(&path, false, NOW).unwrap().keys().count(), 9);
}

#[test]
fn rotation_follows_a_symbolic_link_and_leaves_it() {
    let (directory, path) = place(&document("0", &[entry("0", KEY)]), 0o600);
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    rotate(&link, NOW).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(current(&load_or_create(&path, false, NOW).unwrap()), "1");
}

#[test]
fn a_new_keyring_has_a_key_for_checkpoints_and_an_older_file_is_given_one() {
    let directory = TempDir::new().unwrap();
    let made = directory.path().join("made.json");
    load_or_create(&made, true, NOW).unwrap();
    let first = checkpoint_keys(&made).unwrap();
    assert!(first.current.is_some() && first.older.is_empty());

    let (_directory, path) = place(&document("0", &[entry("0", KEY)]), 0o600);
    assert!(checkpoint_keys(&path).unwrap().public().next().is_none());
    assert_eq!(rotate(&path, NOW).unwrap().to_string(), "1");
    assert!(checkpoint_keys(&path).unwrap().current.is_none(), "only on purpose");
    let added = rotate_checkpoint_key(&path, NOW).unwrap();
    assert!(checkpoint_keys(&path).unwrap().public().eq([added]));
    assert_eq!(current(&load_or_create(&path, false, NOW).unwrap()), "1");
}

#[test]
fn a_replaced_key_of_checkpoints_leaves_its_public_half_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    let signing = load_or_create(&path, true, NOW).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let seed = text.split("\"seed\":\"").nth(1).unwrap().split('"').next().unwrap();
    let first = checkpoint_keys(&path).unwrap().current.unwrap().public();
    let second = rotate_checkpoint_key(&path, NOW + 1).unwrap();
    let third = rotate_checkpoint_key(&path, NOW + 2).unwrap();
    let keys = checkpoint_keys(&path).unwrap();
    assert!(keys.public().eq([third, second, first]));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(seed), "nobody signs with it any more");
    let again = load_or_create(&path, false, NOW).unwrap();
    assert_eq!(again.current().fingerprint(), signing.current().fingerprint());
    rotate(&path, NOW).unwrap();
    assert!(checkpoint_keys(&path).unwrap().public().eq([third, second, first]));
}

#[test]
fn keys_of_checkpoints_are_bounded() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keyring.json");
    load_or_create(&path, true, NOW).unwrap();
    for _ in 1..checkpoints::KEYS_MAX {
        rotate_checkpoint_key(&path, NOW).unwrap();
    }
    let full = fs::read(&path).unwrap();
    let refusal = rotate_checkpoint_key(&path, NOW).unwrap_err();
    assert!(refusal.to_string().contains("62 keys of checkpoints"), "{refusal}");
    assert_eq!(fs::read(&path).unwrap(), full);
    assert_eq!(checkpoint_keys(&path).unwrap().public().count(), checkpoints::KEYS_MAX);
}

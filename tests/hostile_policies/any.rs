//! Whatever the bytes are: a policy, or a fault that stands in the file.

use std::{collections::BTreeSet, fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::attack::{inside, read};

/// How many files are tried of each kind.
const CASES: u32 = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

/// The policies that Keyward comes with.
fn sound() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let paths: BTreeSet<_> = paths.collect();
    assert!(paths.len() >= 5);
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Reads a file; whatever comes of it is whole. What is said is bounded by the file: each
/// fault stands in it, and there are at most a thousand.
#[track_caller]
fn reads(file: &[u8]) {
    match read(file) {
        // The message is as good as the file: it is what the policy was made of.
        Ok(read) => {
            assert_eq!(read.message.scopes.len(), read.policy.document().scopes.len());
            assert!(read.policy.key_type("").is_some());
        }
        Err(faults) => inside(file, &faults),
    }
}

/// One thing that befalls a file.
#[derive(Clone, Debug)]
enum Mishap {
    /// A bit is another.
    Flip(Index, u8),
    /// A part is missing.
    Cut(Index, usize),
    /// Nothing comes any more.
    End(Index),
    /// A line is there twice.
    Double(Index),
    /// A line is where another was, which is gone.
    Move(Index, Index),
    /// Something that means something in YAML stands there.
    Insert(Index, &'static str),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let at = any::<Index>;
    let pieces = [
        "*", "&a ", "!t ", "<<: ", "- ", "? ", ": ", "[", "]", "{", "}", "\t", "\n", "\r", "\0",
        "#", "\"", "'", "|\n", "---\n", "...\n", "%", "\u{FEFF}", "\u{202E}", "~", ", ",
    ];
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Mishap::Flip(at, bit)),
        (at(), 1..200_usize).prop_map(|(at, length)| Mishap::Cut(at, length)),
        at().prop_map(Mishap::End),
        at().prop_map(Mishap::Double),
        (at(), at()).prop_map(|(from, to)| Mishap::Move(from, to)),
        (at(), prop::sample::select(pieces.to_vec()))
            .prop_map(|(at, piece)| Mishap::Insert(at, piece)),
    ]
}

fn befall(file: &mut Vec<u8>, mishap: &Mishap) {
    let lines = |file: &[u8]| -> Vec<Vec<u8>> {
        file.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
    };
    if file.is_empty() {
        return;
    }
    match mishap {
        Mishap::Flip(at, bit) => *at.get_mut(file) ^= 1 << bit,
        Mishap::Cut(at, length) => {
            let start = at.index(file.len());
            file.drain(start..(start + length).min(file.len()));
        }
        Mishap::End(at) => file.truncate(at.index(file.len())),
        Mishap::Double(at) => {
            let mut all = lines(file);
            let at = at.index(all.len());
            all.insert(at, all[at].clone());
            *file = all.concat();
        }
        Mishap::Move(from, to) => {
            let mut all = lines(file);
            let to = to.index(all.len());
            all[to] = all[from.index(all.len())].clone();
            *file = all.concat();
        }
        Mishap::Insert(at, piece) => {
            let at = at.index(file.len());
            file.splice(at..at, piece.bytes());
        }
    }
}

/// Bytes that are mostly what YAML is made of.
fn signs() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "scopes",
        "key_types",
        "roles",
        "name",
        "implies",
        "a",
        "\"",
        "'",
        ":",
        ": ",
        " ",
        "  ",
        "\n",
        "\n  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "*",
        "&a",
        "!",
        "|",
        ">",
        "#",
        "%",
        "@",
        "?",
        "~",
        "---",
        "...",
        "\t",
        "\r",
        "\u{E9}",
        "\u{85}",
        "\u{2028}",
        "<<",
        "1",
        "true",
    ];
    vec(prop::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

#[test]
fn the_policies_that_are_changed_here_are_sound() {
    for file in sound() {
        assert!(read(&file).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_policy_or_have_a_fault_in_them(file in vec(any::<u8>(), 0..400)) {
        reads(&file);
    }

    #[test]
    fn any_signs_are_a_policy_or_have_a_fault_in_them(file in signs()) {
        reads(&file);
    }
}

proptest! {
    // Each reads a whole policy.
    #![proptest_config(ProptestConfig { cases: CASES / 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_policies_are_policies_or_have_a_fault_in_them(
        which in any::<Index>(),
        mishaps in vec(mishap(), 1..6),
    ) {
        let mut file = which.get(&sound()).clone();
        mishaps.iter().for_each(|mishap| befall(&mut file, mishap));
        reads(&file);
    }
}

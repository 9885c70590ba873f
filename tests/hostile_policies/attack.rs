//! A hostile file and what is said of it.

use std::fmt::Write as _;

use keyward::policy_file::{FileFaults, SIZE_MAX};

/// What the reader says.
pub(crate) use crate::reader::try_read as read;

/// A file and all of its faults.
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) file: Vec<u8>,
    pub(crate) faults: Vec<String>,
}

/// An attack, with the faults as they are printed.
pub(crate) fn attack(
    name: impl Into<String>,
    file: impl Into<Vec<u8>>,
    faults: &[impl AsRef<str>],
) -> Attack {
    let faults = faults.iter().map(|fault| fault.as_ref().to_owned()).collect();
    Attack { name: name.into(), file: file.into(), faults }
}

/// A sound policy of four lines and this behind it, from line 5 on.
pub(crate) fn with(more: &str) -> String {
    let sound = "scopes:\n  - { name: \"a:read\" }\nkey_types:\n  - { name: live, prefix: acme_live, is_default: true }\n";
    format!("{sound}{more}")
}

/// A policy with these scopes, from line 3 on.
pub(crate) fn scopes(list: &str) -> String {
    let types = "key_types: [{ name: live, prefix: acme_live, is_default: true }]\n";
    format!("{types}scopes:\n{list}")
}

/// A policy with these types of key, from line 3 on.
pub(crate) fn key_types(list: &str) -> String {
    format!("scopes: [{{ name: \"a:read\" }}]\nkey_types:\n{list}")
}

/// Faults as they are printed, one a line.
pub(crate) fn lines(faults: &FileFaults) -> Vec<String> {
    let kept = faults.kept.iter().map(ToString::to_string);
    let more = (faults.more > 0).then(|| format!("and {} more", faults.more));
    kept.chain(more).collect()
}

/// Fails the test unless each file has exactly its faults.
#[track_caller]
pub(crate) fn check(attacks: &[Attack]) {
    let mut wrong = String::new();
    for Attack { name, file, faults } in attacks {
        let found = match read(file) {
            Ok(_) => vec!["is accepted".to_owned()],
            Err(found) => {
                inside(file, &found);
                lines(&found)
            }
        };
        if found != *faults {
            writeln!(wrong, "== {name}\n{}", found.join("\n")).unwrap();
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{wrong}");
}

/// Fails the test unless there is a fault, each of them stands in the file, is one line,
/// and says no more than a reader can take in.
#[track_caller]
pub(crate) fn inside(file: &[u8], faults: &FileFaults) {
    let text = String::from_utf8_lossy(&file[..file.len().min(SIZE_MAX)]);
    let breaks = text.matches(['\r', '\n']).count();
    assert!(!faults.kept.is_empty() && faults.kept.len() <= 1_000);
    for fault in &faults.kept {
        let (line, column) = (fault.place.line, fault.place.column);
        assert!((1..=breaks + 2).contains(&line), "{fault}");
        assert!((1..=text.len() + 1).contains(&column), "{fault}");
        let shown = fault.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(!shown.contains(['\u{2028}', '\u{2029}', '\u{202E}', '\u{2066}']), "{shown:?}");
        assert!(shown.len() <= 4_096, "{} bytes: {shown:.200}", shown.len());
    }
}

//! What `--help` says.

use crate::place::Place;

/// Every command with its parents.
const COMMANDS: [&str; 18] = [
    "",
    "bootstrap",
    "descriptor-set",
    "events",
    "events verify",
    "health",
    "keyring",
    "keyring init",
    "keyring public-key",
    "keyring rotate",
    "migrate",
    "policy",
    "policy check",
    "policy explain",
    "policy json",
    "policy schema",
    "quickstart",
    "serve",
];

/// The names of the commands that a text of `--help` lists.
fn listed(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Reads the help of a command and of all below it.
fn collect(place: &Place, command: &str, found: &mut Vec<String>) {
    let mut arguments: Vec<_> = command.split_whitespace().collect();
    arguments.push("--help");
    let ran = place.run(&arguments).succeeded();
    assert!(ran.stderr.is_empty() && !ran.stdout.contains('\x1b'), "{ran:?}");
    let (about, usage) = ran.stdout.split_once("\n\nUsage: keyward").unwrap();
    assert!(!about.trim().is_empty(), "{ran:?}");
    assert!(usage.trim_start().starts_with(command), "{ran:?}");
    assert!(usage.contains("--config <FILE>"), "{ran:?}");
    found.push(command.to_owned());
    for name in listed(&ran.stdout) {
        collect(place, format!("{command} {name}").trim_start(), found);
    }
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    let mut found = Vec::new();
    collect(&place, "", &mut found);
    found.sort_unstable();
    assert_eq!(found, COMMANDS);
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn without_a_command_the_help_is_shown_as_an_error() {
    for arguments in [&[][..], &["keyring"], &["events"], &["policy"]] {
        let ran = Place::new().run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains("Usage: keyward"), "{ran:?}");
    }
}

#[test]
fn an_unknown_command_or_option_is_named() {
    for unknown in ["sreve", "--sreve"] {
        let ran = Place::new().run(&[unknown]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains(unknown), "{ran:?}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ran = Place::new().run(&["--version"]).succeeded();
    assert_eq!(ran.stdout, format!("keyward {}\n", env!("CARGO_PKG_VERSION")));
}

//! The same files through the command: refused with status 1, and only said why.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use crate::{attack::Attack, bytes, keys, names, scopes, spans, yaml};

fn run(arguments: &[&str], directory: &tempfile::TempDir, stdin: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.args(arguments).env_clear().current_dir(directory.path()).stdin(stdin);
    command.output().unwrap()
}

/// Fails the test unless the command refuses the file and prints what is expected.
#[track_caller]
fn refuses(Attack { name, file, faults }: &Attack) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    fs::write(&path, file).unwrap();
    let (named, counted) = match faults.split_last() {
        Some((last, kept)) if last.starts_with("and ") => (kept, 1_000 + more(last)),
        _ => (&**faults, faults.len()),
    };
    let ran = run(&["policy", "check", "policy.yaml"], &directory, Stdio::null());
    let plural = if counted == 1 { "" } else { "s" };
    let last = faults.last().filter(|_| counted != named.len()).map(|last| format!("{last}\n"));
    let said: String = named.iter().map(|fault| format!("policy.yaml:{fault}\n")).collect();
    let said = format!("{said}{}{counted} fault{plural}\n", last.unwrap_or_default());
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), said, "{name}");
    assert_eq!((ran.status.code(), ran.stdout), (Some(1), Vec::new()), "{name}");

    let stdin = fs::File::open(&path).unwrap();
    let ran = run(&["policy", "check", "-"], &directory, stdin.into());
    let said = said.replace("policy.yaml:", "<stdin>:");
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), said, "{name}");
    assert_eq!((ran.status.code(), ran.stdout), (Some(1), Vec::new()), "{name}");

    let ran =
        run(&["policy", "json", "policy.yaml", "--create", "acme"], &directory, Stdio::null());
    assert_eq!((ran.status.code(), ran.stdout), (Some(1), Vec::new()), "{name}");
}

/// The number of `and 7 more`.
fn more(line: &str) -> usize {
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_command_refuses_what_the_reader_refuses() {
    let all = [
        yaml::attacks(),
        bytes::attacks(),
        keys::attacks(),
        names::attacks(),
        scopes::attacks(),
        spans::attacks(),
    ];
    let all: Vec<Attack> = all.into_iter().flatten().collect();
    for name in [
        "the billion laughs",
        "one anchor ten thousand times",
        "ten megabytes of scopes",
        "UTF-16, the small end first",
        "a key that is turned round",
        "an escape sequence in a key",
        "a tag of a language",
        "YAML 1.1, where yes is true",
        "no byte",
        "a typo of a key",
        "two default types of key",
        "a circle of five",
        "an isolated scope in a preset, over two others",
        "negative spans everywhere",
    ] {
        refuses(all.iter().find(|attack| attack.name == name).expect(name));
    }
}

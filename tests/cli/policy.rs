//! `keyward policy`.

use std::{fs, io::Write as _, process::Stdio};

use serde_json::{Value, json};

use crate::place::{Place, Ran, closed_pipe, full};

const RIGHT: &str = "\
scopes:
- name: orders:write
  description: Place and change orders
  implies: [orders:read, \"logs:*\"]
- name: orders:read
- name: logs:read
- name: logs:secret
  isolated: true
presets:
- {name: bot, scopes: [\"orders:*\"]}
roles:
- {name: owner, scopes: [\"*\"]}
key_types:
- {name: live, prefix: live, is_default: true}
expiry: {max_ttl: 90d}
";

/// A place with a file that is right and one that is not.
fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("right.yaml"), RIGHT).unwrap();
    let wrong = RIGHT.replace("max_ttl: 90d", "max_ttl: 90").replace("\"*\"", "*");
    fs::write(place.path("wrong.yaml"), wrong).unwrap();
    place
}

/// Runs a command with something to read.
fn fed(place: &Place, arguments: &[&str], input: &str) -> Ran {
    let mut command = place.command(arguments, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

fn faults(file: &str) -> String {
    format!(
        "{file}:12:26: roles[0].scopes[0]: an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\"\n\
         {file}:15:19: expiry.max_ttl: has no unit: write \"90d\", \"90h\", \"90m\", \"90s\"\n\
         2 faults\n"
    )
}

#[test]
fn a_file_without_faults_is_counted_and_one_with_faults_is_not_right() {
    let place = place();
    let ran = place.run(&["policy", "check", "right.yaml"]).succeeded();
    let counts = "no faults: 4 scopes, 1 preset, 1 role, 1 key type\n";
    assert_eq!((ran.stdout, ran.stderr), (format!("right.yaml: {counts}"), String::new()));
    let ran = fed(&place, &["policy", "check", "-"], RIGHT).succeeded();
    assert_eq!(ran.stdout, format!("<stdin>: {counts}"));
    assert_eq!(place.content(), ["right.yaml", "wrong.yaml"], "nothing is made");
}

#[test]
fn whatever_is_asked_of_a_file_with_faults_they_are_told_and_nothing_is_answered() {
    let place = place();
    for arguments in [
        &["policy", "check", "wrong.yaml"][..],
        &["policy", "json", "wrong.yaml"],
        &["policy", "json", "wrong.yaml", "--create", "shop"],
        &["policy", "explain", "wrong.yaml", "orders:write"],
    ] {
        let ran = place.run(arguments);
        let expected = (1, String::new(), faults("wrong.yaml"));
        assert_eq!((ran.status, ran.stdout, ran.stderr), expected, "{arguments:?}");
    }
    let wrong = fs::read_to_string(place.path("wrong.yaml")).unwrap();
    let ran = fed(&place, &["policy", "check", "-"], &wrong);
    assert_eq!((ran.status, ran.stdout, ran.stderr), (1, String::new(), faults("<stdin>")));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let place = place();
    place.run(&["policy", "check", "none.yaml"]).failed(1, &["cannot read none.yaml: "]);
    place.run(&["policy", "json", "."]).failed(1, &["cannot read .: "]);
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let place = place();
    fs::write(place.path("large.yaml"), format!("{RIGHT}#{}", "x".repeat(2_000_000))).unwrap();
    let ran = place.run(&["policy", "check", "large.yaml"]);
    let expected = "large.yaml:1:1: is larger than 1048576 bytes\n1 fault\n";
    assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (1, "", expected));
}

#[test]
fn the_json_is_a_policy_or_a_whole_request() {
    let place = place();
    let printed = |arguments: &[&str]| -> Value {
        let arguments = [&["policy", "json", "right.yaml"], arguments].concat();
        serde_json::from_str(&place.run(&arguments).succeeded().stdout).unwrap()
    };
    let policy = printed(&[]);
    assert_eq!(policy["scopes"][0]["implies"], json!(["orders:read", "logs:*"]));
    assert_eq!(policy["key_types"][0]["is_default"], true);
    assert_eq!(policy["expiry"], json!({"max_ttl": "7776000s"}));
    let created = json!({"policy_id": "shop", "policy": policy});
    assert_eq!(printed(&["--create", "shop"]), created);
    let updated = printed(&["--update", "shop"]);
    assert_eq!(updated["policy"]["name"], "policies/shop");
    // All fields, so that what a file no longer has is taken away.
    assert_eq!(updated["update_mask"], json!({"paths": ["*"]}));
    assert_eq!(updated["policy"]["scopes"], policy["scopes"]);
    let ran = fed(&place, &["policy", "check", "-"], &policy.to_string()).succeeded();
    assert!(ran.stdout.starts_with("<stdin>: no faults: 4 scopes"), "{ran:?}");
}

#[test]
fn one_request_is_printed_and_its_id_must_be_one() {
    let place = place();
    for arguments in [&["--create", "a", "--update", "a"][..], &["--create", "A b"]] {
        let ran = place.run(&[&["policy", "json", "right.yaml"], arguments].concat());
        assert_eq!((ran.status, &*ran.stdout), (2, ""), "{ran:?}");
    }
}

#[test]
fn what_a_scope_grants_is_explained_line_by_line() {
    let place = place();
    let ran = place.run(&["policy", "explain", "right.yaml", "orders:write"]).succeeded();
    assert_eq!(
        ran.stdout,
        "\
scope     orders:write  Place and change orders
grants    orders:read   by name, of orders:write
grants    logs:read     by glob \"logs:*\", of orders:write
withheld  logs:secret   isolated; by glob \"logs:*\", of orders:write
preset    bot
role      owner
"
    );
    let ran = place.run(&["policy", "explain", "right.yaml", "logs:read"]).succeeded();
    assert_eq!(
        ran.stdout,
        "scope   logs:read\npreset  bot        over orders:write\nrole    owner\n"
    );
    place
        .run(&["policy", "explain", "right.yaml", "order:read"])
        .failed(1, &["the policy has no scope \"order:read\"; did you mean \"orders:read\"?"]);
}

#[test]
fn of_a_preset_or_a_role_what_it_holds_and_withholds_is_explained() {
    let place = place();
    let explained =
        |name: &str| place.run(&["policy", "explain", "more.yaml", name]).succeeded().stdout;
    let more = RIGHT.replace("scopes: [\"*\"]", "scopes: [\"*\"], description: Whoever pays")
        + "hide_existence: true\n";
    let more = more.replace(
        "key_types:",
        "- {name: clerk, scopes: [\"orders:w*\", logs:secret]}\n- {name: logs:read}\nkey_types:",
    );
    fs::write(place.path("more.yaml"), more).unwrap();
    assert_eq!(
        explained("bot"),
        "preset  bot\nholds   orders:write  by glob \"orders:*\"\nholds   orders:read   by glob \"orders:*\"\n"
    );
    assert_eq!(
        explained("owner"),
        "\
role      owner         Whoever pays
holds     orders:write  by glob \"*\"
holds     orders:read   by glob \"*\"
holds     logs:read     by glob \"*\"
withheld  logs:secret   isolated; by glob \"*\"
"
    );
    assert_eq!(
        explained("clerk"),
        "\
role   clerk
holds  orders:write  by glob \"orders:w*\"
holds  orders:read   implied
holds  logs:read     implied
holds  logs:secret   by name
"
    );
    assert!(explained("logs:read").starts_with("scope   logs:read\n"), "a scope before a role");
}

#[test]
fn the_schema_is_the_shipped_one() {
    let ran = Place::new().run(&["policy", "schema"]).succeeded();
    assert_eq!(ran.stdout, include_str!("../../policies/policy.schema.json"));
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_unless_nobody_reads_it() {
    let place = place();
    let ran = place.run_into(&["policy", "schema"], full());
    assert_eq!(ran.status, 1, "{ran:?}");
    place.run_into(&["policy", "schema"], closed_pipe()).succeeded();
}

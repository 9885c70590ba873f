//! `keyward quickstart`.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use keyward::proto::{self, Decision};
use serde_json::Value;

use crate::{
    caller::{Caller, is_secret},
    place::Place,
    process::Process,
};

/// What every step must say, in their order.
const STEPS: [&str; 8] = [
    "ALLOW 200",
    "DENY INSUFFICIENT_SCOPE 403",
    "DENY IP_NOT_ALLOWED 403",
    "DENY NOT_FOUND 404",
    "DENY INVALID_KEY 401",
    "ALLOW 200",
    "DENY REVOKED 401",
    "DENY INVALID_KEY 401",
];

/// What it prints last.
const LAST: &str = "Ctrl-C ends the server";

/// The decisions and statuses of the steps that are ticked.
fn ticked(shown: &str) -> Vec<String> {
    let steps = shown.lines().filter(|line| line.starts_with("  ✓ "));
    steps.map(|line| line.split_whitespace().skip(5).collect::<Vec<_>>().join(" ")).collect()
}

/// How often each secret stands in the text.
fn secrets(shown: &str) -> BTreeMap<&str, usize> {
    let mut found = BTreeMap::new();
    for word in shown.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        if is_secret(word, "demo") || is_secret(word, "keyward") {
            *found.entry(word).or_default() += 1;
        }
    }
    found
}

#[track_caller]
fn fits_a_screen(shown: &str) {
    assert!(shown.lines().count() <= 60, "{shown}");
    for line in shown.lines() {
        assert!(line.chars().count() <= 100 && line.trim_end() == line, "{line:?}");
    }
}

/// A show that has come to its end and goes on serving.
struct Shown {
    process: Process,
    address: SocketAddr,
    directory: String,
    /// The lines to be pasted.
    pasted: String,
}

fn shown(place: &Place, listen: &str) -> Shown {
    let mut process = place.start(&["quickstart"], &[("KEYWARD__SERVER__LISTEN", listen)]);
    let line = process.stdout.until("Serving gRPC at ");
    let (address, directory) =
        line.strip_prefix("Serving gRPC at ").unwrap().split_once(" from ").unwrap();
    process.stdout.until(LAST);
    let all = process.stdout.seen();
    let (_, pasted) = all.split_once("\nCALLER=").unwrap();
    let (pasted, _) = pasted.split_once("\n\n").unwrap();
    let (address, directory) = (address.parse().unwrap(), directory.to_owned());
    Shown { address, directory, pasted: format!("CALLER={pasted}"), process }
}

/// The arguments of each call of grpcurl that a shell makes of the lines.
fn calls(pasted: &str) -> Vec<Vec<String>> {
    let place = Place::new();
    let stand_in = "#!/bin/sh\nprintf '%s\\036' \"$@\"\nprintf '\\035'\n";
    fs::write(place.path("grpcurl"), stand_in).unwrap();
    fs::set_permissions(place.path("grpcurl"), Permissions::from_mode(0o755)).unwrap();
    let path = place.path("grpcurl").parent().unwrap().to_owned();
    let output =
        Command::new("/bin/sh").args(["-euc", pasted]).env_clear().env("PATH", path).output();
    let output = output.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let split = |text: &str, end: char| -> Vec<String> {
        text.split_terminator(end).map(str::to_owned).collect()
    };
    split(&printed, '\x1d').iter().map(|call| split(call, '\x1e')).collect()
}

#[test]
fn it_shows_every_step_and_leaves_nothing_behind() {
    let place = Place::new();
    let ran = place.run(&["quickstart", "--exit"]).succeeded();
    assert_eq!(ticked(&ran.stdout), STEPS, "{}", ran.stdout);
    assert!(!ran.stdout.contains('✗'), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn it_shows_what_a_backend_answers_over_http() {
    let ran = Place::new().run(&["quickstart", "--exit"]).succeeded();
    let count = |header: &str| ran.stdout.lines().filter(|line| line.trim() == header).count();
    assert_eq!(count(r#"WWW-Authenticate: Bearer error="invalid_token""#), 3);
    let scope = r#"WWW-Authenticate: Bearer error="insufficient_scope", scope="notes:delete""#;
    assert_eq!(count(scope), 1);
}

#[test]
fn it_fits_a_screen_without_codes_where_it_is_piped() {
    let ran = Place::new().run(&["quickstart", "--exit"]).succeeded();
    fits_a_screen(&ran.stdout);
    assert!(!ran.stdout.contains('\x1b'), "{}", ran.stdout);
    let secrets = secrets(&ran.stdout);
    assert_eq!(secrets.into_values().collect::<Vec<_>>(), [1, 1], "{}", ran.stdout);
}

#[test]
fn it_is_coloured_where_the_user_wants_that() {
    let ran = Place::new().run_with(&["quickstart", "--exit"], &[("CLICOLOR_FORCE", "1")]);
    assert!(ran.succeeded().stdout.contains("\x1b[32mALLOW"));
}

#[test]
fn it_leaves_alone_what_the_settings_name() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let variables = [
        ("KEYWARD__DATABASE__PATH", "mine.db"),
        ("KEYWARD__KEYRING__PATH", "mine.keyring"),
        ("KEYWARD__AUDIT__CHECKPOINT_FILE", "mine.checkpoint"),
        ("KEYWARD__SERVER__LISTEN", &taken.local_addr().unwrap().to_string()),
        ("KEYWARD__SERVER__REFLECTION", "false"),
    ];
    let ran = place.run_with(&["quickstart", "--exit"], &variables).succeeded();
    assert_eq!(ran.stderr, "");
    assert_eq!(place.content(), [""; 0]);
}

#[test]
fn without_exit_it_serves_until_sigterm() {
    let place = Place::new();
    let shown = shown(&place, "127.0.0.1:0");
    fits_a_screen(shown.process.stdout.seen());
    assert_eq!(ticked(shown.process.stdout.seen()), STEPS);
    let secrets = secrets(shown.process.stdout.seen());
    assert_eq!(secrets.into_values().collect::<Vec<_>>(), [1, 1, 1, 1]);
    let healthy = place.run(&["health", "--address", &shown.address.to_string()]);
    assert_eq!(healthy.succeeded().stdout, "SERVING\n");

    let directory = fs::canonicalize(&shown.directory).unwrap();
    let ran = shown.process.end("TERM").succeeded();
    assert!(ran.stdout.ends_with('\n') && ran.stdout.contains(LAST), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(directory.join("keyward.db").exists() && ran.stderr.contains(&shown.directory));
}

#[test]
fn sigint_ends_it_with_status_0_too() {
    let place = Place::new();
    shown(&place, "127.0.0.1:0").process.end("INT").succeeded();
}

#[test]
fn the_lines_to_paste_name_the_server_and_reach_it() {
    let place = Place::new();
    let shown = shown(&place, "127.0.0.1:0");
    let calls = calls(&shown.pasted);
    let address = shown.address.to_string();
    let methods: Vec<_> = calls
        .iter()
        .map(|call| {
            assert_eq!(call[0], "-plaintext", "{call:?}");
            let at = call.iter().position(|argument| *argument == address).unwrap();
            call[at + 1..].join(" ")
        })
        .collect();
    let expected = [
        "list",
        "describe keyward.v1.Introspect",
        "keyward.v1.Introspect/Introspect",
        "keyward.v1.KeyAdmin/ListKeys",
        "keyward.v1.KeyAdmin/ListEvents",
    ];
    assert_eq!(methods, expected);

    let bodies: Vec<Value> = calls[2..]
        .iter()
        .map(|call| {
            assert_eq!((call[1].as_str(), call[3].as_str()), ("-H", "-d"), "{call:?}");
            assert_eq!(call[2], calls[2][2]);
            serde_json::from_str(&call[4]).unwrap()
        })
        .collect();
    let secret = calls[2][2].strip_prefix("authorization: Bearer ").unwrap();
    let caller = Caller::new(shown.address, secret);
    let answer = caller.introspect(question(&bodies[0])).unwrap();
    assert_eq!(answer.decision(), Decision::Allow, "{answer:?}");
    assert_eq!(answer.key, "workspaces/acme/keys/yours");
    let keys = caller.keys(bodies[1]["parent"].as_str().unwrap());
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), [answer.key]);
    let events = caller.events(bodies[2]["parent"].as_str().unwrap());
    assert!(events.iter().any(|event| event.subject == "workspaces/acme/keys/ci"));
}

/// The question that a JSON body asks; every field of it must be known here.
fn question(body: &Value) -> proto::IntrospectRequest {
    let body = body.as_object().unwrap();
    let names: Vec<_> = body.keys().collect();
    assert_eq!(names, ["client_ip", "required_scopes", "resource", "secret"]);
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let scopes = body["required_scopes"].as_array().unwrap();
    proto::IntrospectRequest {
        secret: text("secret"),
        client_ip: text("client_ip"),
        required_scopes: scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect(),
        resource: text("resource"),
        ..Default::default()
    }
}

#[test]
fn where_the_address_is_taken_it_says_so_and_uses_another() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let shown = shown(&place, &address.to_string());
    assert_ne!(shown.address, address);
    assert!(shown.address.ip().is_loopback());
    let healthy = place.run(&["health", "--address", &shown.address.to_string()]);
    assert_eq!(healthy.succeeded().stdout, "SERVING\n");
    let ran = shown.process.end("TERM").succeeded();
    assert!(ran.stderr.contains(&format!("{address} is taken")), "{ran:?}");
}

#[test]
fn where_it_listens_on_all_addresses_it_names_one_that_can_be_reached() {
    let place = Place::new();
    let shown = shown(&place, "0.0.0.0:0");
    assert!(shown.address.ip().is_loopback() && shown.address.port() != 0);
    assert_eq!(calls(&shown.pasted).len(), 5);
}

//! What the program does not start with.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output, Stdio},
};

use crate::{authority::Authority, place::Place};

/// The program with these settings, on a database of its own.
pub(crate) fn program(place: &Place, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    let variable = |name: &str| format!("KEYWARD__{}", name.replace('.', "__").to_uppercase());
    command
        .args(arguments)
        .env_clear()
        .env(variable("database.path"), place.file("keyward.db"))
        .env(variable("keyring.path"), place.file("keyward.keyring"))
        .env(variable("server.listen"), "127.0.0.1:0")
        .env(variable("metrics.enabled"), "false")
        .envs(settings.iter().map(|(name, value)| (variable(name), value)))
        .stdin(Stdio::null());
    command
}

fn all(place: &Place) -> Vec<(&'static str, String)> {
    vec![
        ("tls.certificate_file", place.text("tls.crt")),
        ("tls.private_key_file", place.text("tls.key")),
        ("tls.client_ca_file", place.text("ca.crt")),
        ("tls.callers_file", place.text("callers.toml")),
    ]
}

fn serve(place: &Place, settings: &[(&'static str, String)]) -> Output {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, &**value)).collect();
    program(place, &["serve"], &settings).output().unwrap()
}

#[track_caller]
fn check(place: &Place, expected: &[&str]) {
    let output = serve(place, &all(place));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for text in expected {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
    assert!(!said.contains("PRIVATE KEY-----"), "{said}");
}

/// A place where all is well.
fn whole() -> Place {
    let place = Place::new();
    place.list(&[("dns:ops.acme.example", "[\"*\"]", "")]);
    place
}

#[test]
fn half_a_configuration_is_refused_by_name() {
    let place = whole();
    let all = all(&place);
    for (given, name, missing) in [
        (&all[..1], "tls.certificate_file", "tls.private_key_file"),
        (&all[1..2], "tls.private_key_file", "tls.certificate_file"),
        (&all[2..3], "tls.client_ca_file", "tls.certificate_file"),
        (&all[3..], "tls.callers_file", "tls.client_ca_file"),
    ] {
        let output = serve(&place, given);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{name} = ")), "{said}");
        assert!(said.contains(&format!("set together with {missing}, which is missing")), "{said}");
    }
}

#[test]
fn what_is_wrong_with_each_file_is_named_with_its_setting() {
    let certificate = |text: &str, expected: &[&str]| {
        let place = whole();
        place.write("tls.crt", text);
        check(&place, &[&["tls.certificate_file: "], expected].concat());
    };
    certificate("", &["tls.crt holds no certificate in PEM"]);
    certificate("-----BEGIN CERTIFICATE-----\nAAAA\n", &["tls.crt is damaged"]);
    certificate(
        &crate::authority::pem("CERTIFICATE", b"none"),
        &["holds a certificate that is none"],
    );

    let key = |text: &str, expected: &[&str]| {
        let place = whole();
        place.write("tls.key", text);
        check(&place, &[&["tls.private_key_file: "], expected].concat());
    };
    key("", &["tls.key holds no private key in PEM"]);
    key(&crate::authority::pem("PRIVATE KEY", b"none"), &["tls.key cannot be used"]);
    let other = Authority::new("other").server().key;
    key(&other, &["tls.key does not belong to the certificate in", "tls.crt"]);

    let authorities = |text: &str, expected: &[&str]| {
        let place = whole();
        place.write("ca.crt", text);
        check(&place, &[&["tls.client_ca_file: "], expected].concat());
    };
    authorities("", &["ca.crt holds no certificate in PEM"]);
    authorities("# no PEM\n", &["ca.crt holds no certificate in PEM"]);
    authorities(
        &crate::authority::pem("CERTIFICATE", b"none"),
        &["holds a certificate that is none"],
    );

    for name in ["tls.crt", "tls.key", "ca.crt", "callers.toml"] {
        let place = whole();
        fs::remove_file(place.file(name)).unwrap();
        check(&place, &["cannot read", name]);
    }
}

#[test]
fn a_key_that_others_may_read_is_refused_with_what_to_do() {
    let place = whole();
    fs::set_permissions(place.file("tls.key"), fs::Permissions::from_mode(0o604)).unwrap();
    check(&place, &["tls.private_key_file: ", "is open to others (mode 0604); run `chmod 600"]);
}

#[test]
fn faults_of_the_list_are_named_with_their_lines() {
    let place = whole();
    place.write("callers.toml", "[[callers]]\nidentity = \"acme\"\nscopes = [\"introspekt\"]\n");
    check(
        &place,
        &[
            "tls.callers_file: ",
            "line 2: identity: \"acme\": must begin with spiffe:// or dns:",
            "line 3: scopes: \"introspekt\": is no scope",
            "did you mean \"introspect\"?",
        ],
    );
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let place = whole();
    for name in ["tls.crt", "tls.key", "ca.crt", "callers.toml"] {
        place.write(name, "");
    }
    check(
        &place,
        &[
            "tls.certificate_file: ",
            "tls.private_key_file: ",
            "tls.client_ca_file: ",
            "tls.callers_file: ",
        ],
    );
}

#[test]
fn a_certificate_that_has_ended_is_warned_of_and_served() {
    let place = whole();
    place.swap(&place.authority.ended_server());
    let settings = all(&place);
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut child = program(&place, &["serve"], &settings).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.take_while(|line| !line.contains(" serving address=")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let warned =
        said.iter().any(|line| line.contains("WARN") && line.contains("certificate has ended"));
    assert!(warned, "{said:#?}");
}

//! A server that was told half of how to encrypt, and serves in plain text or lets everybody in.
//!
//! - SpiceDB: a certificate without its key was no error, and the port was served unencrypted.
//!
//! Each fault of each file by itself: `tests/tls/refused.rs`; what is set to nothing:
//! `missing_means_pass`.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
};

use crate::{
    authority::Authority,
    process::{Deployment, variable},
};

/// Starts the program with these settings, which it is to refuse, and waits for its end.
pub(crate) fn served(deployment: &Deployment, settings: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .arg("serve")
        .env_clear()
        .env(variable("database.path"), deployment.file("refused.db"))
        .env(variable("keyring.path"), deployment.file("refused.keyring"))
        .env(variable("server.listen"), "127.0.0.1:0")
        .env(variable("metrics.enabled"), "false")
        .envs(settings.iter().map(|(name, value)| (variable(name), value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(" serving address=") {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it serves with {settings:?}: {line}");
        }
        said.push_str(&line);
        said.push('\n');
    }
    Output { status: child.wait().unwrap(), stdout: Vec::new(), stderr: said.into_bytes() }
}

#[test]
fn whatever_half_is_given_the_program_names_it_and_serves_nobody() {
    let deployment = Deployment::new(&[]);
    let authority = Authority::new("servers");
    let (issued, other) = (authority.server(), Authority::new("others").server());
    for (name, text) in [
        ("tls.crt", &issued.certificate),
        ("tls.key", &issued.key),
        ("other.key", &other.key),
        ("ca.crt", &authority.pem),
        ("callers.toml", &"callers = []\n".to_owned()),
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(deployment.file(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(deployment.file(name), mode).unwrap();
    }
    let file = |name: &str| deployment.file(name).to_str().unwrap().to_owned();
    let [certificate, key, authorities, callers] = [
        ("tls.certificate_file", file("tls.crt")),
        ("tls.private_key_file", file("tls.key")),
        ("tls.client_ca_file", file("ca.crt")),
        ("tls.callers_file", file("callers.toml")),
    ];
    let absent = |setting| (setting, file("absent"));
    // What is given, and the setting that is to be named.
    let halves = [
        (vec![&certificate], "tls.certificate_file"),
        (vec![&key], "tls.private_key_file"),
        (vec![&authorities], "tls.client_ca_file"),
        (vec![&callers], "tls.callers_file"),
        (vec![&certificate, &authorities], "tls.private_key_file"),
        (vec![&key, &authorities], "tls.certificate_file"),
        (vec![&certificate, &callers], "tls.private_key_file"),
        (vec![&certificate, &key, &callers], "tls.callers_file"),
    ];
    let mut cases: Vec<(Vec<(&str, String)>, &str)> = halves
        .into_iter()
        .map(|(given, named)| (given.into_iter().cloned().collect(), named))
        .collect();
    for (at, wrong) in [
        (0, absent("tls.certificate_file")),
        (1, absent("tls.private_key_file")),
        (2, absent("tls.client_ca_file")),
        (1, ("tls.private_key_file", file("other.key"))),
        // A directory, and each file in the place of another.
        (2, ("tls.client_ca_file", deployment.file(".").to_str().unwrap().to_owned())),
        (0, ("tls.certificate_file", file("tls.key"))),
        (1, ("tls.private_key_file", file("tls.crt"))),
        (2, ("tls.client_ca_file", file("tls.key"))),
    ] {
        let mut given = vec![certificate.clone(), key.clone(), authorities.clone()];
        given[at] = wrong.clone();
        cases.push((given, wrong.0));
    }
    for (given, named) in cases {
        let given: Vec<_> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let output = served(&deployment, &given);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{given:?}: {said}");
        assert!(said.contains(named), "{named} is not named in {said}");
        assert!(!said.contains("PRIVATE KEY-----"), "{said}");
    }
}

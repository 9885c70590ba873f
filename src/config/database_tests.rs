#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::Write as _;

use super::*;

fn load(given: &[(&str, &str)]) -> Result<Settings, InvalidSettings> {
    let variable = |(name, value): &(&str, &str)| {
        (table::variable_of(&format!("database.{name}")), (*value).to_owned())
    };
    Settings::load(None, given.iter().map(variable).collect::<Vec<_>>().into_iter())
}

fn connection(given: &[(&str, &str)]) -> Option<Connection> {
    load(given).unwrap().database.connection().unwrap()
}

/// The settings that are named as wrong.
#[track_caller]
fn refused(given: &[(&str, &str)]) -> Vec<&'static str> {
    let Err(error) = load(given) else { panic!("{given:?} is taken") };
    let name = |problem: &Problem| match problem {
        Problem::Refused { name, .. } => *name,
        problem => panic!("{problem}"),
    };
    error.problems().iter().map(name).collect()
}

const FIELDS: [(&str, &str); 3] = [("host", "db.example"), ("name", "keyward"), ("user", "kw")];

#[test]
fn without_a_server_it_is_a_file() {
    assert!(connection(&[]).is_none());
    assert!(connection(&[("path", "other.db")]).is_none());
    let settings = load(&[]).unwrap().database;
    assert!(!settings.is_server() && settings.migrates_on_start());
}

#[test]
fn an_address_has_all_parts() {
    let url = "postgres://k%40w:p%3Aw%2F@db.example:6432/key%20ward?sslmode=require";
    let found = connection(&[("url", url)]).unwrap();
    assert_eq!(
        (&*found.host, found.port, &*found.name, &*found.user, found.tls),
        ("db.example", 6432, "key ward", "k@w", TlsMode::Require)
    );
    assert_eq!(found.password.unwrap().as_str(), "p:w/");

    let found = connection(&[("url", "postgresql://kw@[::1]/keyward")]).unwrap();
    assert_eq!((&*found.host, found.port, found.tls), ("::1", 5432, TlsMode::Verify));
    assert!(found.password.is_none());

    let socket = "postgres://kw@%2Frun%2Fpostgresql/keyward";
    assert_eq!(connection(&[("url", socket)]).unwrap().host, "/run/postgresql");
}

#[test]
fn fields_are_an_address_too() {
    let found = connection(&[
        FIELDS[0],
        FIELDS[1],
        FIELDS[2],
        ("port", "6432"),
        ("password_file", "/run/secrets/password"),
        ("tls", "off"),
        ("tls_ca_file", "/etc/ca.pem"),
    ])
    .unwrap();
    assert_eq!(
        (&*found.host, found.port, &*found.name, &*found.user, found.tls),
        ("db.example", 6432, "keyward", "kw", TlsMode::Off)
    );
    assert_eq!(found.password_file.unwrap(), Path::new("/run/secrets/password"));
    assert_eq!(found.tls_ca_file.unwrap(), Path::new("/etc/ca.pem"));
}

#[test]
fn a_password_may_be_in_a_file_beside_an_address() {
    let found =
        connection(&[("url", "postgres://kw@h/n"), ("password_file", "/run/password")]).unwrap();
    assert!(found.password.is_none() && found.password_file.is_some());
}

#[test]
fn halves_are_refused_by_the_names_of_what_is_missing() {
    assert_eq!(refused(&[FIELDS[0]]), ["database.name", "database.user"]);
    assert_eq!(refused(&[FIELDS[1]]), ["database.host", "database.user"]);
    assert_eq!(refused(&[FIELDS[0], FIELDS[1]]), ["database.user"]);
    for (name, value, setting) in [
        ("port", "6432", "database.port"),
        ("password_file", "/run/password", "database.password_file"),
        ("tls", "off", "database.tls"),
        ("tls_ca_file", "/etc/ca.pem", "database.tls_ca_file"),
    ] {
        assert_eq!(refused(&[(name, value)]), [setting]);
    }
    for url in [
        "keyward",
        "mysql://kw@h/n",
        "postgres://",
        "postgres://h/n",
        "postgres://kw@h",
        "postgres://kw@h/",
        "postgres://kw@/n",
        "postgres://kw@h/n?sslmode=prefer",
        "postgres://kw@h/n?options=x",
        "postgres://kw@h/n?sslmode=verify-full&sslmode=disable",
        "postgres://kw@h:0/n",
        "postgres://kw@[fe80::1%25eth0]/n",
        "postgres://kw@h/n#x",
        "postgres://k%00w@h/n",
    ] {
        assert_eq!(refused(&[("url", url)]), ["database.url"], "{url}");
    }
}

#[test]
fn contradictions_are_refused_by_name() {
    let url = ("url", "postgres://kw:pw@h/n?sslmode=require");
    assert_eq!(refused(&[url, ("path", "x.db")]), ["database.path"]);
    assert_eq!(
        refused(&[url, FIELDS[0], FIELDS[1], FIELDS[2], ("port", "1")]),
        ["database.host", "database.name", "database.user", "database.port"]
    );
    assert_eq!(refused(&[url, ("password_file", "/run/password")]), ["database.password_file"]);
    assert_eq!(refused(&[url, ("tls", "off")]), ["database.tls"]);
    assert_eq!(refused(&[FIELDS[0], FIELDS[1], FIELDS[2], ("path", "x.db")]), ["database.path"]);
}

#[test]
fn an_address_may_be_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url_file = ("url_file", file.path().to_str().unwrap());
    std::fs::write(file.path(), "postgres://kw:canary@db.example/keys?sslmode=require\n").unwrap();
    let found = connection(&[url_file]).unwrap();
    let password = found.password.as_deref().map(String::as_str);
    assert_eq!((&*found.host, &*found.name, password), ("db.example", "keys", Some("canary")));
    assert_eq!(found.tls, TlsMode::Require);
    let settings = load(&[url_file]).unwrap();
    assert!(settings.database.is_server() && !settings.database.migrates_on_start());
    let shown = format!("{} {settings:?}", settings.print());
    assert!(!shown.contains("canary") && shown.contains("database.url = \"\""), "{shown}");

    let url = ("url", "postgres://kw@h/n");
    assert_eq!(refused(&[url, url_file]), ["database.url_file"]);
    assert_eq!(refused(&[url_file, ("path", "x.db")]), ["database.path"]);
    assert_eq!(refused(&[url_file, FIELDS[0]]), ["database.host"]);
    assert_eq!(refused(&[url_file, ("password_file", "/run/p")]), ["database.password_file"]);
    std::fs::write(file.path(), "postgres://kw:canary@").unwrap();
    let told = load(&[url_file]).unwrap_err().to_string();
    assert!(told.contains("database.url_file") && !told.contains("canary"), "{told}");
    assert_eq!(refused(&[url_file]), ["database.url_file"]);
}

#[test]
fn a_file_that_holds_no_address_is_named_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (path, cause) in
        [(file.path().to_str().unwrap(), "holds no text"), ("/absent", "No such file")]
    {
        let told = load(&[("url_file", path)]).unwrap_err().to_string();
        for part in [path, cause, "database.url_file", "KEYWARD__DATABASE__URL_FILE"] {
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(told.lines().count(), 2, "{told}");
    }
}

#[test]
fn a_file_with_an_address_is_for_the_server_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "postgres://kw:canary@db.example/keys").unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = load(&[("url_file", file.path().to_str().unwrap())]).unwrap_err().to_string();
    assert!(told.contains("database.url_file") && told.contains("chmod 600"), "{told}");
}

#[test]
fn a_password_is_shown_nowhere() {
    let good = "postgres://kw:canary@h/n?sslmode=disable";
    let settings = load(&[("url", good)]).unwrap();
    let shown = format!("{} {settings:?}", settings.print());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("database.url = \"postgres://kw:REDACTED@h/n?sslmode=disable\""));

    for bad in [
        "postgres://kw:canary@h",
        "postgres://kw:can#ary-canary@h/n",
        "postgres//kw:canary@h/n",
        "postgres://kw:canary@h/n?password=canary",
        "canary",
    ] {
        let error = load(&[("url", bad)]).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("database.url") && !shown.contains("canary"), "{shown}");
    }
    for garbled in [
        "[database]\nurl = \"postgres://kw:canary@h/n\n",
        "[database]\nurl = 'postgres://kw:canary@h/n\"\n",
        "[database]\nurl = postgres://kw:canary@h/n\n",
        "[database]\nurl = \"a\"\nurl = \"postgres://kw:canary@h/n\"\n",
        "[database]\nurl = [\"postgres://kw:canary@h/n\"]\n",
        "[database]\nurl = { canary = \"postgres://kw:canary@h/n\" }\n",
        "[database]\npassword = \"canary\"\n",
        "database = \"postgres://kw:canary@h/n\"\n",
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(garbled.as_bytes()).unwrap();
        let error = Settings::load(Some(file.path()), std::iter::empty()).unwrap_err();
        let shown = format!("{error} {error:?}").replace("url.canary", "");
        assert!(!shown.contains("canary"), "{garbled}: {shown}");
    }
}

#[test]
fn who_migrates_at_the_start_is_a_choice() {
    let server = ("url", "postgres://kw@h/n");
    let migrates = |given: &[(&str, &str)]| load(given).unwrap().database.migrates_on_start();
    assert!(!migrates(&[server]));
    assert!(migrates(&[server, ("migrate_on_start", "true")]));
    assert!(!migrates(&[("migrate_on_start", "false")]));
    assert!(load(&[("migrate_on_start", "maybe")]).is_err());
    assert!(load(&[("tls", "prefer")]).is_err());
}

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect::<Vec<_>>()
        .into_iter()
}

fn load(pairs: &[(&str, &str)]) -> Result<Settings, InvalidSettings> {
    Settings::load(None, variables(pairs))
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[track_caller]
fn refused(pairs: &[(&str, &str)], expected: &[&str]) {
    let lines: Vec<_> =
        load(pairs).unwrap_err().problems().iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected);
}

#[test]
fn nothing_given_means_the_defaults() {
    assert_eq!(load(&[]), Ok(Settings::default()));
}

#[test]
fn the_defaults_are_within_bounds() {
    assert_eq!(Settings::default().problems(), []);
}

#[test]
fn the_file_overrides_the_defaults_and_the_environment_the_file() {
    let file = file("[server]\nmax_in_flight = 7\nreflection = false\n[log]\nformat = \"json\"\n");
    let settings = Settings::load(
        Some(file.path()),
        variables(&[
            ("KEYWARD__SERVER__MAX_IN_FLIGHT", "8"),
            ("KEYWARD__SERVER__LISTEN", "[::]:7"),
        ]),
    )
    .unwrap();
    assert_eq!(settings.server.max_in_flight, 8);
    assert_eq!(settings.server.listen, "[::]:7".parse().unwrap());
    assert!(!settings.server.reflection);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.back, BackSettings::default());
}

#[test]
fn what_is_printed_can_be_read_back() {
    let settings = load(&[
        ("KEYWARD__DATABASE__PATH", "/x/\"y\"\\\u{200b}\t.db"),
        ("KEYWARD__LOG__LEVEL", "warn,h2=off"),
    ])
    .unwrap();
    let file = file(&settings.print());
    assert_eq!(Settings::load(Some(file.path()), variables(&[])), Ok(settings));
}

#[test]
fn the_table_lists_every_field() {
    let debug = format!("{:#?}", Settings::default());
    let fields =
        debug.lines().filter(|line| line.starts_with("        ") && !line.starts_with("         "));
    // What was read from a file that a setting names is no setting.
    let fields = fields.filter(|line| line.contains(": ") && !line.contains("_held: "));
    assert_eq!(fields.count(), SETTINGS.len());
    assert_eq!(markdown().lines().count(), SETTINGS.len() + 2);
}

/// Without which this setting is half of something.
fn beside(setting: &str) -> Vec<(&'static str, &'static str)> {
    match setting {
        "database.host"
        | "database.port"
        | "database.name"
        | "database.user"
        | "database.password_file"
        | "database.tls"
        | "database.tls_ca_file" => vec![
            ("KEYWARD__DATABASE__HOST", "h"),
            ("KEYWARD__DATABASE__NAME", "n"),
            ("KEYWARD__DATABASE__USER", "u"),
        ],
        "telemetry.otlp_headers_file" => vec![("KEYWARD__TELEMETRY__OTLP_ENDPOINT", "http://h")],
        "tls.certificate_file"
        | "tls.private_key_file"
        | "tls.client_ca_file"
        | "tls.callers_file"
        | "tls.client_certificates" => vec![
            ("KEYWARD__TLS__CERTIFICATE_FILE", "c"),
            ("KEYWARD__TLS__PRIVATE_KEY_FILE", "k"),
            ("KEYWARD__TLS__CLIENT_CA_FILE", "a"),
            ("KEYWARD__TLS__CALLERS_FILE", "l"),
        ],
        "replicas.poll_interval_ms" => vec![("KEYWARD__REPLICAS__LEASE_MS", "60000")],
        _ => Vec::new(),
    }
}

#[test]
fn every_variable_reaches_its_own_setting() {
    let (database, redis) = (file("postgres://u@h/n"), file("redis://h"));
    let path = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    for setting in SETTINGS {
        let value = match setting.name {
            "database.url_file" => path(&database),
            "limits.redis_url_file" => path(&redis),
            "server.listen" => "127.0.0.1:9".to_owned(),
            "metrics.listen" => "127.0.0.1:10".to_owned(),
            "health.listen" => "127.0.0.1:11".to_owned(),
            "tls.client_certificates" => "optional".to_owned(),
            "server.reflection" | "metrics.enabled" | "replicas.doorbell" => "false".to_owned(),
            "server.keepalive_timeout_ms" => "1000".to_owned(),
            "log.format" => "json".to_owned(),
            "log.level" => "debug".to_owned(),
            "telemetry.otlp_endpoint" => "https://h:4317".to_owned(),
            "telemetry.sample_ratio" => "0.5".to_owned(),
            "database.url" => "postgres://u@h/n".to_owned(),
            "database.tls" => "off".to_owned(),
            "limits.redis_url" => "rediss://u@h/1".to_owned(),
            "limits.without_redis" => "refuse".to_owned(),
            "database.migrate_on_start" => "true".to_owned(),
            name => setting
                .bounds()
                .map_or_else(|| format!("{name}.x"), |bounds| bounds.end().to_string()),
        };
        let variable = setting.variable();
        let mut pairs = vec![(&*variable, &*value)];
        pairs.extend(beside(setting.name).into_iter().filter(|(name, _)| *name != variable));
        let settings = load(&pairs).unwrap();
        assert_eq!(
            setting.value(&settings).to_string().trim_matches('"'),
            value,
            "{}",
            setting.name
        );
    }
}

#[test]
fn both_ends_of_every_range_are_allowed_and_one_beyond_is_not() {
    for (setting, bounds) in
        SETTINGS.iter().filter_map(|setting| Some((setting, setting.bounds()?)))
    {
        let wide = ("KEYWARD__SERVER__KEEPALIVE_INTERVAL_MS", "86400000");
        let narrow = ("KEYWARD__SERVER__KEEPALIVE_TIMEOUT_MS", "1000");
        let given = |value: u64| {
            let (variable, value) = (setting.variable(), value.to_string());
            let mut pairs = vec![wide, narrow];
            pairs.extend(beside(setting.name));
            pairs.retain(|(name, _)| *name != variable);
            pairs.push((&variable, &value));
            load(&pairs).is_ok()
        };
        assert!(given(*bounds.start()) && given(*bounds.end()), "{}", setting.name);
        assert!(!given(bounds.end() + 1), "{}", setting.name);
        assert!(*bounds.start() == 0 || !given(bounds.start() - 1), "{}", setting.name);
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    refused(
        &[
            ("KEYWARD__SERVER__MAX_IN_FLIGHT", "0"),
            ("KEYWARD__SERVER__DRAIN_TIMEOUT_MS", "0"),
            ("KEYWARD__SERVER__KEEPALIVE_INTERVAL_MS", "2000"),
            ("KEYWARD__BACK__THREADS", "1025"),
            ("KEYWARD__DATABASE__PATH", "same"),
            ("KEYWARD__KEYRING__PATH", "same"),
            ("KEYWARD__LOG__LEVEL", "loud"),
        ],
        &[
            "server.max_in_flight = 0: must be from 1 to 1000000 (variable KEYWARD__SERVER__MAX_IN_FLIGHT)",
            "server.drain_timeout_ms = 0: must be from 1 to 3600000 (variable KEYWARD__SERVER__DRAIN_TIMEOUT_MS)",
            "back.threads = 1025: must be from 1 to 1024 (variable KEYWARD__BACK__THREADS)",
            "server.keepalive_timeout_ms = 20000: must be at most server.keepalive_interval_ms, which is 2000 \
             (variable KEYWARD__SERVER__KEEPALIVE_TIMEOUT_MS)",
            "log.level = \"loud\": must be off, error, warn, info, debug, trace or target=level directives \
             (variable KEYWARD__LOG__LEVEL)",
            "keyring.path = \"same\": must be another file than database.path (variable KEYWARD__KEYRING__PATH)",
        ],
    );
}

#[test]
fn a_lease_that_would_end_between_two_looks_is_refused() {
    refused(
        &[("KEYWARD__REPLICAS__POLL_INTERVAL_MS", "1334")],
        &[
            "replicas.poll_interval_ms = 1334: must be a third of replicas.lease_ms at the most, 1333 \
           (variable KEYWARD__REPLICAS__POLL_INTERVAL_MS)",
        ],
    );
    for (lease, given, interval) in [("4000", "1333", 1_333), ("4000", "0", 800), ("500", "0", 100)]
    {
        let settings = load(&[
            ("KEYWARD__REPLICAS__LEASE_MS", lease),
            ("KEYWARD__REPLICAS__POLL_INTERVAL_MS", given),
        ]);
        assert_eq!(settings.unwrap().replicas.interval_ms(), interval);
    }
}

#[test]
fn the_name_and_the_file_of_the_audit_are_judged() {
    refused(
        &[
            ("KEYWARD__AUDIT__ORIGIN", "a log"),
            ("KEYWARD__AUDIT__CHECKPOINT_FILE", "same"),
            ("KEYWARD__KEYRING__PATH", "same"),
        ],
        &[
            "audit.origin = \"a log\": must be 1 to 200 visible ASCII characters other than +, such as \
             keys.example.com/log (variable KEYWARD__AUDIT__ORIGIN)",
            "audit.checkpoint_file = \"same\": must be another file than keyring.path (variable \
             KEYWARD__AUDIT__CHECKPOINT_FILE)",
        ],
    );
    refused(
        &[("KEYWARD__AUDIT__CHECKPOINT_FILE", "db"), ("KEYWARD__DATABASE__PATH", "db")],
        &["audit.checkpoint_file = \"db\": must be another file than database.path (variable \
           KEYWARD__AUDIT__CHECKPOINT_FILE)"],
    );
    assert_eq!(Settings::default().audit.file(), None);
}

#[test]
fn an_empty_path_is_refused() {
    refused(
        &[("KEYWARD__DATABASE__PATH", "")],
        &["database.path = \"\": must be the path of a file (variable KEYWARD__DATABASE__PATH)"],
    );
}

#[test]
fn unknown_variables_are_refused_by_name() {
    refused(
        &[
            ("KEYWARD__SERVER__LISEN", "x"),
            ("KEYWARD__SERVER", "x"),
            ("keyward__server__listen", "x"),
        ],
        &["unknown setting KEYWARD__SERVER__LISEN", "unknown setting KEYWARD__SERVER"],
    );
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_are_not_ours() {
    assert_eq!(load(&[("KEYWARD_PORT", "tcp://10.0.0.1:50051")]), Ok(Settings::default()));
}

#[test]
fn unknown_settings_of_a_file_are_refused_by_name() {
    let file = file("colour = 1\n[server]\nlisen = \"x\"\nlog.level = \"info\"\n");
    let error = Settings::load(Some(file.path()), variables(&[])).unwrap_err().to_string();
    assert_eq!(
        error,
        "invalid settings:\n  unknown setting colour\n  unknown setting server.lisen\n  unknown setting server.log.level"
    );
}

#[test]
fn a_mistyped_value_names_its_setting_and_variable() {
    for (variable, value, name) in [
        ("KEYWARD__SERVER__MAX_IN_FLIGHT", "many", "server.max_in_flight"),
        ("KEYWARD__SERVER__MAX_HEADER_BYTES", "-1", "server.max_header_bytes"),
        ("KEYWARD__SERVER__LISTEN", "localhost", "server.listen"),
        ("KEYWARD__LOG__FORMAT", "xml", "log.format"),
        ("KEYWARD__TELEMETRY__SAMPLE_RATIO", "NaN", "telemetry.sample_ratio"),
    ] {
        let text = load(&[(variable, value)]).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains(variable), "{text}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let broken = file("[server");
    for path in [broken.path(), Path::new("/nowhere/keyward.toml")] {
        let text = Settings::load(Some(path), variables(&[])).unwrap_err().to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn no_front_threads_means_one_per_core() {
    assert!(ServerSettings::default().front_threads() >= 1);
    assert_eq!(ServerSettings { front_threads: 3, ..ServerSettings::default() }.front_threads(), 3);
}

#[test]
fn a_level_is_a_word_or_directives() {
    let level = |level| load(&[("KEYWARD__LOG__LEVEL", level)]).is_ok();
    for good in ["off", "INFO", "info,h2=off", "keyward::store=debug", "warn,hyper=info,h2=error"] {
        assert!(level(good), "{good}");
    }
    for bad in ["", "inf", "info,", "keyward", "keyward=", "keyward=loud"] {
        assert!(!level(bad), "{bad}");
    }
}

#[cfg(unix)]
#[test]
fn every_variable_of_ours_that_is_not_utf8_is_told() {
    use std::os::unix::ffi::OsStringExt as _;

    let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let all = [
        (os(b"KEYWARD__LOG__LEVEL"), os(b"\xff")),
        (os(b"KEYWARD__\xff"), os(b"x")),
        (os(b"PATH"), os(b"\xff")),
        (os(b"KEYWARD__LOG__FORMAT"), os(b"json")),
    ];
    let problems = readable(all.clone().into_iter()).unwrap_err();
    assert_eq!(problems.problems().len(), 2, "{problems}");
    let [.., path, format] = all;
    let expected = vec![("KEYWARD__LOG__FORMAT".to_owned(), "json".to_owned())];
    assert_eq!(readable([path, format].into_iter()), Ok(expected));
}

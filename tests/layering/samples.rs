//! That the rules find what they are there to find, and nothing else.

use crate::{
    paths::paths,
    rules::{Source, faults, is_unsafe, too_long},
};

#[track_caller]
fn bad(name: &str, text: &str) {
    let found = faults(&Source::new(name, text));
    assert!(!found.is_empty(), "{name}: {text}");
}

#[track_caller]
fn good(name: &str, text: &str) {
    assert_eq!(faults(&Source::new(name, text)), [""; 0], "{name}: {text}");
}

#[test]
fn the_domain_names_no_technology_no_clock_and_no_other_layer() {
    for text in [
        "use tonic::Status;",
        "fn f() -> tonic::Status { todo() }",
        "use { std::fmt, prost::Message };",
        "use ::sea_orm::Value;",
        "use moka::sync::Cache as Map;",
        "#[tokio::test] async fn f() {}",
        "extern crate tokio;",
        "use std::{env, fmt};",
        "fn f() { std::env::var(\"X\"); }",
        "use std::time::{Duration, Instant};",
        "fn f() { std::time::SystemTime::now(); }",
        "use crate::store::Store;",
        "use crate::{domain::key, proto};",
        "use crate::{domain::{key, name}, store::{self}};",
        "use super::super::admin::Admin;",
        "use super::super::{domain, admin};",
        "mod tests { use super::super::super::admin::Admin; }",
        "pub(in crate::grpc) fn f() {}",
        "use keyward::proto;",
    ] {
        bad("src/domain/key.rs", text);
    }
    for text in [
        "use super::name::Id; use crate::domain::time::Timestamp;",
        "use super::{super::domain::name, scope::{self, ScopeId}};",
        "mod tests { use super::super::name::Id; use super::*; } use super::name;",
        "// use tonic::Status;\nuse std::{fmt, time::Duration};",
        "/* a /* tonic */ tokio */ fn f() {}",
        "/// See tonic::Status.\nfn f() {}",
        "fn f() { \"tonic::Status \\\" tokio\"; r#\"sea_orm \" moka\"#; b\"prost\"; }",
        "fn f<'tonic>(x: &'tonic str, c: char) { c == '\\''; c == '\"'; }",
        "fn f() { let r#type = environment; env!(\"X\"); }",
        "fn f() { tonicity(); my::tokio_like(); }",
    ] {
        good("src/domain/key.rs", text);
    }
}

#[test]
fn the_cache_names_the_domain_and_no_database() {
    for text in ["use crate::store::Store;", "use sea_orm::Value;", "use tonic::Status;"] {
        bad("src/cache/owner.rs", text);
    }
    good("src/cache/entries.rs", "use moka::sync::Cache; use crate::domain::live::LiveKey;");
}

#[test]
fn one_module_alone_names_tls_and_it_knows_no_transport() {
    for (name, text) in [
        ("src/server/greeting.rs", "use tokio_rustls::TlsAcceptor;"),
        ("src/app.rs", "use rustls::ServerConfig;"),
        ("src/callers.rs", "use webpki::EndEntityCert;"),
        ("src/cli/health.rs", "fn f() { rustls_native_certs::load_native_certs(); }"),
        ("src/tls/reload.rs", "use crate::grpc::status;"),
        ("src/tls.rs", "use tonic::Status;"),
        ("src/callers/file.rs", "use crate::config::Settings;"),
        ("src/grpc/authenticate.rs", "use crate::tls::Tls;"),
    ] {
        bad(name, text);
    }
    good("src/tls/held.rs", "use rustls::ServerConfig; use crate::{config::TlsSettings, files};");
    good("src/grpc/authenticate.rs", "use crate::callers::InForce;");
}

#[test]
fn who_is_measured_knows_nothing_of_it() {
    for (name, text) in [
        ("src/cache.rs", "use opentelemetry::metrics::Meter;"),
        ("src/replica/status.rs", "use prometheus::Registry;"),
        ("src/domain/key.rs", "use opentelemetry::KeyValue;"),
        ("src/admin.rs", "use opentelemetry_sdk::Resource;"),
        ("src/store.rs", "use crate::telemetry::Telemetry;"),
        ("src/telemetry.rs", "use crate::store::Store;"),
        ("src/telemetry.rs", "use sea_orm::Value;"),
    ] {
        bad(name, text);
    }
    good(
        "src/telemetry.rs",
        "use crate::{cache::Cache, replica::Replica}; use prometheus::Registry;",
    );
}

#[test]
fn the_use_cases_name_the_domain_alone() {
    for (name, text) in [
        ("src/admin/keys.rs", "use crate::introspect::Introspection;"),
        ("src/admin/keys.rs", "use super::super::store;"),
        ("src/admin.rs", "use super::store;"),
        ("src/admin.rs", "use crate::proto::Key;"),
        ("src/admin.rs", "use tokio::sync::Mutex;"),
        ("src/introspect.rs", "use crate::admin::Admin;"),
        ("src/introspect.rs", "use crate::{domain::key::Key, store};"),
        ("src/introspect.rs", "use prost::Message;"),
    ] {
        bad(name, text);
    }
    good("src/admin/keys.rs", "use super::{Admin, error}; use crate::{admin::Mask, domain::key};");
    good("src/introspect.rs", "use crate::domain::key::Key; mod tests { use super::*; }");
}

#[test]
fn the_store_and_the_transport_never_meet() {
    for (name, text) in [
        ("src/store.rs", "use crate::grpc::status;"),
        ("src/store/find.rs", "use crate::admin::AdminError;"),
        ("src/store/find.rs", "use tonic::Status;"),
        ("src/store/find.rs", "fn f(m: prost::bytes::Bytes) {}"),
        ("src/grpc/status.rs", "use crate::store::Store;"),
        ("src/grpc.rs", "use crate::{admin::Admin, store::Store};"),
        ("src/grpc/status.rs", "use sea_orm::DbErr;"),
    ] {
        bad(name, text);
    }
    good("src/store/find.rs", "use super::entity; use crate::domain::key; use sea_orm::DbErr;");
    good("src/store.rs", "use migrations::Migrator;");
    good(
        "src/grpc/key_admin.rs",
        "use crate::{admin::Admin, domain::key, proto}; use tonic::Status;",
    );
}

#[test]
fn what_one_file_may_name_no_other_does() {
    for (name, text) in [
        ("src/grpc/key_admin.rs", "use tonic::{Code, Status};"),
        ("src/grpc/key_admin.rs", "fn f() { tonic::Code::Ok; }"),
        ("src/server.rs", "fn f(code: Code) { Code::Ok; }"),
        ("src/config/server.rs", "fn f() { std::env::var(\"X\"); }"),
        ("src/cli.rs", "use std::env;"),
        ("src/cli.rs", "fn f() { env::var_os(\"X\"); }"),
        ("src/back.rs", "use std::time::{Duration, SystemTime};"),
        ("src/main.rs", "fn f() { std::time::SystemTime::now(); }"),
        ("src/limits/shared.rs", "use redis::Client;"),
        ("src/usage/flush.rs", "fn f() { redis::cmd(\"GET\"); }"),
    ] {
        bad(name, text);
    }
    good("src/grpc/status.rs", "use tonic::{Code, Status};");
    good("src/config.rs", "fn f() { std::env::vars(); }");
    good("src/clock.rs", "use std::time::SystemTime;");
    good("src/limits/redis.rs", "use redis::Client;");
    good("src/limits.rs", "mod redis; pub use self::redis::Redis;");
    good("src/telemetry/instruments.rs", "fn f() { redis(1); }");
    good("src/proto.rs", "const A: &str = env!(\"OUT_DIR\");");
    good("src/server.rs", "use std::time::Instant; fn f() { StatusCode::OK; }");
}

#[test]
fn long_files_and_the_word_unsafe_are_found() {
    let lines = |count| Source::new("src/a.rs", &"\n".repeat(count));
    assert!(too_long(&lines(400)).is_none());
    assert!(too_long(&lines(401)).is_some());
    assert!(is_unsafe(&Source::new("src/a.rs", "fn f() { unsafe { g() } }")).is_some());
    assert!(is_unsafe(&Source::new("src/a.rs", "// unsafe\nfn f() { \"unsafe\"; }")).is_none());
    assert!(is_unsafe(&Source::new("src/a.rs", "#![forbid(unsafe_code)]")).is_none());
}

#[test]
fn groups_are_taken_apart() {
    let text = "use a::{b::{c, d as e}, self, f::*}; g::h::<i::j>(k);";
    let read: Vec<String> = paths(text, &["m"]).iter().map(|path| path.join("::")).collect();
    for expected in ["a::b::c", "a::b::d", "a::self", "a::f::*", "i::j", "k"] {
        assert!(read.iter().any(|path| path == expected), "{expected} in {read:?}");
    }
}

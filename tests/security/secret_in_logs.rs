//! A secret that somebody reads who need not know it.
//!
//! - OpenBao, CVE-2025-62513, -62705: secrets stood in the audit log, where a field had another type
//!   than the redaction expected.
//!
//! A canary goes through every call, right and wrong, with every log, span, metric, error and panic
//! looked through: `tests/canary.rs`, on a file. Here what it does not have: the server of the
//! database, which may log every statement with what is bound to it, and every row of every table.

mod looked_for;

use keyward::{domain::secret::Keyring, keyring::load_or_create, proto};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::{
    process::Deployment,
    support::{Caller, fresh::Fresh, reader, request_id},
    ways::{WAYS, Ways, question},
    world::{Logged, Store, caller_at, furnish, texts},
};
use looked_for::needles::{Needles, as_text};

on_each_store!(nothing_of_a_secret_reaches_the_database_or_a_log);

/// What is kept of a secret, and so is in the database and in what its server logs.
const KEPT: &str = "its digest, encoded";

async fn nothing_of_a_secret_reaches_the_database_or_a_log(store: Store) {
    let logged = match store {
        Store::Sqlite => None,
        Store::Postgres => Some(Logged::start().await),
    };
    let database = match &logged {
        Some(logged) => Some(Fresh::on(logged.server.url.clone()).await),
        None => None,
    };
    let url = database.as_ref().map(Fresh::url);
    let mut settings = vec![("log.level", "trace"), ("usage.flush_interval_ms", "50")];
    if let Some(url) = &url {
        settings.extend([("database.url", url.as_str()), ("database.migrate_on_start", "true")]);
    }
    let deployment = Deployment::new(&settings);
    let root_secret = deployment.bootstrap();
    let mut serving = deployment.serve().await;
    let mut root = caller_at(serving.address, &root_secret).await;
    furnish(&mut root).await;
    let mut secrets = minted(&mut root).await;
    secrets.push(root_secret);
    for secret in &secrets {
        send_everywhere(&mut root, secret).await;
    }
    // To its end, so that all is written.
    let id = serving.id().to_string();
    assert!(std::process::Command::new("kill").arg(&id).status().unwrap().success());
    serving.end();

    let mut places = vec![("the program's log", deployment.log(), false)];
    match (&database, &logged) {
        (Some(database), Some(logged)) => {
            places.push(("the rows", rows(database).await, true));
            places.push(("the log of the database's server", logged.log(), true));
        }
        _ => {
            for name in ["keyward.db", "keyward.db-wal"] {
                if let Ok(bytes) = std::fs::read(deployment.file(name)) {
                    places.push(("the file", as_text(&bytes), true));
                }
            }
        }
    }
    let keyring = load_or_create(&deployment.file("keyward.keyring"), false, 0).unwrap();
    check(&places, &secrets, &keyring);
    // The places are the right ones: what is kept of a secret is in the database and its log.
    if database.is_some() {
        let needles = Needles::new(&secrets[0], &keyring);
        for (place, text, is_database) in &places {
            assert_eq!(needles.found_in(text).contains(&KEPT), *is_database, "{place}");
        }
    }
}

fn check(places: &[(&str, String, bool)], secrets: &[String], keyring: &Keyring) {
    let mut leaks = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        let needles = Needles::new(secret, keyring);
        for (place, text, is_database) in places {
            assert!(text.len() > 1_000, "{place} says nothing");
            let found = needles.found_in(text).into_iter();
            let found = found.filter(|what| !(*is_database && *what == KEPT));
            leaks.extend(found.map(|what| format!("secret {number}: {what} in {place}")));
        }
    }
    assert_eq!(leaks, [""; 0]);
}

/// Secrets made in every way: the ones that work, and those that do not any more.
async fn minted(root: &mut Caller) -> Vec<String> {
    let create = |id: &str| proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key_id: id.to_owned(),
        key: Some(reader()),
        request_id: request_id(),
        ..Default::default()
    };
    let mut secrets = vec![root.admin.create_key(create("ci")).await.unwrap().into_inner().secret];
    let rotate = proto::RotateKeyRequest {
        name: "workspaces/acme/keys/ci".to_owned(),
        ..Default::default()
    };
    secrets.push(root.admin.rotate_key(rotate).await.unwrap().into_inner().secret);
    let one = proto::CreateKeyRequest { key: Some(reader()), ..Default::default() };
    let batch = proto::BatchCreateKeysRequest {
        parent: "workspaces/acme".to_owned(),
        requests: vec![one; 2],
        ..Default::default()
    };
    let made = root.admin.batch_create_keys(batch).await.unwrap().into_inner().responses;
    let revoked = made[0].key.as_ref().unwrap().name.clone();
    let revoke = proto::RevokeKeyRequest { name: revoked, ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    secrets.extend(made.into_iter().map(|made| made.secret));
    secrets
}

/// Sends a secret where it belongs, and where it does not and is refused.
async fn send_everywhere(root: &mut Caller, secret: &str) {
    let mut ways = Ways::new(root.clone()).await;
    for way in WAYS {
        ways.ask(way, &question(secret, &[], "")).await.unwrap();
        let mut wrong = question(secret, &[secret], secret);
        wrong.class = secret.to_owned();
        let _ = ways.ask(way, &wrong).await;
        wrong.client_ip = secret.to_owned();
        ways.ask(way, &wrong).await.unwrap_err();
    }
    let identify = proto::IdentifyKeyRequest { secret: secret.to_owned() };
    root.admin.identify_key(identify).await.unwrap();
    let name = format!("workspaces/acme/keys/{secret}");
    root.admin.get_key(proto::GetKeyRequest { name: name.clone() }).await.unwrap_err();
    let list = proto::ListKeysRequest {
        parent: "workspaces/acme".to_owned(),
        page_token: secret.to_owned(),
        order_by: secret.to_owned(),
        principal: name.clone(),
        ..Default::default()
    };
    root.admin.list_keys(list).await.unwrap_err();
    let events = proto::ListEventsRequest { page_token: secret.to_owned(), ..Default::default() };
    root.admin.list_events(events).await.unwrap_err();
    let create = proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key_id: secret.to_owned(),
        minting_key: name,
        request_id: secret.to_owned(),
        presets: vec![secret.to_owned()],
        key: Some(proto::Key {
            r#type: secret.to_owned(),
            principal: secret.to_owned(),
            constraint: vec![format!("*/{secret}/*x")],
            allowed_cidrs: vec![secret.to_owned()],
            plan: secret.to_owned(),
            grants: vec![proto::Grant { scope: secret.into(), resource: secret.into() }],
            ..reader()
        }),
        ..Default::default()
    };
    root.admin.create_key(create).await.unwrap_err();
}

/// Every row of every table, as text.
async fn rows(database: &Fresh) -> String {
    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()";
    let tables = texts(database, tables).await;
    assert!(tables.len() > 8, "{tables:?}");
    let connection = database.connect().await;
    let mut all = String::new();
    for table in tables {
        let sql = format!("SELECT t::text FROM {table} t");
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        for row in connection.query_all_raw(statement).await.unwrap() {
            all.push_str(&row.try_get_by_index::<String>(0).unwrap());
            all.push('\n');
        }
    }
    connection.close().await.unwrap();
    all
}

//! A stolen database, a stolen keyring, and copies of both.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use keyward::proto::{self, DenyReason};
use sea_orm::DatabaseConnection;

use crate::{
    process::Deployment,
    world::{DATABASE, KEYRING, World, allowed, ask, column, end, execute, mint, unknown},
};

/// Questions in a batch.
const BATCH: usize = 500;
/// Characters of a secret's random part and tag together.
const MIDDLE: usize = 32 + 11;

/// Everything that is in the database, as `quote` of SQLite writes it.
async fn values(database: &DatabaseConnection) -> Vec<String> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut values = Vec::new();
    for table in column(database, tables).await {
        let names = format!("SELECT name FROM pragma_table_info('{table}')");
        for name in column(database, &names).await {
            let sql = format!("SELECT quote(\"{name}\") FROM \"{table}\"");
            values.extend(column(database, &sql).await);
        }
    }
    values
}

/// A well-formed secret with a correct checksum, made of this text.
fn dressed(text: &str) -> Option<String> {
    let middle: String =
        text.chars().filter(char::is_ascii_alphanumeric).cycle().take(MIDDLE).collect();
    let covered = format!("web_live_0{middle}");
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(covered.as_bytes());
    let mut checksum = [0; 6];
    for digit in checksum.iter_mut().rev() {
        *digit = DIGITS[rest as usize % 62];
        rest /= 62;
    }
    (middle.len() == MIDDLE).then(|| covered + str::from_utf8(&checksum).unwrap())
}

/// What a thief may make of a value: as it stands, decoded, and dressed up as a secret.
fn tries(value: &str) -> Vec<String> {
    let plain = value.trim_start_matches('X').trim_matches('\'');
    let text = plain.to_owned();
    let mut tries = vec![text.clone(), text.to_lowercase(), STANDARD_NO_PAD.encode(plain)];
    tries.extend(dressed(plain));
    tries.extend(dressed(&text.chars().rev().collect::<String>()));
    tries.retain(|tried| !tried.is_empty());
    tries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_database_holds_nothing_that_introspect_takes_for_a_secret() {
    let world = World::new().await;
    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    let secret = mint(&mut root, "acme", "ci", &["docs:read"]).await;
    let database = world.database().await;
    let values = values(&database).await;
    assert!(values.len() > 100 && values.iter().any(|value| value.contains("docs:read")));
    assert!(values.iter().any(|value| value.starts_with("X'") && value.len() == 51), "digests");
    assert!(!values.iter().any(|value| value.contains(&secret[10..42])));

    // The form of what is tried is right: only the tag is not.
    let genuine = dressed(&secret[10..53]).unwrap();
    assert_eq!(genuine, secret, "dressed up as a secret is");
    let mut tried: Vec<String> = values.iter().flat_map(|value| tries(value)).collect();
    tried.sort_unstable();
    tried.dedup();
    for some in tried.chunks(BATCH) {
        let questions = some.iter().map(|secret| proto::IntrospectRequest {
            secret: secret.clone(),
            ..Default::default()
        });
        let request = proto::BatchIntrospectRequest { requests: questions.collect() };
        let answers =
            root.introspect.batch_introspect(request).await.unwrap().into_inner().responses;
        assert_eq!(answers.len(), some.len());
        assert!(
            answers
                .iter()
                .all(|answer| !answer.active && answer.reason() == DenyReason::InvalidKey)
        );
    }
    allowed(&ask(&mut root, &genuine, "docs:read").await, "workspaces/acme/keys/ci");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_database_with_another_keyring_makes_no_secret_that_we_take() {
    let world = World::new().await;
    let thief = Deployment::new(&[]);
    world.steal(DATABASE, &thief);
    // Without a keyring, and with one of the thief's own.
    let refused = |said: &str| {
        let output = thief.run(&["bootstrap", "--force"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(said), "{told}");
    };
    refused("does not exist");
    assert!(thief.run(&["keyring", "init"]).status.success());
    refused("keyring");
    // Nothing holds whoever writes the copy, but what is made there is good there alone.
    let path = thief.file(DATABASE);
    let database =
        sea_orm::Database::connect(format!("sqlite://{}", path.display())).await.unwrap();
    execute(&database, "DELETE FROM keyring", 1).await;
    database.close().await.unwrap();
    let output = thief.run(&["bootstrap", "--force"]);
    assert!(output.status.success(), "{output:?}");
    let secret = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();

    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    unknown(&serving, &mut root, &secret).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_keyring_alone_makes_secrets_that_nobody_knows() {
    let world = World::new().await;
    let thief = Deployment::new(&[]);
    world.steal(KEYRING, &thief);
    let secret = thief.bootstrap();
    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    unknown(&serving, &mut root, &secret).await;
    allowed(&ask(&mut root, &world.root.clone(), "").await, "workspaces/system/keys/bootstrap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_database_and_keyring_make_keys_for_the_copy_alone() {
    let world = World::new().await;
    let thief = Deployment::new(&[]);
    world.steal(DATABASE, &thief);
    world.steal(KEYRING, &thief);
    let output = thief.run(&["bootstrap", "--force"]);
    assert!(output.status.success(), "{output:?}");
    let secret = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    let mut copy = thief.serve().await;
    let mut there = crate::caller::Caller::connect(copy.address, &secret).await;
    assert!(ask(&mut there, &secret, "").await.active, "it is good there");
    end(&mut copy);

    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    unknown(&serving, &mut root, &secret).await;
}

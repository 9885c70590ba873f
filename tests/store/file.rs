//! What only a file can do.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use keyward::domain::{
    ports::{NewSecret, Records as _, StoreError, Write},
    secret::{KeyVersion, Keyring, Prefix, SigningKey},
    time::Timestamp,
    usage::{KeepUsage as _, NotAdded, Outcome},
};
use keyward::store::{OpenError, Options, Store};
use sea_orm::{ConnectionTrait as _, Statement};

use crate::{
    database::{Database as _, Sqlite},
    groups::{Fate, begin, fate, hold},
    sample::{change, furnish, key, new_key, new_workspace, revisions},
    usage::{batch, calls},
};

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    format!("{}{suffix}", path.display()).into()
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_dropped() {
    let database = Sqlite::new();
    let store = database.store().await;
    furnish(&store).await;
    let link = database.path().with_file_name("link.db");
    std::os::unix::fs::symlink(database.path(), &link).unwrap();
    for path in [database.path(), link] {
        let error = Store::open(&Options::new(path)).await.err().unwrap();
        assert!(matches!(error, OpenError::Owned { .. }), "{error:?}");
        assert!(error.to_string().contains(&*database.path().to_string_lossy()), "{error}");
    }
    drop(store);
    assert_eq!(revisions(&database.store().await).await, [1, 2, 3]);
}

#[tokio::test]
async fn every_file_is_for_its_owner_alone() {
    let database = Sqlite::new();
    let store = database.store().await;
    furnish(&store).await;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mode = fs::metadata(beside(&database.path(), suffix)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_is_refused_by_name() {
    let database = Sqlite::new();
    let absent = database.path().join("absent.db");
    let error = Store::open(&Options::new(&absent)).await.err().unwrap();
    assert!(error.to_string().contains("absent.db"), "{error}");

    fs::write(database.path(), "no database ".repeat(1_000)).unwrap();
    let error = Store::open(&database.options()).await.err().unwrap();
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_that_another_program_writes_is_unavailable() {
    let database = Sqlite::new();
    let options = Options { busy_timeout: Duration::from_millis(1), ..database.options() };
    let store = Store::open(&options).await.unwrap();
    store.migrate().await.unwrap();
    let other = database.connect().await;
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let outcome = store.commit(new_workspace("acme")).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    let used = batch("one", 1, vec![calls("a", 0, Outcome::Allowed, 1)], vec![]);
    let outcome = store.add_usage(&used).await;
    assert!(matches!(outcome, Err(NotAdded::InDoubt(_))), "{outcome:?}");
    other.execute_unprepared("ROLLBACK").await.unwrap();
    furnish(&store).await;
    store.add_usage(&used).await.unwrap();
}

#[tokio::test]
async fn what_a_trigger_refuses_is_refused_alone() {
    let database = Sqlite::new();
    let store = Arc::new(database.store().await);
    furnish(&store).await;
    let rule = "CREATE TRIGGER rule BEFORE INSERT ON keys WHEN NEW.id = 'refused' \
        BEGIN SELECT RAISE(ABORT, 'refused'); END";
    database.execute(rule).await;
    let held = hold(&database).await;
    let asked = begin(&store, ["a", "b", "refused", "c"].map(|name| new_key(key(name))));
    held.rollback().await.unwrap();
    let fates: Vec<Fate> = join_all(asked).await.iter().map(fate).collect();
    assert_eq!(fates, [Fate::Made, Fate::Made, Fate::Unavailable, Fate::Made]);
    assert_eq!(store.verify_events().await.unwrap().count, 6);
}

#[tokio::test]
async fn what_waited_too_long_is_not_made() {
    let database = Sqlite::new();
    let patience = Duration::from_secs(1);
    let options = Options { acquire_timeout: patience, ..database.options() };
    let store = Arc::new(Store::open(&options).await.unwrap());
    store.migrate().await.unwrap();
    furnish(&store).await;
    let held = hold(&database).await;
    let mut asked = begin(&store, [new_workspace("a")]);
    // It is begun meanwhile.
    tokio::time::sleep(Duration::from_millis(1)).await;
    asked.extend(begin(&store, [new_workspace("b")]));
    tokio::time::sleep(patience + Duration::from_millis(1)).await;
    held.rollback().await.unwrap();
    let fates: Vec<Fate> = join_all(asked).await.iter().map(fate).collect();
    assert_eq!(fates, [Fate::Made, Fate::Unavailable]);
    assert_eq!(revisions(&store).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn no_secret_is_ever_in_the_files() {
    let database = Sqlite::new();
    let store = database.store().await;
    furnish(&store).await;
    let keyring =
        Keyring::new(vec![SigningKey::new(KeyVersion::FIRST, &[5; 32])], KeyVersion::FIRST)
            .unwrap();
    store.check_keyring(&keyring).await.unwrap();
    let minted =
        keyring.mint(&Prefix::parse("acme").unwrap(), &ring::rand::SystemRandom::new()).unwrap();
    let digest = *minted.digest.as_bytes();
    let secret = NewSecret {
        digest: minted.digest,
        version: KeyVersion::FIRST,
        older_until: Timestamp::MIN,
    };
    store.commit(change(Write::Key(key("a"), None, Some(secret)))).await.unwrap();

    let files =
        ["", "-wal"].map(|suffix| fs::read(beside(&database.path(), suffix)).unwrap()).concat();
    let has = |part: &[u8]| files.windows(part.len()).any(|window| window == part);
    assert!(has(&digest), "the search would find it");
    let text = minted.secret.as_str().strip_prefix("acme_").unwrap();
    assert!(!has(&text.as_bytes()[1..33]));
    assert!(!has(&[5; 32]));
}

#[tokio::test]
async fn a_keyring_without_a_key_that_secrets_need_is_refused() {
    let database = Sqlite::new();
    let store = database.store().await;
    furnish(&store).await;
    let versions: Vec<KeyVersion> = KeyVersion::all().take(2).collect();
    let signing =
        |place: usize| SigningKey::new(versions[place], &[u8::try_from(place).unwrap(); 32]);
    let keyring = Keyring::new(vec![signing(0)], versions[0]).unwrap();
    // As every process does before it signs.
    store.check_keyring(&keyring).await.unwrap();
    let minted =
        keyring.mint(&Prefix::parse("acme").unwrap(), &ring::rand::SystemRandom::new()).unwrap();
    let secret =
        NewSecret { digest: minted.digest, version: versions[0], older_until: Timestamp::MIN };
    store.commit(change(Write::Key(key("a"), None, Some(secret)))).await.unwrap();

    let without = Keyring::new(vec![signing(1)], versions[1]).unwrap();
    let refused = store.check_keyring(&without).await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::MissingKey { version, .. } if version == "0"),
        "{refused}"
    );
    let with_both = Keyring::new(vec![signing(0), signing(1)], versions[1]).unwrap();
    store.check_keyring(&with_both).await.unwrap();
}

#[tokio::test]
async fn as_long_as_nothing_was_signed_one_keyring_is_as_good_as_another() {
    let database = Sqlite::new();
    let store = database.store().await;
    for byte in [7, 1] {
        let key = SigningKey::new(KeyVersion::FIRST, &[byte; 32]);
        let keyring = Keyring::new(vec![key], KeyVersion::FIRST).unwrap();
        assert!(store.may_make_keyring().await.unwrap());
        store.check_keyring(&keyring).await.unwrap();
    }
}

/// The runtime ends at different moments of a change, and with it whatever ran.
#[test]
fn a_change_that_is_torn_off_is_made_whole_or_not_at_all() {
    let database = Sqlite::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async { furnish(&database.store().await).await });
    for reads in 0..20 {
        runtime().block_on(async {
            let store = Arc::new(database.open().await);
            let writer = Arc::clone(&store);
            let change = new_workspace(&format!("w{reads}"));
            tokio::spawn(async move { writer.commit(change).await });
            for _ in 0..reads {
                store.has_secrets().await.unwrap();
            }
        });
        runtime().block_on(async {
            // One statement, so one moment: SQLite may still be ending what it had begun.
            let count = "SELECT (SELECT count(*) FROM events) AS events, \
                (SELECT count(*) FROM workspaces) AS workspaces, (SELECT revision FROM counter) AS last";
            let connection = database.connect().await;
            let count = Statement::from_string(connection.get_database_backend(), count);
            let row = connection.query_one_raw(count).await.unwrap().unwrap();
            let number = |column| row.try_get::<i64>("", column).unwrap();
            assert_eq!(number("events"), number("workspaces") + 2);
            assert_eq!(number("events"), number("last"));
            database.open().await.verify_events().await.unwrap();
        });
    }
}

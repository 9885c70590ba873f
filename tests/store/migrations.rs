//! The schema, and the keyring that goes with a database.

use keyward::domain::{
    key::Key,
    ports::{Records as _, Write},
    secret::{KeyVersion, Keyring, SigningKey},
    workspace::Workspace,
};
use keyward::store::OpenError;

use crate::{
    database::Database,
    sample::{
        acme as acme_name, change, full_key, furnish, key, key_name, new_key, revisions, secret,
        workspace,
    },
};

pub(crate) async fn the_schema_goes_up_down_and_up(database: &impl Database) {
    let store = database.open().await;
    assert!(!store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    assert!(store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    furnish(&store).await;
    store.commit(new_key(full_key("ci"))).await.unwrap();
    assert_eq!(store.workspace(&acme_name()).await.unwrap().unwrap().value, workspace("acme"));
    drop(store);

    // The newest change alone: nothing of what is here is lost.
    go_down(database, 1).await;
    let store = database.open().await;
    assert!(!store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    assert_eq!(store.workspace(&acme_name()).await.unwrap().unwrap().value, workspace("acme"));
    drop(store);

    // And the one before: what it added is lost, and all else is there.
    go_down(database, 2).await;
    let store = database.open().await;
    assert!(!store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    assert!(store.schema_fits().await.unwrap());
    let found = store.workspace(&acme_name()).await.unwrap().unwrap().value;
    assert_eq!(found, Workspace { plan: String::new(), ..workspace("acme") });
    let found = store.key(&key_name("ci")).await.unwrap().unwrap().key.value;
    let plainer = Key { plan: String::new(), minting_key: None, ..full_key("ci") };
    assert_eq!(found, plainer);
    drop(store);

    go_down(database, 3).await;
    let store = database.open().await;
    assert!(!store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    assert!(store.schema_fits().await.unwrap());
    furnish(&store).await;
    assert_eq!(revisions(&store).await, [1, 2, 3]);
}

async fn go_down(database: &impl Database, steps: u32) {
    let connection = database.connect().await;
    migrations::down(&connection, steps).await.unwrap();
    connection.close().await.unwrap();
}

pub(crate) async fn a_newer_schema_is_refused_by_name(database: &impl Database) {
    let store = database.store().await;
    database.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_later', 0)").await;
    for outcome in [store.schema_fits().await.map(|_| ()), store.migrate().await] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, OpenError::Newer { .. }));
        assert!(error.to_string().contains("m29991231_000001_later"), "{error}");
    }
}

pub(crate) async fn another_keyring_is_refused(database: &impl Database) {
    let store = database.store().await;
    let [zero, one] = [0, 1].map(|place| KeyVersion::all().nth(place).unwrap());
    let keyring = |keys: &[(KeyVersion, u8)], current| {
        let keys = keys.iter().map(|(version, byte)| SigningKey::new(*version, &[*byte; 32]));
        Keyring::new(keys.collect(), current).unwrap()
    };
    store.check_keyring(&keyring(&[(zero, 1)], zero)).await.unwrap();
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    store.check_keyring(&keyring(&[(zero, 1)], zero)).await.unwrap();

    // The other new key is not noted on the way.
    let error = store.check_keyring(&keyring(&[(one, 9), (zero, 2)], one)).await.unwrap_err();
    assert!(
        matches!(error, OpenError::WrongKeyring { version, .. } if version == zero),
        "{error:?}"
    );
    assert!(error.to_string().contains("restore"), "{error}");

    store.check_keyring(&keyring(&[(zero, 1), (one, 2)], one)).await.unwrap();
    assert!(store.check_keyring(&keyring(&[(zero, 1), (one, 3)], one)).await.is_err());
}

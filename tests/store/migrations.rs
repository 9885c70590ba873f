//! The schema, and the keyring that goes with a database.

use keyward::domain::{
    key::Key,
    ports::{Records as _, Write},
    principal::Principal,
    secret::{KeyVersion, Keyring, SigningKey},
    workspace::Workspace,
};
use keyward::store::{BackError, OpenError};
use sea_orm::{ConnectionTrait as _, Statement};

use crate::{
    database::Database,
    sample::{
        acme as acme_name, at, change, first_page, full_key, furnish, key, key_name, new_key,
        principal, principal_name, rev, revisions, secret, workspace,
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
    let gone = Principal { disabled: true, deleted: true, ..principal() };
    store.commit(change(Write::Principal(gone.clone(), rev(3)))).await.unwrap();
    assert_eq!(store.principal(&principal_name()).await.unwrap().unwrap().value, gone);
    assert!(store.principals(&acme_name(), &first_page(9)).await.unwrap().is_empty());
    assert_eq!(store.workspace(&acme_name()).await.unwrap().unwrap().value, workspace("acme"));
    drop(store);

    // The newest change alone: what it added is lost, and all else is there.
    go_down_below(database, "m20261122_000005").await;
    let store = database.open().await;
    assert!(!store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    let found = store.principal(&principal_name()).await.unwrap().unwrap().value;
    assert_eq!(found, Principal { disabled: true, ..principal() }, "deleted, it stays disabled");
    assert_eq!(store.workspace(&acme_name()).await.unwrap().unwrap().value, workspace("acme"));
    drop(store);

    // Those of usage and of the replicas: nothing of what is here is lost.
    go_down_below(database, "m20261122_000003").await;
    let store = database.open().await;
    assert!(!store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    assert_eq!(store.workspace(&acme_name()).await.unwrap().unwrap().value, workspace("acme"));
    assert_eq!(store.key(&key_name("ci")).await.unwrap().unwrap().key.value, full_key("ci"));
    drop(store);

    // That of the plans: what it added is lost, and all else is there.
    go_down_below(database, "m20261122_000002").await;
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

    go_down_below(database, "m").await;
    let store = database.open().await;
    assert!(!store.schema_fits().await.unwrap());
    store.migrate().await.unwrap();
    assert!(store.schema_fits().await.unwrap());
    furnish(&store).await;
    assert_eq!(revisions(&store).await, [1, 2, 3]);
}

/// Takes back the change of this version, and all that came after it.
async fn go_down_below(database: &impl Database, version: &str) {
    let connection = database.connect().await;
    let made =
        format!("SELECT COUNT(*) AS made FROM seaql_migrations WHERE version >= '{version}'");
    let made = Statement::from_string(connection.get_database_backend(), made);
    let made = connection.query_one_raw(made).await.unwrap().unwrap();
    let steps = made.try_get::<i64>("", "made").unwrap();
    migrations::down(&connection, u32::try_from(steps).unwrap()).await.unwrap();
    connection.close().await.unwrap();
}

pub(crate) async fn what_is_in_a_change_is_not_lost_on_the_way_back(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let gone = Principal { disabled: true, deleted: true, ..principal() };
    store.commit(change(Write::Principal(gone, rev(3)))).await.unwrap();
    store.commit(new_key(full_key("ci"))).await.unwrap();
    let first = Some("m20261122_000001_create_tables");
    let Err(BackError::Losing { lost, .. }) = store.migrate_back(first, false).await else {
        panic!("it is lost");
    };
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost[0].contains("plans") && lost[1].contains("deleted"), "{lost:?}");
    assert!(store.schema_fits().await.unwrap());
    let taken = store.migrate_back(first, true).await.unwrap();
    assert_eq!(taken.len(), 4, "{taken:?}");
    assert!(taken[0] > taken[3], "{taken:?}");
    drop(store);
    let store = database.open().await;
    assert_eq!(store.migrate_back(first, false).await.unwrap(), [""; 0]);
    // Of the last one, each record would be.
    let Err(BackError::Losing { lost, .. }) = store.migrate_back(None, false).await else {
        panic!("it is lost");
    };
    assert_eq!(lost, ["every record"]);
}

pub(crate) async fn a_newer_schema_is_refused_by_name(database: &impl Database) {
    let store = database.store().await;
    database.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29991231_000001_later', 0)").await;
    let back = store.migrate_back(None, true).await.map(|_| ());
    let back = back.map_err(|error| match error {
        BackError::Open(error) => error,
        error => panic!("{error}"),
    });
    for outcome in [store.schema_fits().await.map(|_| ()), store.migrate().await, back] {
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

pub(crate) async fn a_keyring_that_lacks_what_secrets_need_is_refused_even_where_the_notes_are_lost(
    database: &impl Database,
) {
    let store = database.store().await;
    let keyring = |place: usize| {
        let version = KeyVersion::all().nth(place).unwrap();
        Keyring::new(vec![SigningKey::new(version, &[7; 32])], version).unwrap()
    };
    store.check_keyring(&keyring(0)).await.unwrap();
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    let refused = store.check_keyring(&keyring(1)).await.unwrap_err();
    assert!(matches!(&refused, OpenError::MissingKey { version, .. } if version == "0"));

    // Where the notes are lost, the secrets tell.
    database.execute("DELETE FROM keyring").await;
    let refused = store.check_keyring(&keyring(1)).await.unwrap_err();
    assert!(matches!(&refused, OpenError::MissingKey { version, .. } if version == "0"));
    store.check_keyring(&keyring(0)).await.unwrap();

    // A key that was revoked is denied for ever, and needs nothing.
    let revoked = Key { revoke_time: Some(at(5)), ..key("a") };
    store.commit(change(Write::Key(revoked, rev(4), None))).await.unwrap();
    store.check_keyring(&keyring(1)).await.unwrap();
    store.commit(change(Write::Key(key("b"), None, secret(2)))).await.unwrap();
    let refused = store.check_keyring(&keyring(1)).await.unwrap_err();
    assert!(matches!(&refused, OpenError::MissingKey { version, .. } if version == "0"));
}

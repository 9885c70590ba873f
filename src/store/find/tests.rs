#![expect(clippy::unwrap_used, reason = "tests")]

use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, IntoActiveModel as _, ModelTrait, Statement,
};

use super::*;
use crate::store::{Options, Store};

/// A look-up must cost the same however many keys there are.
#[tokio::test]
async fn a_look_up_scans_no_table() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&Options::new(directory.path().join("keyward.db"))).await.unwrap();
    store.migrate().await.unwrap();
    let backend = store.readers.get_database_backend();
    let digest = Digest::from_bytes([0; Digest::LEN]);
    let Statement { sql, values, .. } = store.policies.look_up(backend, &digest);
    let plan = Statement { sql: format!("EXPLAIN QUERY PLAN {sql}"), values, db_backend: backend };
    let steps = store.readers.query_all_raw(plan).await.unwrap();
    let steps: Vec<String> = steps.iter().map(|step| step.try_get("", "detail").unwrap()).collect();
    assert_eq!(steps.len(), 5, "{steps:#?}");
    assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:#?}");
}

/// Every column that is told apart by its value alone: no two of one row have the same.
fn is_same<M: ModelTrait>(read: &M, written: &M) {
    let columns: Vec<_> = <M::Entity as EntityTrait>::Column::iter().collect();
    for (place, column) in columns.iter().enumerate() {
        let value = written.get(*column);
        assert_eq!(read.get(*column), value, "{}", column.as_str());
        let others = columns.iter().take(place);
        assert!(others.map(|other| written.get(*other)).all(|other| other != value));
    }
}

#[tokio::test]
async fn each_column_is_read_as_what_it_is_with_an_owner_and_without() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&Options::new(directory.path().join("keyward.db"))).await.unwrap();
    store.migrate().await.unwrap();
    let text = |text: &str| text.to_owned();
    let policy = policy::Model {
        id: text("p"),
        document: text("{}"),
        revision: 1,
        create_time: 2,
        update_time: 3,
    };
    let workspace = workspace::Model {
        id: text("w"),
        title: text("w-title"),
        policy: text("p"),
        suspended: true,
        plan: text("w-plan"),
        revision: 4,
        create_time: 5,
        update_time: 6,
    };
    let principal = principal::Model {
        workspace: text("w"),
        id: text("o"),
        title: text("o-title"),
        kind: text("o-kind"),
        role: text("o-role"),
        confined_to: text("o-confined"),
        disabled: true,
        deleted: false,
        revision: 7,
        create_time: 8,
        update_time: 9,
    };
    let owned = key::Model {
        workspace: text("w"),
        id: text("k1"),
        title: text("k-title"),
        title_folded: text("k-folded"),
        key_type: text("k-type"),
        principal: Some(text("o")),
        grants: text("k-grants"),
        constraint_patterns: text("k-constraint"),
        allowed_cidrs: text("k-cidrs"),
        expire_time: Some(10),
        revoke_time: Some(11),
        labels: text("k-labels"),
        plan: text("k-plan"),
        minting_key: Some(text("k-minting")),
        revision: 12,
        create_time: 13,
        update_time: 14,
    };
    let nobodys = key::Model { id: text("k2"), principal: None, ..owned.clone() };
    let db = &store.writer;
    policy.into_active_model().insert(db).await.unwrap();
    workspace.clone().into_active_model().insert(db).await.unwrap();
    principal.clone().into_active_model().insert(db).await.unwrap();
    for key in [&owned, &nobodys] {
        key.clone().into_active_model().insert(db).await.unwrap();
    }
    let select = joined().order_by((key::Entity, key::Column::Id), sea_orm::Order::Asc).take();
    let rows = db.query_all(&select).await.unwrap();
    assert_eq!(rows.len(), 2);
    for (row, key) in rows.iter().zip([&owned, &nobodys]) {
        let mut columns = Columns::of(row);
        is_same(&columns.key().unwrap(), key);
        is_same(&columns.workspace().unwrap(), &workspace);
        let owner = columns.principal().unwrap();
        assert_eq!(owner.is_some(), key.principal.is_some());
        owner.iter().for_each(|owner| is_same(owner, &principal));
        let stamp: [i64; 2] = [columns.take().unwrap(), columns.take().unwrap()];
        assert_eq!(stamp, [1, 3]);
    }
}

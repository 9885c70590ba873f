#![expect(clippy::unwrap_used, reason = "tests")]

use sea_orm::{ConnectionTrait as _, Statement};

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

//! Several keys at once, all or none.

mod create;
mod revoke;

use std::collections::HashMap;

use crate::{
    admin::{Admin, AdminError, error::Gathered},
    domain::{
        fault::Faults,
        name::{Id, KeyName, WorkspaceName},
        ports::KeyRecord,
    },
};

/// The most keys of one request.
const KEYS_MAX: usize = 1_000;

/// Notes where there are none, or too many to be looked at; says whether there are not.
fn check_count(field: &str, count: usize, faults: &mut Faults) -> bool {
    if count == 0 {
        faults.note(field, format_args!("is required: 1 to {KEYS_MAX} keys"));
    }
    faults.bound(field, count, KEYS_MAX)
}

impl Admin {
    /// The keys of these names in a workspace as they are now, in this order. Those that are not
    /// there are named by their places in this field of the request.
    async fn keys_now(
        &self,
        parent: &WorkspaceName,
        ids: &[Id],
        field: &str,
    ) -> Result<Vec<KeyRecord>, AdminError> {
        let found = self.records.keys_named(parent, ids).await?;
        let mut found: HashMap<Id, KeyRecord> =
            found.into_iter().map(|record| (record.key.value.name.key.clone(), record)).collect();
        let (mut gathered, mut records) = (Gathered::default(), Vec::with_capacity(ids.len()));
        for (place, id) in ids.iter().enumerate() {
            let record = found.remove(id).ok_or_else(|| {
                let (workspace, key) = (parent.workspace.clone(), id.clone());
                AdminError::not_found(&KeyName { workspace, key })
            });
            records.extend(gathered.take(format!("{field}[{place}]"), record)?);
        }
        gathered.finish()?;
        Ok(records)
    }
}

//! Rows of literally granted scopes, by which keys are found.

use std::collections::BTreeSet;

use sea_orm::{Set, entity::prelude::*};

use crate::domain::key::Key;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "key_scopes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// One for each scope, on however many resources it is granted.
pub(in crate::store) fn rows(key: &Key) -> Vec<ActiveModel> {
    let scopes: BTreeSet<&String> = key.grants.iter().map(|grant| &grant.scope).collect();
    let row = |scope: &String| ActiveModel {
        workspace: Set(key.name.workspace.to_string()),
        key: Set(key.name.key.to_string()),
        scope: Set(scope.clone()),
    };
    scopes.into_iter().map(row).collect()
}

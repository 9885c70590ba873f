//! Rows of the signing keys that the database was used with, known by fingerprints.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "keyring")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: String,
    pub fingerprint: Vec<u8>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

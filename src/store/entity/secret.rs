//! Rows of secrets, which hold digests alone.

use std::fmt;

use sea_orm::entity::prelude::*;

use super::optional;
use crate::domain::{
    name::KeyName,
    ports::{NewSecret, SecretRecord},
    time::Timestamp,
};

/// The kind of the secrets that Keyward mints.
const MINTED: &str = "keyward";

#[derive(Clone, DeriveEntityModel)]
#[sea_orm(table_name = "secrets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Vec<u8>,
    pub workspace: String,
    pub key: String,
    pub kind: String,
    /// The signing key's version, one character.
    pub version: String,
    pub create_time: i64,
    pub replaced_time: Option<i64>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("secret::Model").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for SecretRecord {
    fn from(row: Model) -> Self {
        let create_time = Timestamp::from_micros(row.create_time);
        Self { create_time, replaced: optional(row.replaced_time), last_use: None }
    }
}

pub(in crate::store) fn row(key: &KeyName, secret: &NewSecret, time: Timestamp) -> Model {
    let KeyName { workspace, key } = key;
    let NewSecret { digest, version, older_until: _ } = secret;
    Model {
        digest: digest.as_bytes().to_vec(),
        workspace: workspace.to_string(),
        key: key.to_string(),
        kind: MINTED.to_owned(),
        version: version.to_string(),
        create_time: time.micros(),
        replaced_time: None,
    }
}

//! Rows of when secrets were used last.

use std::fmt;

use sea_orm::entity::prelude::*;

use super::corrupt;
use crate::domain::{ports::StoreError, time::Timestamp, usage::LastUse};

#[derive(Clone, DeriveEntityModel)]
#[sea_orm(table_name = "last_uses")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Vec<u8>,
    pub time: i64,
    /// Empty: it was not told.
    pub address: String,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("last_use::Model").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    pub(in crate::store) fn last_use(&self) -> Result<LastUse, StoreError> {
        let address = match self.address.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| corrupt("last_uses.address"))?),
        };
        Ok(LastUse { time: Timestamp::from_micros(self.time), address })
    }
}

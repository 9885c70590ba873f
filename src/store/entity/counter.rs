//! The only row that numbers events.

use sea_orm::{NotSet, Set, entity::prelude::*};

use crate::domain::event::Event;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "counter")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// Of the newest event; 0 before the first.
    pub revision: i64,
    /// Random with each event, so that a history which was lost and written anew is told apart.
    pub nonce: i64,
    /// Of the newest event; zero before the first.
    pub last_hash: Vec<u8>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What it says after an event.
pub(in crate::store) fn row(event: &Event, nonce: i64) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        revision: Set(event.revision.0),
        nonce: Set(nonce),
        last_hash: Set(event.hash.0.to_vec()),
    }
}

//! Rows of the log.

use sea_orm::{Set, entity::prelude::*};

use super::{hash, parse};
use crate::domain::{
    event::{Deed, Event, Revision},
    ports::StoreError,
    time::Timestamp,
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    pub time: i64,
    pub actor: String,
    pub kind: String,
    pub subject: String,
    pub workspace: String,
    pub before: String,
    pub after: String,
    pub request_id: String,
    pub nonce: i64,
    pub previous_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Event {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let Model {
            revision,
            time,
            actor,
            kind,
            subject,
            workspace,
            before,
            after,
            request_id,
            nonce: _,
            previous_hash,
            hash: own,
        } = row;
        let kind = parse(&kind, "events.kind")?;
        Ok(Self {
            revision: Revision(revision),
            time: Timestamp::from_micros(time),
            deed: Deed { actor, kind, subject, workspace, before, after, request_id },
            previous: hash(&previous_hash, "events.previous_hash")?,
            hash: hash(&own, "events.hash")?,
        })
    }
}

pub(in crate::store) fn row(event: Event, nonce: i64) -> ActiveModel {
    let Event { revision, time, deed, previous, hash } = event;
    let Deed { actor, kind, subject, workspace, before, after, request_id } = deed;
    ActiveModel {
        revision: Set(revision.0),
        time: Set(time.micros()),
        actor: Set(actor),
        kind: Set(kind.as_str().to_owned()),
        subject: Set(subject),
        workspace: Set(workspace),
        before: Set(before),
        after: Set(after),
        request_id: Set(request_id),
        nonce: Set(nonce),
        previous_hash: Set(previous.0.to_vec()),
        hash: Set(hash.0.to_vec()),
    }
}

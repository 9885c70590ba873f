//! Rows of requests that were given an id.

use sea_orm::{Set, entity::prelude::*};

use super::corrupt;
use crate::domain::{
    event::Revision,
    ports::{NewRequest, RememberedRequest, RequestKey, StoreError},
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub actor: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub subject: String,
    pub fingerprint: Vec<u8>,
    pub revision: i64,
    pub expire_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for RememberedRequest {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let Model { actor: _, id: _, subject, fingerprint, revision, expire_time: _ } = row;
        let fingerprint = fingerprint.try_into().map_err(|_| corrupt("requests.fingerprint"))?;
        Ok(Self { subject, fingerprint, revision: Revision(revision) })
    }
}

pub(in crate::store) fn row(
    request: &NewRequest,
    subject: &str,
    revision: Revision,
) -> ActiveModel {
    let NewRequest { key: RequestKey { actor, id }, fingerprint, until } = request;
    ActiveModel {
        actor: Set(actor.clone()),
        id: Set(id.clone()),
        subject: Set(subject.to_owned()),
        fingerprint: Set(fingerprint.to_vec()),
        revision: Set(revision.0),
        expire_time: Set(until.micros()),
    }
}

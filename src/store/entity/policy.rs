//! Rows of policies.

use sea_orm::{Set, entity::prelude::*};

use super::{Stamp, from_json, parse, stored, to_json};
use crate::domain::{live::Stored, name::PolicyName, policy::Policy, ports::StoreError};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "policies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub document: String,
    pub revision: i64,
    pub create_time: i64,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Stored<(PolicyName, Policy)> {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let Model { id, document, revision, create_time, update_time } = row;
        let name = PolicyName { policy: parse(&id, "policies.id")? };
        let policy = from_json(&document, "policies.document")?;
        Ok(stored((name, policy), revision, create_time, update_time))
    }
}

pub(in crate::store) fn row(
    name: &PolicyName,
    policy: &Policy,
    stamp: Stamp,
) -> Result<ActiveModel, StoreError> {
    let PolicyName { policy: id } = name;
    Ok(ActiveModel {
        id: Set(id.to_string()),
        document: Set(to_json(policy)?),
        revision: stamp.revision(),
        create_time: stamp.create_time(),
        update_time: stamp.update_time(),
    })
}

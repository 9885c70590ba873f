//! Rows of workspaces.

use sea_orm::{Set, entity::prelude::*};

use super::{Stamp, parse, stored};
use crate::domain::{
    live::Stored,
    name::{PolicyName, WorkspaceName},
    ports::StoreError,
    workspace::Workspace,
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "workspaces")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub title: String,
    pub policy: String,
    pub suspended: bool,
    pub plan: String,
    pub revision: i64,
    pub create_time: i64,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Stored<Workspace> {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let Model { id, title, policy, suspended, plan, revision, create_time, update_time } = row;
        let workspace = Workspace {
            name: WorkspaceName { workspace: parse(&id, "workspaces.id")? },
            title: parse(&title, "workspaces.title")?,
            policy: PolicyName { policy: parse(&policy, "workspaces.policy")? },
            plan,
            suspended,
        };
        Ok(stored(workspace, revision, create_time, update_time))
    }
}

pub(in crate::store) fn row(workspace: &Workspace, stamp: Stamp) -> ActiveModel {
    let Workspace {
        name: WorkspaceName { workspace: id },
        title,
        policy: PolicyName { policy },
        plan,
        suspended,
    } = workspace;
    ActiveModel {
        id: Set(id.to_string()),
        title: Set(title.as_str().to_owned()),
        policy: Set(policy.to_string()),
        suspended: Set(*suspended),
        plan: Set(plan.clone()),
        revision: stamp.revision(),
        create_time: stamp.create_time(),
        update_time: stamp.update_time(),
    }
}

//! Rows of principals.

use sea_orm::{Set, entity::prelude::*};

use super::{Stamp, corrupt, from_json, parse, stored, to_json};
use crate::domain::{
    live::Stored,
    name::PrincipalName,
    ports::StoreError,
    principal::{Principal, PrincipalKind},
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "principals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub title: String,
    pub kind: String,
    pub role: String,
    pub confined_to: String,
    pub disabled: bool,
    pub deleted: bool,
    pub revision: i64,
    pub create_time: i64,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Stored<Principal> {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let Model {
            workspace,
            id,
            title,
            kind,
            role,
            confined_to,
            disabled,
            deleted,
            revision,
            create_time,
            update_time,
        } = row;
        let principal = Principal {
            name: PrincipalName {
                workspace: parse(&workspace, "principals.workspace")?,
                principal: parse(&id, "principals.id")?,
            },
            title: parse(&title, "principals.title")?,
            kind: parse_kind(&kind)?,
            role,
            confined_to: from_json(&confined_to, "principals.confined_to")?,
            disabled,
            deleted,
        };
        Ok(stored(principal, revision, create_time, update_time))
    }
}

pub(in crate::store) fn row(
    principal: &Principal,
    stamp: Stamp,
) -> Result<ActiveModel, StoreError> {
    let Principal { name, title, kind, role, confined_to, disabled, deleted } = principal;
    let PrincipalName { workspace, principal: id } = name;
    Ok(ActiveModel {
        workspace: Set(workspace.to_string()),
        id: Set(id.to_string()),
        title: Set(title.as_str().to_owned()),
        kind: Set(kind_text(*kind).to_owned()),
        role: Set(role.clone()),
        confined_to: Set(to_json(confined_to)?),
        disabled: Set(*disabled),
        deleted: Set(*deleted),
        revision: stamp.revision(),
        create_time: stamp.create_time(),
        update_time: stamp.update_time(),
    })
}

fn kind_text(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "user",
        PrincipalKind::Team => "team",
        PrincipalKind::Service => "service",
    }
}

fn parse_kind(text: &str) -> Result<PrincipalKind, StoreError> {
    let kinds = [PrincipalKind::User, PrincipalKind::Team, PrincipalKind::Service];
    kinds
        .into_iter()
        .find(|kind| kind_text(*kind) == text)
        .ok_or_else(|| corrupt("principals.kind"))
}

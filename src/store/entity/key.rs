//! Rows of keys.

use sea_orm::{Set, entity::prelude::*};

use super::{Stamp, from_json, optional, parse, stored, to_json};
use crate::domain::{key::Key, live::Stored, name::KeyName, ports::StoreError, time::Timestamp};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub title: String,
    /// The title in ASCII lower case, to be searched.
    pub title_folded: String,
    pub key_type: String,
    pub principal: Option<String>,
    pub grants: String,
    pub constraint_patterns: String,
    pub allowed_cidrs: String,
    pub expire_time: Option<i64>,
    pub revoke_time: Option<i64>,
    pub labels: String,
    pub plan: String,
    pub minting_key: Option<String>,
    pub revision: i64,
    pub create_time: i64,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Stored<Key> {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let Model {
            workspace,
            id,
            title,
            title_folded: _,
            key_type,
            principal,
            grants,
            constraint_patterns,
            allowed_cidrs,
            expire_time,
            revoke_time,
            labels,
            plan,
            minting_key,
            revision,
            create_time,
            update_time,
        } = row;
        let key = Key {
            name: KeyName {
                workspace: parse(&workspace, "keys.workspace")?,
                key: parse(&id, "keys.id")?,
            },
            title: parse(&title, "keys.title")?,
            key_type,
            principal: principal.map(|id| parse(&id, "keys.principal")).transpose()?,
            grants: from_json(&grants, "keys.grants")?,
            constraint: from_json(&constraint_patterns, "keys.constraint_patterns")?,
            allowed_cidrs: from_json(&allowed_cidrs, "keys.allowed_cidrs")?,
            expire_time: optional(expire_time),
            labels: from_json(&labels, "keys.labels")?,
            plan,
            minting_key: minting_key.map(|id| parse(&id, "keys.minting_key")).transpose()?,
            revoke_time: optional(revoke_time),
        };
        Ok(stored(key, revision, create_time, update_time))
    }
}

pub(in crate::store) fn row(key: &Key, stamp: Stamp) -> Result<ActiveModel, StoreError> {
    let Key {
        name: KeyName { workspace, key: id },
        title,
        key_type,
        principal,
        grants,
        constraint,
        allowed_cidrs,
        expire_time,
        labels,
        plan,
        minting_key,
        revoke_time,
    } = key;
    Ok(ActiveModel {
        workspace: Set(workspace.to_string()),
        id: Set(id.to_string()),
        title: Set(title.as_str().to_owned()),
        title_folded: Set(fold(title.as_str())),
        key_type: Set(key_type.clone()),
        principal: Set(principal.as_ref().map(ToString::to_string)),
        grants: Set(to_json(grants)?),
        constraint_patterns: Set(to_json(constraint)?),
        allowed_cidrs: Set(to_json(allowed_cidrs)?),
        expire_time: Set(expire_time.map(Timestamp::micros)),
        revoke_time: Set(revoke_time.map(Timestamp::micros)),
        labels: Set(to_json(labels)?),
        plan: Set(plan.clone()),
        minting_key: Set(minting_key.as_ref().map(ToString::to_string)),
        revision: stamp.revision(),
        create_time: stamp.create_time(),
        update_time: stamp.update_time(),
    })
}

/// How titles are compared in a search: without regard to the case of ASCII letters.
pub(in crate::store) fn fold(title: &str) -> String {
    title.to_ascii_lowercase()
}

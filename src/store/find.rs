//! Whose a secret is.

mod bare;
mod row;
mod shared;

use std::sync::{Arc, OnceLock};

use moka::sync::Cache;
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, IdenStatic as _, Iterable as _, QueryResult,
    QuerySelect as _, Statement,
    sea_query::{Alias, Expr, ExprTrait as _, JoinType, Query, SelectStatement},
};

use super::{
    entity::{from_json, key, optional, policy, principal, secret, workspace},
    error::store_error,
};
use crate::domain::{
    event::Revision,
    live::{Facts, LiveKey, Stored},
    name::PolicyName,
    policy::CompiledPolicy,
    ports::StoreError,
    secret::Digest,
    time::Timestamp,
    workspace::Workspace,
};
use row::Columns;
use shared::Shared;

/// The most compiled policies that are kept.
const POLICIES_MAX: u64 = 64;

/// Compiled policies by identifier, and by the revision and the moment of the last change. An
/// entry is right for ever, for a policy never changes without new ones: a database that was set
/// back gives revisions again, but at another moment.
pub(super) struct Policies {
    compiled: Cache<(String, i64, i64), Arc<CompiledPolicy>>,
    /// What keys have in common.
    shared: Shared,
    /// The text of a look-up, which takes longer to put together than to be answered.
    sql: OnceLock<String>,
}

/// What a look-up came to.
pub(super) enum Found {
    /// The key.
    Key(Arc<LiveKey>),
    /// That there is none.
    Nothing,
    /// That its policy changed between two reads.
    Moved,
}

impl Policies {
    pub(super) fn new() -> Self {
        let compiled = Cache::new(POLICIES_MAX);
        Self { compiled, shared: Shared::default(), sql: OnceLock::new() }
    }

    /// The look-up of a secret, with always the same text: each connection prepares it once.
    fn look_up(&self, backend: DbBackend, digest: &Digest) -> Statement {
        let sql = self.sql.get_or_init(|| backend.build(&select(digest)).sql);
        Statement::from_sql_and_values(backend, sql, [digest.as_bytes().to_vec().into()])
    }

    /// Reads all that a decision rests on in one statement, but for the policy's
    /// document where that is compiled already.
    pub(super) async fn find_key(
        &self,
        db: &impl ConnectionTrait,
        digest: &Digest,
    ) -> Result<Found, StoreError> {
        let look_up = self.look_up(db.get_database_backend(), digest);
        let Some(row) = db.query_one_raw(look_up).await.map_err(store_error)? else {
            return Ok(Found::Nothing);
        };
        let replaced = optional(row.try_get("", REPLACED).map_err(store_error)?);
        let facts = self.shared.of(Facts { replaced, ..facts(&row)? });
        let (policy, revision) = &facts.policy;
        let time = row.try_get("", POLICY_TIME).map_err(store_error)?;
        let entry = (policy.policy.to_string(), revision.0, time);
        let Some(compiled) = self.compiled(db, entry).await? else {
            return Ok(Found::Moved);
        };
        Ok(Found::Key(Arc::new(LiveKey::new(facts, compiled))))
    }

    /// A policy by name, compiled.
    pub(super) async fn rules(
        &self,
        db: &impl ConnectionTrait,
        name: &PolicyName,
    ) -> Result<Option<Stored<Arc<CompiledPolicy>>>, StoreError> {
        let id = name.policy.as_str();
        // A document may be large, and is of no use where it is compiled already.
        let stamp = policy::Entity::find_by_id(id)
            .select_only()
            .columns([
                policy::Column::Revision,
                policy::Column::CreateTime,
                policy::Column::UpdateTime,
            ])
            .into_tuple::<(i64, i64, i64)>();
        let Some((revision, create_time, update_time)) =
            stamp.one(db).await.map_err(store_error)?
        else {
            return Ok(None);
        };
        let compiled = self.compiled.get(&(id.to_owned(), revision, update_time));
        let (value, revision, update_time) = match compiled {
            Some(compiled) => (compiled, revision, update_time),
            None => {
                let row = policy::Entity::find_by_id(id).one(db).await.map_err(store_error)?;
                let Some(row) = row else { return Ok(None) };
                (self.compile(&row)?, row.revision, row.update_time)
            }
        };
        Ok(Some(Stored {
            value,
            revision: Revision(revision),
            create_time: Timestamp::from_micros(create_time),
            update_time: Timestamp::from_micros(update_time),
        }))
    }

    /// The policy of a row, compiled at most once.
    fn compile(&self, row: &policy::Model) -> Result<Arc<CompiledPolicy>, StoreError> {
        let entry = entry(row);
        if let Some(compiled) = self.compiled.get(&entry) {
            return Ok(compiled);
        }
        let document = from_json(&row.document, "policies.document")?;
        let compiled = CompiledPolicy::restore(document)
            .ok_or_else(|| StoreError::Corrupt("policies.document is too large".to_owned()))?;
        let compiled = Arc::new(compiled);
        self.compiled.insert(entry, Arc::clone(&compiled));
        Ok(compiled)
    }

    /// The policy as of its last change; nothing where it was changed by now.
    async fn compiled(
        &self,
        db: &impl ConnectionTrait,
        wanted: (String, i64, i64),
    ) -> Result<Option<Arc<CompiledPolicy>>, StoreError> {
        if let Some(compiled) = self.compiled.get(&wanted) {
            return Ok(Some(compiled));
        }
        let row = policy::Entity::find_by_id(&wanted.0).one(db).await.map_err(store_error)?;
        row.filter(|row| entry(row) == wanted).map(|row| self.compile(&row)).transpose()
    }
}

/// What a row is kept by.
fn entry(row: &policy::Model) -> (String, i64, i64) {
    (row.id.clone(), row.revision, row.update_time)
}

const KEY: &str = "key_";
const WORKSPACE: &str = "workspace_";
const PRINCIPAL: &str = "principal_";
const POLICY_REVISION: &str = "policy_revision";
const POLICY_TIME: &str = "policy_time";
const REPLACED: &str = "replaced";

/// The facts of a row with the columns of [`joined`]; the secret is one that nothing replaced.
pub(super) fn facts(row: &QueryResult) -> Result<Facts, StoreError> {
    let mut columns = Columns::of(row);
    let key = columns.key().map_err(store_error)?;
    let workspace = columns.workspace().map_err(store_error)?;
    let principal = columns.principal().map_err(store_error)?;
    let revision: i64 = columns.take().map_err(store_error)?;
    let workspace: Stored<Workspace> = workspace.try_into()?;
    Ok(Facts {
        key: key.try_into()?,
        replaced: None,
        principal: principal.map(TryInto::try_into).transpose()?.map(Arc::new),
        policy: (workspace.value.policy.clone(), Revision(revision)),
        workspace: workspace.into(),
    })
}

fn select(digest: &Digest) -> SelectStatement {
    let secret = |column| Expr::col((secret::Entity, column));
    let key = |column| Expr::col((key::Entity, column));
    joined()
        .expr_as(secret(secret::Column::ReplacedTime), REPLACED)
        .join(
            JoinType::InnerJoin,
            secret::Entity,
            (key(key::Column::Workspace).eq(secret(secret::Column::Workspace)))
                .and(key(key::Column::Id).eq(secret(secret::Column::Key))),
        )
        .and_where(secret(secret::Column::Digest).eq(digest.as_bytes().to_vec()))
        .take()
}

/// Keys with all that they rest on.
pub(super) fn joined() -> SelectStatement {
    let key = |column| Expr::col((key::Entity, column));
    let workspace = |column| Expr::col((workspace::Entity, column));
    let principal = |column| Expr::col((principal::Entity, column));
    let policy = |column| Expr::col((policy::Entity, column));
    let mut select = Query::select();
    columns::<key::Entity>(&mut select, KEY);
    columns::<workspace::Entity>(&mut select, WORKSPACE);
    columns::<principal::Entity>(&mut select, PRINCIPAL);
    select
        .expr_as(policy(policy::Column::Revision), POLICY_REVISION)
        .expr_as(policy(policy::Column::UpdateTime), POLICY_TIME)
        .from(key::Entity)
        .join(
            JoinType::InnerJoin,
            workspace::Entity,
            workspace(workspace::Column::Id).eq(key(key::Column::Workspace)),
        )
        .join(
            JoinType::InnerJoin,
            policy::Entity,
            policy(policy::Column::Id).eq(workspace(workspace::Column::Policy)),
        )
        .join(
            JoinType::LeftJoin,
            principal::Entity,
            (principal(principal::Column::Workspace).eq(key(key::Column::Workspace)))
                .and(principal(principal::Column::Id).eq(key(key::Column::Principal))),
        )
        .take()
}

/// Selects every column of a table, named with a prefix.
fn columns<E: EntityTrait>(select: &mut SelectStatement, prefix: &str) {
    for column in E::Column::iter() {
        let name = Alias::new(format!("{prefix}{}", column.as_str()));
        select.expr_as(Expr::col((E::default(), column)), name);
    }
}

#[cfg(test)]
mod tests;

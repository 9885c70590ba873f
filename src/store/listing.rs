//! Keys with their secrets, one or many.

use std::{cmp::Reverse, collections::HashMap};

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait, Order, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _, LikeExpr},
};

use super::{
    entity::{
        key::{self, Column, Entity, fold},
        key_scope, last_use, secret,
    },
    error::store_error,
    read,
};
use crate::domain::{
    key::KeyState,
    name::{Id, KeyName, TITLE_LENGTH_MAX, WorkspaceName},
    ports::{KeyCursor, KeyOrder, KeyQuery, KeyRecord, Page, SecretRecord, StoreError},
    time::Timestamp,
    usage::LastUse,
};

pub(super) async fn key(
    db: &impl ConnectionTrait,
    name: &KeyName,
) -> Result<Option<KeyRecord>, StoreError> {
    let id = (name.workspace.to_string(), name.key.to_string());
    let row = Entity::find_by_id(id).one(db).await.map_err(store_error)?;
    let records = with_secrets(db, &name.workspace, row.into_iter().collect()).await?;
    Ok(records.into_iter().next())
}

pub(super) async fn named(
    db: &impl ConnectionTrait,
    workspace: &WorkspaceName,
    ids: &[Id],
) -> Result<Vec<KeyRecord>, StoreError> {
    let workspace = &workspace.workspace;
    let rows = Entity::find()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(Column::Id.is_in(ids.iter().map(Id::as_str)))
        .all(db)
        .await
        .map_err(store_error)?;
    with_secrets(db, workspace, rows).await
}

pub(super) async fn keys(
    db: &impl ConnectionTrait,
    query: &KeyQuery,
    page: &Page<KeyCursor>,
) -> Result<Vec<KeyRecord>, StoreError> {
    let KeyQuery {
        workspace,
        states,
        now,
        title_part,
        key_type,
        principal,
        scope,
        expiring_before,
        never_used,
        unused_since,
        newest_secret_until,
        order,
        descending,
    } = query;
    let workspace = &workspace.workspace;
    // No title has either, and a database may mistake both.
    let texts = [Some(title_part), key_type.as_ref(), scope.as_ref()];
    if title_part.chars().count() > TITLE_LENGTH_MAX || read::is_in_no_text(texts) {
        return Ok(Vec::new());
    }
    let sorted = match order {
        KeyOrder::CreateTime => Column::CreateTime,
        KeyOrder::Title => Column::Title,
    };
    let direction = if *descending { Order::Desc } else { Order::Asc };
    let rows = Entity::find()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(in_states(states, *now))
        .apply_if((!title_part.is_empty()).then_some(title_part), |select, part| {
            select.filter(title_has(part))
        })
        .apply_if(key_type.as_deref(), |select, key_type| {
            select.filter(Column::KeyType.eq(key_type))
        })
        .apply_if(principal.as_ref(), |select, id| select.filter(Column::Principal.eq(id.as_str())))
        .apply_if(scope.as_deref(), |select, scope| select.filter(grants(workspace, scope)))
        .apply_if(*expiring_before, |select, end| {
            select.filter(Column::ExpireTime.lt(end.micros()))
        })
        .apply_if(never_used.then_some(Timestamp::MIN), |select, since| {
            select.filter(was_used(since).not())
        })
        .apply_if(*unused_since, |select, since| select.filter(was_used(since).not()))
        .apply_if(*newest_secret_until, |select, until| {
            select.filter(Column::RevokeTime.is_null()).filter(has_newest_secret_until(until))
        })
        .apply_if(page.after.as_ref(), |select, after| {
            select.filter(beyond(sorted, after, *descending))
        })
        .order_by(sorted, direction.clone())
        .order_by(Column::Id, direction)
        .limit(page.size)
        .all(db)
        .await
        .map_err(store_error)?;
    with_secrets(db, workspace, rows).await
}

/// In one of the states, by the same rule as [`crate::domain::key::Key::state`]. Of no
/// states, none.
fn in_states(states: &[KeyState], now: Timestamp) -> Condition {
    let ongoing = || {
        Condition::any().add(Column::ExpireTime.is_null()).add(Column::ExpireTime.gt(now.micros()))
    };
    let none = Condition::any().add(Expr::value(false));
    states.iter().fold(none, |any, state| {
        any.add(match state {
            KeyState::Revoked => Condition::all().add(Column::RevokeTime.is_not_null()),
            KeyState::Active => Condition::all().add(Column::RevokeTime.is_null()).add(ongoing()),
            KeyState::Expired => Condition::all()
                .add(Column::RevokeTime.is_null())
                .add(Column::ExpireTime.lte(now.micros())),
        })
    })
}

/// Both sides are folded, so it is the same whether or not LIKE regards the case.
fn title_has(part: &str) -> Expr {
    let mut pattern = String::from("%");
    for character in fold(part).chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    Expr::col(Column::TitleFolded).like(LikeExpr::new(pattern).escape('\\'))
}

fn grants(workspace: &Id, scope: &str) -> Expr {
    let holders = key_scope::Entity::find()
        .select_only()
        .column(key_scope::Column::Key)
        .filter(key_scope::Column::Workspace.eq(workspace.as_str()))
        .filter(key_scope::Column::Scope.eq(scope))
        .into_query();
    Column::Id.in_subquery(holders)
}

/// Used at this moment or later. One look into an index for each key.
fn was_used(since: Timestamp) -> Expr {
    let used = last_use::Entity::find()
        .select_only()
        .expr(Expr::value(1))
        .filter(same_key(last_use::Entity, last_use::Column::Workspace, Column::Workspace))
        .filter(same_key(last_use::Entity, last_use::Column::Key, Column::Id))
        .filter(last_use::Column::Time.gte(since.micros()))
        .into_query();
    Expr::exists(used)
}

/// With a newest secret that was made at this moment or before.
fn has_newest_secret_until(until: Timestamp) -> Expr {
    let made = secret::Entity::find()
        .select_only()
        .expr(Expr::value(1))
        .filter(same_key(secret::Entity, secret::Column::Workspace, Column::Workspace))
        .filter(same_key(secret::Entity, secret::Column::Key, Column::Id))
        .filter(secret::Column::ReplacedTime.is_null())
        .filter(secret::Column::CreateTime.lte(until.micros()))
        .into_query();
    Expr::exists(made)
}

/// The column of another table is that of the key.
fn same_key<E: EntityTrait>(table: E, column: E::Column, of_key: Column) -> Expr {
    Expr::col((table, column)).eq(Expr::col((Entity, of_key)))
}

/// Later in the order than where a list ended. The cursor must be of the same order.
fn beyond(sorted: Column, after: &KeyCursor, descending: bool) -> Expr {
    let (value, id) = match after {
        KeyCursor::CreateTime(time, id) => (Expr::value(time.micros()), id),
        KeyCursor::Title(title, id) => (Expr::value(title.as_str()), id),
    };
    let place = Expr::tuple([Expr::col(sorted), Expr::col(Column::Id)]);
    let end = Expr::tuple([value, Expr::value(id.as_str())]);
    if descending { place.lt(end) } else { place.gt(end) }
}

/// Adds to keys of a workspace what is known of their secrets.
async fn with_secrets(
    db: &impl ConnectionTrait,
    workspace: &Id,
    keys: Vec<key::Model>,
) -> Result<Vec<KeyRecord>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = secret::Entity::find()
        .filter(secret::Column::Workspace.eq(workspace.as_str()))
        .filter(secret::Column::Key.is_in(keys.iter().map(|key| key.id.as_str())))
        .all(db)
        .await
        .map_err(store_error)?;
    let mut uses = uses(db, workspace, &keys).await?;
    let mut secrets: HashMap<String, Vec<SecretRecord>> = HashMap::new();
    for row in rows {
        secrets.entry(row.key.clone()).or_default().push(with_use(row, &mut uses));
    }
    let with_secrets = |key: key::Model| {
        let secrets = secrets.remove(&key.id).unwrap_or_default();
        record(key, secrets)
    };
    keys.into_iter().map(with_secrets).collect()
}

/// When the secrets of keys of a workspace were used last, by their digests.
async fn uses(
    db: &impl ConnectionTrait,
    workspace: &Id,
    keys: &[key::Model],
) -> Result<HashMap<Vec<u8>, LastUse>, StoreError> {
    let rows = last_use::Entity::find()
        .filter(last_use::Column::Workspace.eq(workspace.as_str()))
        .filter(last_use::Column::Key.is_in(keys.iter().map(|key| key.id.as_str())))
        .all(db)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(|row| Ok((row.digest.clone(), row.last_use()?))).collect()
}

fn with_use(row: secret::Model, uses: &mut HashMap<Vec<u8>, LastUse>) -> SecretRecord {
    let last_use = uses.remove(&row.digest);
    SecretRecord { last_use, ..row.into() }
}

fn record(key: key::Model, mut secrets: Vec<SecretRecord>) -> Result<KeyRecord, StoreError> {
    // The one that nothing replaced is the newest, whatever a clock that was set back says.
    secrets.sort_by_key(|secret| (secret.replaced.is_some(), Reverse(secret.create_time)));
    Ok(KeyRecord { key: key.try_into()?, secrets, rotation_due: None })
}

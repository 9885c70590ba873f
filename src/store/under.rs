//! All that is in the workspaces under a policy, and how new what others rest on is.

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, Order, QueryFilter as _,
    QuerySelect as _,
    sea_query::{Expr, ExprTrait as _, Func, Query},
};

use super::{
    entity::{event, key, principal, workspace},
    error::store_error,
    find, read,
};
use crate::domain::{
    event::Revision,
    live::{Facts, Stored},
    name::{Id, KeyName, PolicyName, PrincipalName},
    ports::{Page, StoreError},
    time::Timestamp,
    workspace::Workspace,
};

/// What the newest of revisions is called in an answer.
const NEWEST: &str = "newest";

pub(super) async fn live_keys(
    db: &impl ConnectionTrait,
    policy: &PolicyName,
    since: Revision,
    now: Timestamp,
    page: &Page<KeyName>,
) -> Result<Vec<Facts>, StoreError> {
    let key = |column| Expr::col((key::Entity, column));
    let end = key::Column::ExpireTime;
    let live = Condition::any().add(end.is_null()).add(end.gt(now.micros()));
    let later = Condition::any()
        .add(Expr::col((key::Entity, key::Column::Revision)).gt(since.0))
        .add(Expr::col((workspace::Entity, workspace::Column::Revision)).gt(since.0))
        .add(Expr::col((principal::Entity, principal::Column::Revision)).gt(since.0));
    let mut select = find::joined();
    select
        .and_where(of_policy(policy))
        .and_where(key::Column::RevokeTime.is_null())
        .cond_where(live)
        .cond_where(later)
        .order_by((key::Entity, key::Column::Workspace), Order::Asc)
        .order_by((key::Entity, key::Column::Id), Order::Asc)
        .limit(page.size);
    if let Some(KeyName { workspace, key: id }) = &page.after {
        let place = Expr::tuple([key(key::Column::Workspace), key(key::Column::Id)]);
        let end = [workspace, id].map(|part| Expr::value(part.as_str()));
        select.and_where(place.gt(Expr::tuple(end)));
    }
    let rows = db.query_all(&select).await.map_err(store_error)?;
    rows.iter().map(find::facts).collect()
}

/// The workspaces by name.
pub(super) async fn workspaces(
    db: &impl ConnectionTrait,
    policy: &PolicyName,
    page: &Page<Id>,
) -> Result<Vec<Stored<Workspace>>, StoreError> {
    let select = workspace::Entity::find().filter(of_policy(policy));
    read::page(db, select, workspace::Column::Id, page).await
}

/// The newest revision among the events of the workspaces: one look into an index for each.
pub(super) async fn newest(
    db: &impl ConnectionTrait,
    policy: &PolicyName,
) -> Result<i64, StoreError> {
    let of_one = Query::select()
        .expr(Func::max(Expr::col((event::Entity, event::Column::Revision))))
        .from(event::Entity)
        .and_where(
            Expr::col((event::Entity, event::Column::Workspace))
                .equals((workspace::Entity, workspace::Column::Id)),
        )
        .take();
    let of_all = Query::select()
        .expr_as(Expr::from(of_one), NEWEST)
        .from(workspace::Entity)
        .and_where(of_policy(policy))
        .take();
    let newest = Query::select()
        .expr_as(Func::max(Expr::col(NEWEST)), NEWEST)
        .from_subquery(of_all, "each")
        .take();
    let row = db.query_one(&newest).await.map_err(store_error)?;
    let newest = row.map(|row| row.try_get::<Option<i64>>("", NEWEST)).transpose();
    Ok(newest.map_err(store_error)?.flatten().unwrap_or_default())
}

/// The newest revision among the keys of a principal, also those that ended: 0 where there are none.
pub(super) async fn newest_of(
    db: &impl ConnectionTrait,
    principal: &PrincipalName,
) -> Result<i64, StoreError> {
    let newest = key::Entity::find()
        .select_only()
        .column_as(key::Column::Revision.max(), NEWEST)
        .filter(key::Column::Workspace.eq(principal.workspace.as_str()))
        .filter(key::Column::Principal.eq(principal.principal.as_str()))
        .into_tuple::<Option<i64>>()
        .one(db)
        .await;
    Ok(newest.map_err(store_error)?.flatten().unwrap_or_default())
}

fn of_policy(policy: &PolicyName) -> Expr {
    Expr::col((workspace::Entity, workspace::Column::Policy)).eq(policy.policy.as_str())
}

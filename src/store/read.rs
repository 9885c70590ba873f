//! Reads of one table.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait, PrimaryKeyTrait, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _, Select,
};

use super::{
    entity::{event, principal, request},
    error::store_error,
};
use crate::domain::{
    event::{Event, Revision},
    name::{Id, WorkspaceName},
    ports::{EventQuery, Page, RememberedRequest, RequestKey, StoreError},
    time::Timestamp,
};

/// The record with a primary key.
pub(super) async fn one<E, T>(
    db: &impl ConnectionTrait,
    id: <E::PrimaryKey as PrimaryKeyTrait>::ValueType,
) -> Result<Option<T>, StoreError>
where
    E: EntityTrait,
    T: TryFrom<E::Model, Error = StoreError>,
{
    let row = E::find_by_id(id).one(db).await.map_err(store_error)?;
    row.map(T::try_from).transpose()
}

/// Records in the order of their identifiers.
pub(super) async fn page<E, T>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    id: E::Column,
    page: &Page<Id>,
) -> Result<Vec<T>, StoreError>
where
    E: EntityTrait,
    T: TryFrom<E::Model, Error = StoreError>,
{
    let rows = select
        .apply_if(page.after.as_ref(), |select, after| {
            select.filter(sea_orm::ColumnTrait::gt(&id, after.as_str()))
        })
        .order_by_asc(id)
        .limit(page.size)
        .all(db)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(T::try_from).collect()
}

pub(super) fn principals_of(workspace: &WorkspaceName) -> Select<principal::Entity> {
    principal::Entity::find()
        .filter(principal::Column::Workspace.eq(workspace.workspace.as_str()))
        .filter(principal::Column::Deleted.eq(false))
}

pub(super) async fn events(
    db: &impl ConnectionTrait,
    query: &EventQuery,
    page: &Page<Revision>,
) -> Result<Vec<Event>, StoreError> {
    use event::Column;
    let EventQuery { workspace, subject, actor, kinds, from, until } = query;
    if is_in_no_text([subject.as_ref(), actor.as_ref()]) {
        return Ok(Vec::new());
    }
    let kinds = (!kinds.is_empty()).then(|| kinds.iter().map(|kind| kind.as_str()));
    let rows = event::Entity::find()
        .apply_if(workspace.as_ref(), |select, name| {
            select.filter(Column::Workspace.eq(name.workspace.as_str()))
        })
        .apply_if(subject.as_deref(), |select, subject| select.filter(Column::Subject.eq(subject)))
        .apply_if(actor.as_deref(), |select, actor| select.filter(Column::Actor.eq(actor)))
        .apply_if(kinds, |select, kinds| select.filter(Column::Kind.is_in(kinds)))
        .apply_if(*from, |select, from| select.filter(Column::Time.gte(from.micros())))
        .apply_if(*until, |select, until| select.filter(Column::Time.lt(until.micros())))
        .apply_if(page.after, |select, after| select.filter(Column::Revision.gt(after.0)))
        .order_by_asc(Column::Revision)
        .limit(page.size)
        .all(db)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(Event::try_from).collect()
}

/// Whether one of these has a character that no record has, and that PostgreSQL refuses.
pub(super) fn is_in_no_text<const N: usize>(texts: [Option<&String>; N]) -> bool {
    texts.into_iter().flatten().any(|text| text.contains('\0'))
}

/// What is remembered of a request, until it expires.
pub(super) async fn request(
    db: &impl ConnectionTrait,
    id: &RequestKey,
    now: Timestamp,
) -> Result<Option<RememberedRequest>, StoreError> {
    let row = request::Entity::find_by_id((id.actor.clone(), id.id.clone()))
        .filter(request::Column::ExpireTime.gt(now.micros()))
        .one(db)
        .await
        .map_err(store_error)?;
    row.map(RememberedRequest::try_from).transpose()
}

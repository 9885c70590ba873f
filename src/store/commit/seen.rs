//! What a group finds when its turn has come, read in few statements whatever its size.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Iden,
    QueryFilter as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _, LockType, Query, SelectStatement, UnionType},
};

use super::{Work, record::Record};
use crate::{
    domain::{
        name::Id,
        ports::{Guard, NewSecret, RequestKey, StoreError, Write},
        time::Timestamp,
    },
    store::{
        entity::{corrupt, counter, key, policy, principal, request, secret, workspace},
        error::store_error,
        under,
    },
};

/// As it is from the moment on at which the counter is held: nobody else changes anything until
/// the end of the transaction.
pub(super) struct Seen {
    pub(super) counter: counter::Model,
    /// The revision of each record that is there.
    pub(super) records: HashMap<Record, i64>,
    /// Until when a request is remembered.
    pub(super) requests: HashMap<RequestKey, Timestamp>,
    /// Of the keys that are given a new secret those that still work, and whatever has the digest
    /// of a new one.
    pub(super) secrets: Vec<secret::Model>,
    /// The newest change of what the first of the group rests on, where that is many records.
    pub(super) newest: HashMap<Guard, i64>,
}

/// Waits for the counter, which whoever changes anything takes before all else.
pub(super) async fn hold_counter(db: &impl ConnectionTrait) -> Result<counter::Model, StoreError> {
    let counter = counter::Entity::find().lock(LockType::NoKeyUpdate).one(db).await;
    counter.map_err(store_error)?.ok_or_else(|| corrupt("counter"))
}

impl Seen {
    /// Looks at what the group rests on, once the counter is held. Each of these statements must
    /// see what was committed before it: READ COMMITTED, or one writer.
    pub(super) async fn read(
        db: &impl ConnectionTrait,
        counter: counter::Model,
        works: &[Work],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            counter,
            records: records(db, works).await?,
            requests: requests(db, works).await?,
            secrets: secrets(db, works).await?,
            newest: newest(db, works.first()).await?,
        })
    }
}

#[derive(FromQueryResult)]
struct Found {
    kind: i32,
    workspace: String,
    id: String,
    revision: i64,
}

/// What each kind of record is called in the answer.
const POLICY: i32 = 0;
const WORKSPACE: i32 = 1;
const PRINCIPAL: i32 = 2;
const KEY: i32 = 3;

async fn records(
    db: &impl ConnectionTrait,
    works: &[Work],
) -> Result<HashMap<Record, i64>, StoreError> {
    let mut wanted = BTreeSet::new();
    for change in works.iter().flat_map(Work::changes) {
        wanted.insert(Record::subject(&change.write).0);
        wanted.extend(Record::referred_to(&change.write));
        wanted.extend(change.guards.iter().filter_map(|(guard, _)| Record::guarded(guard)));
    }
    let Some(select) = select_records(&wanted) else { return Ok(HashMap::new()) };
    let rows = db.query_all(&select).await.map_err(store_error)?;
    let found = rows.iter().map(|row| {
        let found = Found::from_query_result(row, "").map_err(store_error)?;
        let id = |text: &str| text.parse::<Id>().map_err(|_| corrupt("a record's name"));
        let record = match found.kind {
            POLICY => Record::Policy(id(&found.id)?),
            WORKSPACE => Record::Workspace(id(&found.id)?),
            PRINCIPAL => Record::Principal(id(&found.workspace)?, id(&found.id)?),
            _ => Record::Key(id(&found.workspace)?, id(&found.id)?),
        };
        Ok((record, found.revision))
    });
    found.collect()
}

/// One statement for all kinds. None: nothing is wanted.
fn select_records(wanted: &BTreeSet<Record>) -> Option<SelectStatement> {
    let (mut policies, mut workspaces, mut principals, mut keys) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for record in wanted {
        match record {
            Record::Policy(id) => policies.push(id.as_str()),
            Record::Workspace(id) => workspaces.push(id.as_str()),
            Record::Principal(workspace, id) => principals.push((workspace.as_str(), id.as_str())),
            Record::Key(workspace, id) => keys.push((workspace.as_str(), id.as_str())),
        }
    }
    let of_one = |kind, ids: Vec<&str>| {
        select_of(kind, Expr::val("")).and_where(Expr::col("id").is_in(ids)).take()
    };
    let of_two = |kind, names: Vec<(&str, &str)>| {
        select_of(kind, Expr::col("workspace"))
            .and_where(is_among(["workspace", "id"], names))
            .take()
    };
    let selects = [
        (!policies.is_empty()).then(|| of_one(POLICY, policies).from(policy::Entity).take()),
        (!workspaces.is_empty())
            .then(|| of_one(WORKSPACE, workspaces).from(workspace::Entity).take()),
        (!principals.is_empty())
            .then(|| of_two(PRINCIPAL, principals).from(principal::Entity).take()),
        (!keys.is_empty()).then(|| of_two(KEY, keys).from(key::Entity).take()),
    ];
    selects.into_iter().flatten().reduce(|mut all, more| all.union(UnionType::All, more).take())
}

fn select_of(kind: i32, workspace: Expr) -> SelectStatement {
    Query::select()
        .expr_as(Expr::val(kind), "kind")
        .expr_as(workspace, "workspace")
        .columns(["id", "revision"])
        .take()
}

/// That two columns are one of these pairs. So written it is understood by every database, and
/// looked up in the index of the columns.
pub(super) fn is_among<C: Iden + Copy + 'static>(
    columns: [C; 2],
    pairs: Vec<(&str, &str)>,
) -> Expr {
    let pairs = pairs.into_iter().map(|(one, other)| (one.to_owned(), other.to_owned()));
    let wanted = Query::select()
        .expr(Expr::col(sea_orm::sea_query::Asterisk))
        .from_values(pairs, "wanted")
        .take();
    Expr::tuple(columns.map(Expr::col)).in_subquery(wanted)
}

async fn requests(
    db: &impl ConnectionTrait,
    works: &[Work],
) -> Result<HashMap<RequestKey, Timestamp>, StoreError> {
    let keys: Vec<_> = works
        .iter()
        .flat_map(Work::requests)
        .map(|request| (&*request.key.actor, &*request.key.id))
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    use request::Column;
    let rows: Vec<(String, String, i64)> = request::Entity::find()
        .select_only()
        .columns([Column::Actor, Column::Id, Column::ExpireTime])
        .filter(is_among([Column::Actor, Column::Id], keys))
        .into_tuple()
        .all(db)
        .await
        .map_err(store_error)?;
    let remembered = |(actor, id, until)| (RequestKey { actor, id }, Timestamp::from_micros(until));
    Ok(rows.into_iter().map(remembered).collect())
}

async fn secrets(
    db: &impl ConnectionTrait,
    works: &[Work],
) -> Result<Vec<secret::Model>, StoreError> {
    use secret::Column;
    let (mut digests, mut replaced, mut from) = (Vec::new(), Vec::new(), Timestamp::MAX);
    for change in works.iter().flat_map(Work::changes) {
        let Write::Key(key, expected, Some(NewSecret { digest, .. })) = &change.write else {
            continue;
        };
        digests.push(digest.as_bytes().to_vec());
        if expected.is_some() {
            replaced.push((key.name.workspace.as_str(), key.name.key.as_str()));
            from = from.min(change.time);
        }
    }
    if digests.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted = Condition::any().add(Column::Digest.is_in(digests));
    if !replaced.is_empty() {
        let end = Column::ReplacedTime;
        let works = Condition::any().add(end.is_null()).add(end.gt(from.micros()));
        let older = is_among([Column::Workspace, Column::Key], replaced);
        wanted = wanted.add(Condition::all().add(older).add(works));
    }
    secret::Entity::find().filter(wanted).all(db).await.map_err(store_error)
}

async fn newest(
    db: &impl ConnectionTrait,
    first: Option<&Work>,
) -> Result<HashMap<Guard, i64>, StoreError> {
    let mut newest = HashMap::new();
    let changes = first.map_or(&[][..], Work::changes);
    for (guard, _) in changes.iter().flat_map(|change| &change.guards) {
        let revision = match guard {
            Guard::Under(policy) => under::newest(db, policy).await?,
            Guard::KeysOf(principal) => under::newest_of(db, principal).await?,
            _ => continue,
        };
        newest.insert(guard.clone(), revision);
    }
    Ok(newest)
}

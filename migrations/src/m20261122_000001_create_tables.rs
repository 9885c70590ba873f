//! The first tables. Moments are microseconds since 1970, identifiers and JSON
//! documents are texts, digests and hashes are bytes.

use sea_orm_migration::{
    prelude::*,
    sea_orm::DbBackend,
    sea_query::{ColumnDef, Table, TableCreateStatement},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// In the order in which they are made; taken away in the other.
const TABLES: [&str; 10] = [
    "counter",
    "policies",
    "workspaces",
    "principals",
    "keys",
    "key_scopes",
    "secrets",
    "events",
    "requests",
    "keyring",
];

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait wants the signatures as the trait has them"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns(manager.get_database_backend());
        for table in columns.tables() {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        let first = Query::insert()
            .into_table("counter")
            .columns(["id", "revision", "nonce", "last_hash"])
            .values([1.into(), 0_i64.into(), 0_i64.into(), vec![0_u8; 32].into()])
            .map_err(|error| DbErr::Migration(error.to_string()))?
            .take();
        manager.execute(first).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES.into_iter().rev() {
            manager.drop_table(Table::drop().table(table).take()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// Makes columns for one kind of database.
struct Columns(DbBackend);

impl Columns {
    /// A text that is compared bytewise, which SQLite does anyhow.
    fn text(&self, name: &'static str) -> ColumnDef {
        let mut column = self.text_or_null(name);
        column.not_null().take()
    }

    fn text_or_null(&self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name).text().take();
        if self.0 == DbBackend::Postgres {
            column.extra(r#"COLLATE "C""#);
        }
        column
    }

    fn tables(&self) -> Vec<TableCreateStatement> {
        let [
            counter,
            policies,
            workspaces,
            principals,
            keys,
            key_scopes,
            secrets,
            events,
            requests,
            keyring,
        ] = TABLES;
        vec![
            table(
                counter,
                [
                    ColumnDef::new("id").integer().not_null().primary_key().take(),
                    number("revision"),
                    number("nonce"),
                    bytes("last_hash"),
                ],
            ),
            recorded(table(
                policies,
                [self.text("id").primary_key().take(), self.text("document")],
            )),
            recorded(table(
                workspaces,
                [
                    self.text("id").primary_key().take(),
                    self.text("title"),
                    self.text("policy"),
                    flag("suspended"),
                ],
            ))
            .foreign_key(&mut reference(workspaces, ["policy"], policies, ["id"]))
            .take(),
            recorded(table(
                principals,
                [
                    self.text("workspace"),
                    self.text("id"),
                    self.text("title"),
                    self.text("kind"),
                    self.text("role"),
                    self.text("confined_to"),
                    flag("disabled"),
                ],
            ))
            .primary_key(&mut primary(["workspace", "id"]))
            .foreign_key(&mut reference(principals, ["workspace"], workspaces, ["id"]))
            .take(),
            recorded(table(
                keys,
                [
                    self.text("workspace"),
                    self.text("id"),
                    self.text("title"),
                    self.text("title_folded"),
                    self.text("key_type"),
                    self.text_or_null("principal"),
                    self.text("grants"),
                    self.text("constraint_patterns"),
                    self.text("allowed_cidrs"),
                    number_or_null("expire_time"),
                    number_or_null("revoke_time"),
                    self.text("labels"),
                ],
            ))
            .primary_key(&mut primary(["workspace", "id"]))
            .foreign_key(&mut reference(keys, ["workspace"], workspaces, ["id"]))
            .foreign_key(&mut reference(
                keys,
                ["workspace", "principal"],
                principals,
                ["workspace", "id"],
            ))
            .take(),
            table(key_scopes, [self.text("workspace"), self.text("key"), self.text("scope")])
                .primary_key(&mut primary(["workspace", "key", "scope"]))
                .foreign_key(
                    reference(key_scopes, ["workspace", "key"], keys, ["workspace", "id"])
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
            table(
                secrets,
                [
                    bytes("digest").primary_key().take(),
                    self.text("workspace"),
                    self.text("key"),
                    self.text("kind"),
                    self.text("version"),
                    number("create_time"),
                    number_or_null("replaced_time"),
                ],
            )
            .foreign_key(&mut reference(secrets, ["workspace", "key"], keys, ["workspace", "id"]))
            .take(),
            table(
                events,
                [
                    number("revision").primary_key().take(),
                    number("time"),
                    self.text("actor"),
                    self.text("kind"),
                    self.text("subject"),
                    self.text("workspace"),
                    self.text("before"),
                    self.text("after"),
                    self.text("request_id"),
                    number("nonce"),
                    bytes("previous_hash"),
                    bytes("hash"),
                ],
            ),
            table(
                requests,
                [
                    self.text("actor"),
                    self.text("id"),
                    self.text("subject"),
                    bytes("fingerprint"),
                    number("revision"),
                    number("expire_time"),
                ],
            )
            .primary_key(&mut primary(["actor", "id"]))
            .take(),
            table(keyring, [self.text("version").primary_key().take(), bytes("fingerprint")]),
        ]
    }
}

fn table<const N: usize>(name: &'static str, columns: [ColumnDef; N]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    table
}

/// Adds what every record has: the event that changed it last, and its times.
fn recorded(mut table: TableCreateStatement) -> TableCreateStatement {
    table.col(number("revision")).col(number("create_time")).col(number("update_time")).take()
}

fn number(name: &'static str) -> ColumnDef {
    number_or_null(name).not_null().take()
}

fn number_or_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

fn bytes(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().take()
}

fn primary<const N: usize>(columns: [&'static str; N]) -> IndexCreateStatement {
    let mut key = Index::create();
    for column in columns {
        key.col(column);
    }
    key
}

fn reference<const N: usize>(
    table: &'static str,
    columns: [&'static str; N],
    to: &'static str,
    keys: [&'static str; N],
) -> ForeignKeyCreateStatement {
    let mut reference = ForeignKey::create();
    reference.name(format!("{table}_{}", columns.join("_")));
    for (column, key) in columns.into_iter().zip(keys) {
        reference.from(table, column).to(to, key);
    }
    reference
}

fn indexes() -> Vec<IndexCreateStatement> {
    let columns: [(&str, &[&'static str]); 12] = [
        ("workspaces", &["policy"]),
        ("keys", &["workspace", "create_time", "id"]),
        ("keys", &["workspace", "title", "id"]),
        ("keys", &["workspace", "principal"]),
        ("keys", &["expire_time"]),
        ("key_scopes", &["workspace", "scope", "key"]),
        ("secrets", &["workspace", "key"]),
        ("events", &["workspace", "revision"]),
        ("events", &["subject", "revision"]),
        ("events", &["actor", "revision"]),
        ("events", &["time"]),
        ("requests", &["expire_time"]),
    ];
    let index = |(table, columns): (&'static str, &[&'static str])| {
        let mut index = Index::create();
        index.name(format!("{table}_by_{}", columns.join("_"))).table(table);
        for column in columns {
            index.col(*column);
        }
        index
    };
    columns.into_iter().map(index).collect()
}

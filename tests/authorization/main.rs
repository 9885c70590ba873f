//! Who may call what: every RPC of the descriptors × every scope × a caller's own and another workspace × every kind of
//! caller, as `table.txt` has it, on SQLite and on PostgreSQL; and what callers try to get more than that.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "../tls/authority.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod authority;
mod callers;
mod cells;
#[path = "../tls/client.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod client;
mod complete;
mod deputies;
#[path = "../api/callers/minted.rs"]
mod minted;
mod minting;
mod nobody;
mod ongoing;
mod open;
#[path = "../tls/place.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod place;
#[path = "../kill/random.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod random;
#[path = "../api/callers/raw.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod raw;
mod record;
mod replayed;
#[expect(dead_code, reason = "other tests need more of it")]
mod rows;
mod samples;
mod spoil;
#[path = "../api/support.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod support;
mod world;

/// Runs tests on each database.
macro_rules! on_each_database {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::world::Kind::Sqlite).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::world::Kind::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_each_database;

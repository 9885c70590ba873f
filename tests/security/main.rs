//! What went wrong in other systems of this kind, and must not go wrong here.
//!
//! One file for each class of mistakes, named after it, which begins with where it was made. Each
//! has at least one test through the real port, on SQLite and on PostgreSQL where the store
//! matters; what other tests have of the class is named in the file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

/// Each test once on a file of SQLite, and once on a server of PostgreSQL.
macro_rules! on_each_store {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::world::Store::Sqlite).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::world::Store::Postgres).await;
            })+
        }
    };
}

#[path = "../tls/authority.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod authority;
mod cache_key_collision;
mod callers;
mod case_and_space_folding;
mod cross_tenant_handle;
mod fill_race;
#[path = "../edge/frames.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod frames;
mod garbage_flood;
mod grpc_path_bypass;
mod half_a_tls_configuration;
mod idempotency;
mod ip_parsing;
#[path = "../metrics/reader.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod metrics_reader;
mod minting_a_broader_key;
mod missing_means_pass;
#[path = "../flood/parts.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod parts;
#[path = "../postgres/server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod postgres;
mod prefix_match;
#[path = "../kill/process.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod process;
#[path = "../replicas/proxy.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod proxy;
#[path = "../kill/random.rs"]
mod random;
mod revoked_still_cached;
mod rules;
mod secret_in_logs;
#[path = "../api/support.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod support;
mod timing;
mod truncated_or_edited_secret;
mod ways;
#[path = "../replicas/wire.rs"]
mod wire;
mod world;

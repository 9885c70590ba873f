//! Who writes the database decides: nothing binds a row but the database itself.

use crate::world::{World, allowed, ask, end, execute, mint, revoke, unknown};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_the_database_decides_what_a_key_may_do_and_the_log_does_not_tell() {
    let world = World::new().await;
    let mut serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    let low = mint(&mut root, "acme", "low", &["docs:read"]).await;
    let revoked = mint(&mut root, "acme", "revoked", &["docs:read"]).await;
    revoke(&mut root, "workspaces/acme/keys/revoked").await;
    assert!(!ask(&mut root, &revoked, "").await.active);
    assert_eq!(ask(&mut root, &low, "docs:write").await.decision(), keyward::proto::Decision::Deny);
    end(&mut serving);
    let before = world.verified();

    let database = world.database().await;
    let raise =
        "UPDATE keys SET grants = replace(grants, 'docs:read', 'docs:write') WHERE id = 'low'";
    execute(&database, raise, 1).await;
    execute(&database, "UPDATE keys SET revoke_time = NULL WHERE id = 'revoked'", 1).await;
    database.close().await.unwrap();
    assert_eq!(world.verified(), before, "the log tells of changes that were asked for alone");
    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    allowed(&ask(&mut root, &low, "docs:write").await, "workspaces/acme/keys/low");
    allowed(&ask(&mut root, &revoked, "docs:read").await, "workspaces/acme/keys/revoked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_the_database_can_give_any_key_to_a_secret_that_was_handed_out() {
    let world = World::new().await;
    let mut serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    let mine = mint(&mut root, "acme", "mine", &["docs:read"]).await;
    let theirs = mint(&mut root, "other", "theirs", &["docs:write"]).await;
    end(&mut serving);

    let database = world.database().await;
    let swap = "UPDATE secrets SET \
        workspace = CASE key WHEN 'mine' THEN 'other' ELSE 'acme' END, \
        key = CASE key WHEN 'mine' THEN 'theirs' ELSE 'mine' END \
        WHERE key IN ('mine', 'theirs')";
    execute(&database, swap, 2).await;
    database.close().await.unwrap();
    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    allowed(&ask(&mut root, &mine, "docs:write").await, "workspaces/other/keys/theirs");
    allowed(&ask(&mut root, &theirs, "docs:read").await, "workspaces/acme/keys/mine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_written_into_the_database_has_no_secret() {
    let world = World::new().await;
    let mut serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    let genuine = mint(&mut root, "acme", "genuine", &["docs:read"]).await;
    end(&mut serving);
    let database = world.database().await;
    // A digest that the writer chose: there is no secret for it without the signing key.
    execute(&database, "UPDATE secrets SET digest = randomblob(24) WHERE key = 'genuine'", 1).await;
    database.close().await.unwrap();
    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    unknown(&serving, &mut root, &genuine).await;
}

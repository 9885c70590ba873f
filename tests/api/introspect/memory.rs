//! What is answered from memory: the key that is asked about, and the caller. Where one of them is
//! not there, the caller is looked at before the message is read and after.

use keyward::proto::{Decision, DenyReason, RevokeKeyRequest};

use super::{answer, question};
use crate::support::{Caller, Server, reader};

/// Asks once more, and says how often the cache had what was wanted, and how often not.
async fn ask(server: &Server, caller: &mut Caller, secret: &str) -> (u64, u64, DenyReason) {
    let before = server.cache.counts();
    let answered = answer(caller, question(secret, &["sites:read"])).await;
    let after = server.cache.counts();
    assert_eq!(
        answered.decision() == Decision::Allow,
        answered.reason() == DenyReason::Unspecified
    );
    (after.hits - before.hits, after.misses - before.misses, answered.reason())
}

#[tokio::test]
async fn a_key_that_was_asked_about_and_its_caller_are_answered_from_memory() {
    let (server, mut root) = Server::with_workspaces().await;
    let key = root.create_key("acme", "ci", reader()).await.secret;
    // A change may be noted in the same place as one of this caller's: it is looked up again here.
    root.head().await;
    assert_eq!(ask(&server, &mut root, &key).await, (2, 1, DenyReason::Unspecified));
    assert_eq!(ask(&server, &mut root, &key).await, (2, 0, DenyReason::Unspecified));
    let name = "workspaces/acme/keys/ci".to_owned();
    let request = RevokeKeyRequest { name, ..Default::default() };
    root.admin.revoke_key(request).await.unwrap();
    root.head().await;
    assert_eq!(ask(&server, &mut root, &key).await, (2, 1, DenyReason::Revoked));
    assert_eq!(ask(&server, &mut root, &key).await, (2, 0, DenyReason::Revoked));
}

#[tokio::test]
async fn a_malformed_secret_is_answered_without_the_cache() {
    let (server, mut root) = Server::with_workspaces().await;
    root.head().await;
    assert_eq!(ask(&server, &mut root, "nonsense").await, (1, 0, DenyReason::InvalidKey));
}

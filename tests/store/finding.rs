//! Whose a secret is.

use std::sync::Arc;

use keyward::domain::{
    event::Revision,
    key::{Grant, Key},
    live::LiveKey,
    ports::{Change, FindKey as _, Records as _, StoreError, Write},
};
use keyward::store::Store;

use crate::{
    database::Database,
    sample::{
        at, change, digest, full_key, furnish, key, policy, policy_name, principal, rev, secret,
        workspace,
    },
};

async fn found(store: &Store, number: u8) -> Arc<LiveKey> {
    store.find_key(&digest(number)).await.unwrap().unwrap()
}

pub(crate) async fn an_unknown_digest_finds_nothing(database: &impl Database) {
    let store = database.store().await;
    assert!(store.find_key(&digest(1)).await.unwrap().is_none());
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(2)))).await.unwrap();
    assert!(store.find_key(&digest(1)).await.unwrap().is_none());
    assert!(store.has_secrets().await.unwrap());
}

pub(crate) async fn a_key_is_found_with_all_that_it_rests_on(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(full_key("full"), None, secret(1)))).await.unwrap();
    store.commit(change(Write::Key(key("bare"), None, secret(2)))).await.unwrap();

    let full = found(&store, 1).await;
    let facts = full.facts();
    assert_eq!((&facts.key.value, facts.key.revision), (&full_key("full"), Revision(4)));
    assert_eq!(
        (&facts.workspace.value, facts.workspace.revision),
        (&workspace("acme"), Revision(2))
    );
    let owner = facts.principal.as_ref().unwrap();
    assert_eq!((&owner.value, owner.revision), (&principal(), Revision(3)));
    assert_eq!(facts.policy, (policy_name(), Revision(1)));
    assert_eq!(facts.replaced, None);
    assert_eq!(full.policy().document(), &policy());

    let bare = found(&store, 2).await;
    assert_eq!(bare.facts().key.value, key("bare"));
    assert_eq!(bare.facts().principal, None);
}

pub(crate) async fn a_replaced_secret_finds_its_key_and_says_since_when(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    store.commit(change(Write::Key(key("b"), None, secret(9)))).await.unwrap();
    let rotate = |time, expected, number| Change {
        time: at(time),
        ..change(Write::Key(key("a"), rev(expected), secret(number)))
    };
    store.commit(rotate(20, 4, 2)).await.unwrap();
    store.commit(rotate(30, 6, 3)).await.unwrap();

    for (number, replaced) in [(1, Some(at(20))), (2, Some(at(30))), (3, None), (9, None)] {
        assert_eq!(found(&store, number).await.facts().replaced, replaced, "{number}");
    }
    assert_eq!(found(&store, 1).await.key().name, key("a").name);
}

pub(crate) async fn every_change_is_seen_at_once(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let owned = || Key { revoke_time: None, ..full_key("a") };
    store.commit(change(Write::Key(owned(), None, secret(1)))).await.unwrap();
    assert!(found(&store, 1).await.is_enabled());

    let mut suspended = workspace("acme");
    suspended.suspended = true;
    store.commit(change(Write::Workspace(suspended, rev(2)))).await.unwrap();
    assert!(!found(&store, 1).await.is_enabled());
    store.commit(change(Write::Workspace(workspace("acme"), rev(5)))).await.unwrap();
    assert!(found(&store, 1).await.is_enabled());

    let mut disabled = principal();
    disabled.disabled = true;
    store.commit(change(Write::Principal(disabled, rev(3)))).await.unwrap();
    assert!(!found(&store, 1).await.is_enabled());

    let mut narrower = policy();
    narrower.scopes[1].name = "sites:other".into();
    assert!(found(&store, 1).await.policy().scope("sites:write").is_some());
    store.commit(change(Write::Policy(policy_name(), narrower, rev(1)))).await.unwrap();
    let live = found(&store, 1).await;
    assert!(live.policy().scope("sites:write").is_none());
    assert_eq!(live.revision(), Revision(8));

    let revoked = Key { revoke_time: Some(at(5)), ..owned() };
    store.commit(change(Write::Key(revoked, rev(4), None))).await.unwrap();
    assert_eq!(found(&store, 1).await.key().revoke_time, Some(at(5)));
}

async fn set_policy(database: &impl Database, document: &str) {
    let set = format!("UPDATE policies SET document = '{document}', revision = revision + 1");
    database.execute(&set).await;
}

pub(crate) async fn a_policy_that_would_be_refused_today_is_still_answered_by(
    database: &impl Database,
) {
    let store = database.store().await;
    furnish(&store).await;
    let writer = Grant { scope: "sites:write".into(), resource: None };
    let writer = Key { grants: vec![writer], ..key("a") };
    store.commit(change(Write::Key(writer, None, secret(1)))).await.unwrap();
    let mut circle = policy();
    for scope in &mut circle.scopes {
        scope.implies = vec!["sites:read".into(), "sites:write".into(), "gone".into()];
    }
    set_policy(database, &serde_json::to_string(&circle).unwrap()).await;
    let live = found(&store, 1).await;
    let held = |name: &str| live.holds(live.policy().scope(name).unwrap(), None);
    assert!(held("sites:read") && held("sites:write"));
}

/// As after a fail-over that lost the last changes, and another one in their place.
pub(crate) async fn a_policy_of_another_history_is_not_answered_by(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    let knows = async |scope| {
        let rules = store.rules(&policy_name()).await.unwrap().unwrap();
        assert_eq!(rules.revision, Revision(1));
        let live = found(&store, 1).await;
        [&*rules.value, live.policy()].map(|policy| policy.scope(scope).is_some())
    };
    assert_eq!(knows("sites:write").await, [true; 2]);
    let mut other = policy();
    other.scopes[1].name = "sites:other".into();
    let document = serde_json::to_string(&other).unwrap();
    let set = format!("UPDATE policies SET document = '{document}', update_time = update_time + 1");
    database.execute(&set).await;
    assert_eq!(knows("sites:write").await, [false; 2]);
    assert_eq!(knows("sites:other").await, [true; 2]);
}

pub(crate) async fn what_cannot_be_read_is_corrupt_and_not_quoted(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    set_policy(database, r#"{"title":"canary"}"#).await;
    let error = store.find_key(&digest(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"));
    database.execute("UPDATE keys SET grants = 'canary'").await;
    let error = store.key(&key("a").name).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"));
}

pub(crate) async fn a_policy_whose_number_was_given_again_is_not_taken_for_the_one_before(
    database: &impl Database,
) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    assert_eq!(found(&store, 1).await.policy().document(), &policy());
    // The database was set back to before the policy, which then was made otherwise.
    let mut other = policy();
    other.scopes[1].name = "sites:other".into();
    let document = serde_json::to_string(&other).unwrap();
    let set = format!("UPDATE policies SET document = '{document}', update_time = update_time + 1");
    database.execute(&set).await;
    assert_eq!(found(&store, 1).await.policy().document(), &other);
    let rules = store.rules(&policy_name()).await.unwrap().unwrap();
    assert_eq!((rules.value.document(), rules.revision), (&other, Revision(1)));
}

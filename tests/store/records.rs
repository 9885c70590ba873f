//! Records are written whole or not at all, and read back as they were.

use keyward::domain::{
    event::Revision,
    live::Stored,
    ports::{Change, Guard, Page, Records as _, RememberedAs, StoreError, Write},
    principal::PrincipalKind,
};
use keyward::store::Store;

use crate::{
    database::Database,
    sample::{
        acme, all_events, at, change, first_page, full_key, furnish, id, key, key_name, new_key,
        new_workspace, policy, policy_name, principal, principal_name, request, rev, revisions,
        secret, workspace,
    },
};

fn stored<T>(value: T, revision: i64) -> Option<Stored<T>> {
    Some(Stored { value, revision: Revision(revision), create_time: at(1), update_time: at(1) })
}

pub(crate) async fn what_is_written_is_read_back_in_every_field(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(full_key("full"), None, secret(1)))).await.unwrap();
    store.commit(new_key(key("bare"))).await.unwrap();

    assert_eq!(store.policy(&policy_name()).await.unwrap(), stored((policy_name(), policy()), 1));
    assert_eq!(store.workspace(&acme()).await.unwrap(), stored(workspace("acme"), 2));
    assert_eq!(store.principal(&principal_name()).await.unwrap(), stored(principal(), 3));
    let full = store.key(&key_name("full")).await.unwrap().unwrap();
    assert_eq!(Some(full.key), stored(full_key("full"), 4));
    assert_eq!(full.secrets.len(), 1);
    let bare = store.key(&key_name("bare")).await.unwrap().unwrap();
    assert_eq!(Some(bare.key), stored(key("bare"), 5));
    assert_eq!(bare.secrets, []);
    for (number, kind) in
        [PrincipalKind::User, PrincipalKind::Team, PrincipalKind::Service].into_iter().enumerate()
    {
        let mut other = principal();
        other.name.principal = id(&format!("kind-{number}"));
        other.kind = kind;
        store.commit(change(Write::Principal(other.clone(), None))).await.unwrap();
        assert_eq!(store.principal(&other.name).await.unwrap().unwrap().value, other);
    }
}

pub(crate) async fn a_change_moves_revision_and_update_time_alone(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(new_key(full_key("a"))).await.unwrap();
    let later = |write| Change { time: at(9), ..change(write) };
    let (mut suspended, mut disabled, mut titled) = (workspace("acme"), principal(), policy());
    suspended.suspended = true;
    disabled.disabled = true;
    titled.title = "Other".parse().unwrap();
    store.commit(later(Write::Policy(policy_name(), titled.clone(), rev(1)))).await.unwrap();
    store.commit(later(Write::Workspace(suspended.clone(), rev(2)))).await.unwrap();
    store.commit(later(Write::Principal(disabled.clone(), rev(3)))).await.unwrap();
    store.commit(later(Write::Key(key("a"), rev(4), None))).await.unwrap();

    fn changed<T>(value: T, revision: i64) -> Option<Stored<T>> {
        Some(Stored { value, revision: Revision(revision), create_time: at(1), update_time: at(9) })
    }
    assert_eq!(store.policy(&policy_name()).await.unwrap(), changed((policy_name(), titled), 5));
    assert_eq!(store.workspace(&acme()).await.unwrap(), changed(suspended, 6));
    assert_eq!(store.principal(&principal_name()).await.unwrap(), changed(disabled, 7));
    assert_eq!(
        store.key(&key_name("a")).await.unwrap().map(|record| record.key),
        changed(key("a"), 8)
    );
}

pub(crate) async fn what_is_not_there_is_not_found(database: &impl Database) {
    let store = database.store().await;
    assert_eq!(store.policy(&policy_name()).await.unwrap(), None);
    assert_eq!(store.workspace(&acme()).await.unwrap(), None);
    assert_eq!(store.principal(&principal_name()).await.unwrap(), None);
    assert!(store.key(&key_name("a")).await.unwrap().is_none());
    assert_eq!(store.request(&request("r").key, at(1)).await.unwrap(), None);
    assert_eq!(all_events(&store).await, []);
    assert!(!store.has_secrets().await.unwrap());
}

pub(crate) async fn a_name_is_taken_once(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(new_key(key("a"))).await.unwrap();
    let writes = [
        Write::Policy(policy_name(), policy(), None),
        Write::Workspace(workspace("acme"), None),
        Write::Principal(principal(), None),
        Write::Key(key("a"), None, None),
    ];
    for write in writes {
        assert!(matches!(store.commit(change(write)).await, Err(StoreError::Exists)));
    }
    assert_eq!(revisions(&store).await, [1, 2, 3, 4]);
}

pub(crate) async fn a_change_of_another_revision_is_refused(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(new_key(key("a"))).await.unwrap();
    let stale = rev(99);
    let writes = [
        Write::Policy(policy_name(), policy(), stale),
        Write::Workspace(workspace("acme"), stale),
        Write::Workspace(workspace("absent"), rev(2)),
        Write::Principal(principal(), stale),
        Write::Key(key("a"), stale, secret(1)),
    ];
    for write in writes {
        assert!(matches!(store.commit(change(write)).await, Err(StoreError::Conflict)));
    }
    assert!(!store.has_secrets().await.unwrap());
    assert_eq!(revisions(&store).await, [1, 2, 3, 4]);
}

pub(crate) async fn a_guard_of_another_revision_refuses_the_change(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(new_key(key("own"))).await.unwrap();
    let guards = [
        Guard::Policy(policy_name()),
        Guard::Workspace(acme()),
        Guard::Principal(principal_name()),
        Guard::Key(key_name("own")),
    ]
    .into_iter()
    .zip(1..);
    for (broken, _) in guards.clone() {
        let moved =
            |guard: &Guard| std::mem::discriminant(guard) == std::mem::discriminant(&broken);
        let guards = guards.clone().map(|(guard, revision)| {
            let revision = Revision(revision + i64::from(moved(&guard)));
            (guard, revision)
        });
        let refused = store.commit(Change { guards: guards.collect(), ..new_key(key("a")) }).await;
        assert!(matches!(refused, Err(StoreError::Conflict)));
    }
    let guards = guards.map(|(guard, revision)| (guard, Revision(revision))).collect();
    store.commit(Change { guards, ..new_key(key("a")) }).await.unwrap();
}

pub(crate) async fn a_request_that_changed_nothing_is_remembered_once(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let done = || RememberedAs {
        subject: "workspaces/acme".to_owned(),
        revision: Revision(2),
        time: at(50),
    };
    let request = request("r");
    store.remember(request.clone(), done()).await.unwrap();
    let again = store.remember(request.clone(), done()).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    let remembered = store.request(&request.key, at(50)).await.unwrap().unwrap();
    assert_eq!(
        (remembered.subject.as_str(), remembered.revision),
        ("workspaces/acme", Revision(2))
    );
    let change = Change { request: Some(request), ..new_key(key("a")) };
    assert!(matches!(store.commit(change).await, Err(StoreError::Conflict)));
    assert_eq!(revisions(&store).await, [1, 2, 3]);
}

pub(crate) async fn what_needs_a_record_that_is_not_there_is_refused(database: &impl Database) {
    let store = database.store().await;
    let orphans = [
        Write::Workspace(workspace("acme"), None),
        Write::Principal(principal(), None),
        Write::Key(key("a"), None, None),
    ];
    for write in orphans {
        assert!(matches!(store.commit(change(write)).await, Err(StoreError::Conflict)));
    }
    furnish(&store).await;
    let mut ownerless = full_key("a");
    ownerless.principal = Some(id("nobody"));
    assert!(matches!(store.commit(new_key(ownerless)).await, Err(StoreError::Conflict)));
}

pub(crate) async fn a_refused_change_leaves_nothing(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    store.commit(change(Write::Key(key("a"), None, secret(1)))).await.unwrap();
    // The digest is there already, which is noticed last.
    let twice = Change {
        request: Some(request("r")),
        ..change(Write::Key(full_key("b"), None, secret(1)))
    };
    assert!(store.commit(twice).await.is_err());

    assert!(store.key(&key_name("b")).await.unwrap().is_none());
    assert_eq!(store.request(&request("r").key, at(1)).await.unwrap(), None);
    assert_eq!(revisions(&store).await, [1, 2, 3, 4]);
    assert_eq!(store.commit(new_workspace("next")).await.unwrap(), Revision(5));
    store.verify_events().await.unwrap();
}

pub(crate) async fn a_request_is_remembered_until_it_expires(database: &impl Database) {
    let store = database.store().await;
    furnish(&store).await;
    let asked = |name: &str, time| Change {
        time: at(time),
        request: Some(request("r")),
        ..new_workspace(name)
    };
    let revision = store.commit(asked("one", 1)).await.unwrap();
    let remembered = store.request(&request("r").key, at(99)).await.unwrap().unwrap();
    assert_eq!(remembered.revision, revision);
    assert_eq!(remembered.subject, "workspaces/one");
    assert_eq!(remembered.fingerprint, [7; 32]);
    assert_eq!(store.request(&request("r").key, at(100)).await.unwrap(), None);

    // A repetition is told as such even where the name is taken too.
    assert!(matches!(store.commit(asked("one", 99)).await, Err(StoreError::Conflict)));
    assert!(matches!(store.commit(asked("two", 99)).await, Err(StoreError::Conflict)));
    store.commit(asked("two", 100)).await.unwrap();
    let mut other = request("r");
    other.key.actor = "another".into();
    store.commit(Change { request: Some(other), ..new_workspace("three") }).await.unwrap();
}

pub(crate) async fn a_closed_store_is_unavailable(database: &impl Database) {
    let store: Store = database.store().await;
    store.close().await;
    let page: Page<_> = first_page(1);
    assert!(matches!(store.workspaces(&page).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.commit(new_workspace("acme")).await, Err(StoreError::Unavailable(_))));
}

//! All that is in the workspaces under a policy.

use keyward::domain::{
    event::Revision,
    key::Key,
    live::Facts,
    name::{KeyName, PolicyName, PrincipalName},
    ports::{Change, Guard, Page, Records as _, StoreError, Write},
    principal::Principal,
    time::Timestamp,
    workspace::Workspace,
};
use keyward::store::Store;

use crate::{
    database::Database,
    sample::{
        at, change, first_page, full_key, furnish, id, key, new_key, new_workspace, policy,
        policy_name, principal, rev, workspace,
    },
};

fn apart_name() -> PolicyName {
    PolicyName { policy: id("apart") }
}

/// Makes the policy `apart` with the workspace `alone`, beside `acme` and `zeta`: events 1 to 6.
async fn furnish_more(store: &Store) {
    furnish(store).await;
    store.commit(new_workspace("zeta")).await.unwrap();
    store.commit(change(Write::Policy(apart_name(), policy(), None))).await.unwrap();
    let alone = Workspace { policy: apart_name(), ..workspace("alone") };
    store.commit(change(Write::Workspace(alone, None))).await.unwrap();
}

fn in_workspace(workspace: &str, name: &str) -> Key {
    Key { name: KeyName { workspace: id(workspace), key: id(name) }, ..key(name) }
}

async fn live(store: &Store, now: Timestamp, size: u64) -> Vec<Facts> {
    live_since(store, 0, now, size).await
}

async fn live_since(store: &Store, since: i64, now: Timestamp, size: u64) -> Vec<Facts> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, size };
        let part = store.live_keys(&policy_name(), Revision(since), now, &page).await.unwrap();
        assert!(part.len() <= usize::try_from(size).unwrap());
        let Some(last) = part.last() else { return all };
        after = Some(last.key.value.name.clone());
        all.extend(part);
    }
}

fn names(facts: &[Facts]) -> Vec<String> {
    facts.iter().map(|facts| facts.key.value.name.to_string()).collect()
}

pub(crate) async fn live_keys_of_all_workspaces_are_read_in_parts(database: &impl Database) {
    let store = database.store().await;
    furnish_more(&store).await;
    for (workspace, name) in [("zeta", "a"), ("acme", "b"), ("alone", "c"), ("acme", "a")] {
        store.commit(new_key(in_workspace(workspace, name))).await.unwrap();
    }
    let owned = Key { revoke_time: None, ..full_key("z") };
    store.commit(new_key(owned.clone())).await.unwrap();
    let expected = [
        "workspaces/acme/keys/a",
        "workspaces/acme/keys/b",
        "workspaces/acme/keys/z",
        "workspaces/zeta/keys/a",
    ];
    for size in [1, 2, 3, 4, 100] {
        assert_eq!(names(&live(&store, at(0), size).await), expected, "{size}");
    }
    let facts = live(&store, at(0), 100).await.swap_remove(2);
    assert_eq!((facts.key.value, facts.key.revision), (owned, Revision(11)));
    assert_eq!(facts.workspace.value, workspace("acme"));
    assert_eq!(facts.principal.unwrap().value, principal());
    assert_eq!((facts.policy, facts.replaced), ((policy_name(), Revision(1)), None));
}

pub(crate) async fn keys_that_ended_or_are_of_another_policy_are_not_read(
    database: &impl Database,
) {
    let store = database.store().await;
    furnish_more(&store).await;
    store.commit(new_key(full_key("revoked"))).await.unwrap();
    let ends = Key { expire_time: Some(at(50)), ..key("ends") };
    store.commit(new_key(ends)).await.unwrap();
    store.commit(new_key(in_workspace("alone", "other"))).await.unwrap();
    assert_eq!(names(&live(&store, at(49), 100).await), ["workspaces/acme/keys/ends"]);
    for now in [50, 51] {
        assert_eq!(names(&live(&store, at(now), 100).await), Vec::<String>::new(), "{now}");
    }
}

pub(crate) async fn keys_are_read_that_changed_since_themselves_or_their_surroundings(
    database: &impl Database,
) {
    let store = database.store().await;
    furnish_more(&store).await;
    let since = async |revision| {
        let facts = live_since(&store, revision, at(0), 1).await;
        facts.iter().map(|facts| facts.key.value.name.key.to_string()).collect::<Vec<_>>()
    };
    store.commit(new_key(key("a"))).await.unwrap();
    store.commit(new_key(Key { revoke_time: None, ..full_key("b") })).await.unwrap();
    store.commit(new_key(in_workspace("zeta", "c"))).await.unwrap();
    assert_eq!(since(6).await, ["a", "b", "c"]);
    assert_eq!(since(7).await, ["b", "c"]);
    assert_eq!(since(9).await, Vec::<String>::new());
    store.commit(change(Write::Principal(principal(), rev(3)))).await.unwrap();
    assert_eq!(since(9).await, ["b"], "its owner changed");
    store.commit(change(Write::Workspace(workspace("zeta"), rev(4)))).await.unwrap();
    assert_eq!(since(10).await, ["c"], "its workspace changed");
    assert_eq!(since(11).await, Vec::<String>::new());
}

pub(crate) async fn workspaces_are_read_by_name_and_policy(database: &impl Database) {
    let store = database.store().await;
    furnish_more(&store).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, size: 1 };
        let part = store.workspaces_under(&policy_name(), &page).await.unwrap();
        let Some(last) = part.last() else { break };
        after = Some(last.value.name.workspace.clone());
        seen.extend(part.into_iter().map(|found| found.value));
    }
    assert_eq!(seen, [workspace("acme"), workspace("zeta")]);
    let none = PolicyName { policy: id("none") };
    assert_eq!(store.workspaces_under(&none, &first_page(10)).await.unwrap(), []);
}

pub(crate) async fn the_newest_change_is_of_whatever_is_in_the_workspaces(
    database: &impl Database,
) {
    let store = database.store().await;
    store.commit(change(Write::Policy(policy_name(), policy(), None))).await.unwrap();
    let newest = async || store.newest_under(&policy_name()).await.unwrap().0;
    assert_eq!(newest().await, 0, "there is no workspace");
    store.commit(new_workspace("acme")).await.unwrap();
    assert_eq!(newest().await, 2);
    store.commit(change(Write::Principal(principal(), None))).await.unwrap();
    assert_eq!(newest().await, 3);
    store.commit(new_workspace("zeta")).await.unwrap();
    store.commit(new_key(in_workspace("zeta", "a"))).await.unwrap();
    assert_eq!(newest().await, 5);
    store.commit(new_key(key("a"))).await.unwrap();
    store.commit(change(Write::Policy(apart_name(), policy(), None))).await.unwrap();
    let alone = Workspace { policy: apart_name(), ..workspace("alone") };
    store.commit(change(Write::Workspace(alone, None))).await.unwrap();
    store.commit(new_key(in_workspace("alone", "a"))).await.unwrap();
    store.commit(change(Write::Policy(policy_name(), policy(), rev(1)))).await.unwrap();
    assert_eq!(newest().await, 6, "neither the policy nor another's workspaces count");
    assert_eq!(store.newest_under(&apart_name()).await.unwrap().0, 9);
}

pub(crate) async fn a_guard_of_the_keys_of_a_principal_is_of_them_alone(database: &impl Database) {
    let store = database.store().await;
    furnish_more(&store).await;
    let ann = principal().name;
    let elsewhere = PrincipalName { workspace: id("zeta"), ..ann.clone() };
    let named = Principal { name: elsewhere.clone(), ..principal() };
    store.commit(change(Write::Principal(named, None))).await.unwrap();
    let newest = async |name| store.newest_of(name).await.unwrap().0;
    assert_eq!(newest(&ann).await, 0, "it has no key");
    let owned = |workspace, name, expected| {
        let key = Key { principal: Some(id("ann")), ..in_workspace(workspace, name) };
        change(Write::Key(key, expected, None))
    };
    store.commit(owned("acme", "a", None)).await.unwrap();
    store.commit(owned("acme", "b", None)).await.unwrap();
    store.commit(owned("zeta", "a", None)).await.unwrap();
    store.commit(new_key(key("ownerless"))).await.unwrap();
    assert_eq!((newest(&ann).await, newest(&elsewhere).await), (9, 10));
    store.commit(owned("acme", "a", rev(8))).await.unwrap();
    assert_eq!(newest(&ann).await, 12, "a change of an older key counts");

    let deletion = |revision| Change {
        guards: vec![(Guard::KeysOf(principal().name), Revision(revision))],
        ..change(Write::Principal(principal(), rev(3)))
    };
    for stale in [0, 8, 9, 10, 11, 13] {
        let refused = store.commit(deletion(stale)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{stale}");
    }
    store.commit(deletion(12)).await.unwrap();
}

pub(crate) async fn a_guard_of_all_that_is_under_a_policy_refuses_the_change(
    database: &impl Database,
) {
    let store = database.store().await;
    furnish_more(&store).await;
    let guarded = |revision| Change {
        guards: vec![(Guard::Under(policy_name()), Revision(revision))],
        ..change(Write::Policy(policy_name(), policy(), rev(1)))
    };
    for stale in [0, 3, 5, 6, 7] {
        let refused = store.commit(guarded(stale)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{stale}");
    }
    store.commit(new_key(in_workspace("alone", "a"))).await.unwrap();
    store.commit(guarded(4)).await.unwrap();
    store.commit(new_key(in_workspace("zeta", "a"))).await.unwrap();
    let after = Change {
        guards: vec![(Guard::Under(policy_name()), Revision(4))],
        ..change(Write::Policy(policy_name(), policy(), rev(8)))
    };
    assert!(matches!(store.commit(after).await, Err(StoreError::Conflict)));
}

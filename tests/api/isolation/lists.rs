//! What callers that are bound to some resources see in lists.

use keyward::proto;

use super::world::{TWIN, World};
use crate::{
    callers::{minted::operator, raw::rpcs},
    support::{Caller, reader, scope_missing, strings},
};

/// The names in every list that the caller may ask for, list by list.
async fn listed(caller: &mut Caller) -> Vec<(&'static str, Vec<String>)> {
    let (admin, parent) = (&mut caller.admin, "workspaces/acme".to_owned());
    let policies = admin.list_policies(proto::ListPoliciesRequest::default()).await.unwrap();
    let workspaces = admin.list_workspaces(proto::ListWorkspacesRequest::default()).await.unwrap();
    let request = proto::ListPrincipalsRequest { parent: parent.clone(), ..Default::default() };
    let principals = admin.list_principals(request).await.unwrap();
    let request = proto::ListKeysRequest { parent: parent.clone(), ..Default::default() };
    let keys = admin.list_keys(request).await.unwrap();
    let request = proto::ListEventsRequest { parent, ..Default::default() };
    let events = admin.list_events(request).await.unwrap();
    vec![
        ("ListPolicies", policies.into_inner().policies.into_iter().map(|it| it.name).collect()),
        (
            "ListWorkspaces",
            workspaces.into_inner().workspaces.into_iter().map(|it| it.name).collect(),
        ),
        (
            "ListPrincipals",
            principals.into_inner().principals.into_iter().map(|it| it.name).collect(),
        ),
        ("ListKeys", keys.into_inner().keys.into_iter().map(|it| it.name).collect()),
        ("ListEvents", events.into_inner().events.into_iter().map(|it| it.subject).collect()),
    ]
}

#[tokio::test]
async fn every_list_of_a_bound_caller_shows_its_own_workspace_alone() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let mut bound = world.server.caller_with(Some(&secret)).await;
    let seen = listed(&mut bound).await;
    let own = |texts: &[&str]| strings(texts);
    let principal = "workspaces/acme/principals/twin";
    let key = "workspaces/acme/keys/twin";
    let expected = vec![
        ("ListPolicies", own(&[])),
        ("ListWorkspaces", own(&["workspaces/acme"])),
        ("ListPrincipals", own(&[principal])),
        ("ListKeys", own(&[key])),
        ("ListEvents", own(&["workspaces/acme", principal, key])),
    ];
    assert_eq!(seen, expected);
    let mut lists: Vec<String> = rpcs().into_iter().map(|rpc| rpc.method).collect();
    lists.retain(|method| method.starts_with("List"));
    lists.sort();
    let mut tried: Vec<&str> = expected.iter().map(|(method, _)| *method).collect();
    tried.sort_unstable();
    assert_eq!(tried, lists, "every list is tried");
}

#[tokio::test]
async fn an_unbound_caller_sees_what_a_bound_one_does_not() {
    let mut world = World::new().await;
    let seen = listed(&mut world.root).await;
    assert_eq!(seen[0].1, ["policies/acme", "policies/system"]);
    let workspaces =
        ["workspaces/acme", "workspaces/acme2", "workspaces/other", "workspaces/system"];
    assert_eq!(seen[1].1, workspaces);
}

#[tokio::test]
async fn a_bound_caller_may_not_ask_for_the_events_of_all() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let mut bound = world.server.caller_with(Some(&secret)).await;
    scope_missing(bound.admin.list_events(proto::ListEventsRequest::default()).await);
}

#[tokio::test]
async fn a_filter_shows_no_event_of_another_workspace() {
    let mut world = World::new().await;
    let secret = world.bound(&["workspaces/acme"]).await;
    let mut bound = world.server.caller_with(Some(&secret)).await;
    let filter = |subject: &str| proto::ListEventsRequest {
        parent: "workspaces/acme".to_owned(),
        subject: subject.to_owned(),
        ..Default::default()
    };
    let foreign = bound.admin.list_events(filter("workspaces/other/keys/twin")).await.unwrap();
    assert_eq!(foreign.into_inner().events, []);
    let own = bound.admin.list_events(filter("workspaces/acme/keys/twin")).await.unwrap();
    assert_eq!(own.into_inner().events.len(), 1);
}

#[tokio::test]
async fn a_page_token_of_one_workspace_opens_no_other() {
    let mut world = World::new().await;
    let request = |parent: &str, page_token: String| proto::ListKeysRequest {
        parent: parent.to_owned(),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let page = world.root.admin.list_keys(request("workspaces/other", String::new())).await;
    let token = page.unwrap().into_inner().next_page_token;
    assert!(!token.is_empty());
    let swapped = world.root.admin.list_keys(request("workspaces/acme", token)).await;
    assert_eq!(crate::support::wrong_fields(swapped), ["page_token"]);
}

#[tokio::test]
async fn a_caller_that_reaches_one_key_is_shown_that_key_alone() {
    let mut world = World::new().await;
    world.root.create_key("acme", "hidden", reader()).await;
    let grants = ["workspaces/acme", "workspaces/acme/keys/twin"].map(|resource| proto::Grant {
        scope: "keys:read".to_owned(),
        resource: resource.to_owned(),
    });
    let key = proto::Key { grants: grants.to_vec(), ..operator() };
    let secret = world.root.create_key("system", "", key).await.secret;
    let mut narrow = world.server.caller_with(Some(&secret)).await;
    let request =
        proto::ListKeysRequest { parent: "workspaces/acme".to_owned(), ..Default::default() };
    let keys = narrow.admin.list_keys(request).await.unwrap().into_inner().keys;
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, [format!("workspaces/acme/keys/{TWIN}")]);
}

//! Requests that name two workspaces, or a list and a place in another one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward::proto::{
    self, CreateKeyRequest, ListEventsRequest, ListKeysRequest, ListWorkspacesRequest,
};
use prost::Message as _;
use tonic::{Code, Status};

use crate::{
    minted::operator,
    on_each_database,
    record::same,
    support::{Caller, not_found, reader, refused, strings, wrong_fields},
    world::{Kind, OTHER, OWN, TWIN, World},
};

on_each_database![
    where_two_workspaces_are_named_the_callers_own_opens_no_other,
    a_name_within_a_resource_moves_it_nowhere,
    a_page_token_opens_nothing_that_its_bearer_does_not_reach,
    nothing_that_is_listed_tells_of_another_tenant,
];

async fn bound(world: &mut World) -> Caller {
    let key = proto::Key { constraint: strings(&["workspaces/acme"]), ..operator() };
    let secret = world.mint(key).await;
    Caller::on(world.plain.clone(), Some(&secret))
}

fn principal(workspace: &str, id: &str) -> String {
    format!("workspaces/{workspace}/principals/{id}")
}

fn key(workspace: &str, id: &str) -> String {
    format!("workspaces/{workspace}/keys/{id}")
}

/// A request that is refused alike whether what it names in the other workspace is there or not.
async fn alike<T: std::fmt::Debug>(
    what: &str,
    call: impl AsyncFn(&str) -> Result<tonic::Response<T>, Status>,
) {
    // As long as each other, so that nothing but the name differs.
    let [there, absent] = [call(TWIN).await, call("none").await].map(Result::unwrap_err);
    assert_ne!(there.code(), Code::Ok, "{what}");
    let without = |status: &Status, id: &str| status.message().replace(id, "ID");
    assert_eq!(there.code(), absent.code(), "{what}");
    assert_eq!(without(&there, TWIN), without(&absent, "none"), "{what}");
    let details =
        |status: &Status, id: &str| String::from_utf8_lossy(status.details()).replace(id, "ID");
    assert_eq!(details(&there, TWIN), details(&absent, "none"), "{what}");
}

async fn where_two_workspaces_are_named_the_callers_own_opens_no_other(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let bound = bound(&mut world).await;
    let before = world.record().await;
    let own = || format!("workspaces/{OWN}");
    let creation =
        |key: proto::Key| CreateKeyRequest { parent: own(), key: Some(key), ..Default::default() };
    alike("an owner", async |id| {
        let owned = proto::Key { principal: principal(OTHER, id), ..reader() };
        bound.clone().admin.create_key(creation(owned)).await
    })
    .await;
    alike("a minting key", async |id| {
        let minting_key = key(OTHER, id);
        bound.clone().admin.create_key(CreateKeyRequest { minting_key, ..creation(reader()) }).await
    })
    .await;
    alike("a key of several", async |id| {
        let one = CreateKeyRequest {
            parent: String::new(),
            minting_key: key(OTHER, id),
            ..creation(reader())
        };
        let requests = vec![CreateKeyRequest { parent: String::new(), ..creation(reader()) }, one];
        let all = proto::BatchCreateKeysRequest { parent: own(), requests, ..Default::default() };
        bound.clone().admin.batch_create_keys(all).await
    })
    .await;
    alike("a key to end", async |id| {
        let names = vec![key(OWN, TWIN), key(OTHER, id)];
        let all = proto::BatchRevokeKeysRequest { parent: own(), names, ..Default::default() };
        bound.clone().admin.batch_revoke_keys(all).await
    })
    .await;
    alike("a list by owner", async |id| {
        let list = ListKeysRequest {
            parent: own(),
            principal: principal(OTHER, id),
            ..Default::default()
        };
        bound.clone().admin.list_keys(list).await
    })
    .await;
    alike("an owner of a key that is there", async |id| {
        let changed = proto::Key {
            name: key(OWN, TWIN),
            principal: principal(OTHER, id),
            ..Default::default()
        };
        let update = proto::UpdateKeyRequest { key: Some(changed), ..Default::default() };
        bound.clone().admin.update_key(update).await
    })
    .await;
    let mut caller = bound.clone();
    let inner = CreateKeyRequest { parent: format!("workspaces/{OTHER}"), ..creation(reader()) };
    let all = proto::BatchCreateKeysRequest {
        parent: own(),
        requests: vec![inner],
        ..Default::default()
    };
    assert_eq!(wrong_fields(caller.admin.batch_create_keys(all).await), ["requests[0].parent"]);
    let suspend =
        proto::SuspendWorkspaceRequest { name: "workspaces/system".into(), ..Default::default() };
    not_found(caller.admin.suspend_workspace(suspend).await);
    same(&before, &world.record().await, "a caller that named two workspaces");
}

async fn a_name_within_a_resource_moves_it_nowhere(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let mut bound = bound(&mut world).await;
    let theirs = proto::GetKeyRequest { name: key(OTHER, TWIN) };
    let before = world.root.admin.get_key(theirs.clone()).await.unwrap().into_inner();
    let named = proto::Key { name: key(OTHER, TWIN), ..reader() };
    let request = CreateKeyRequest {
        parent: format!("workspaces/{OWN}"),
        key: Some(named),
        ..Default::default()
    };
    let made = bound.admin.create_key(request).await.unwrap().into_inner().key.unwrap();
    assert!(made.name.starts_with("workspaces/acme/keys/"), "{}", made.name);
    let owner = proto::Principal {
        name: principal(OTHER, TWIN),
        kind: proto::PrincipalKind::User.into(),
        role: "owner".to_owned(),
        ..Default::default()
    };
    let request = proto::CreatePrincipalRequest {
        parent: format!("workspaces/{OWN}"),
        principal_id: "eve".to_owned(),
        principal: Some(owner),
        ..Default::default()
    };
    let made = bound.admin.create_principal(request).await.unwrap().into_inner().principal.unwrap();
    assert_eq!(made.name, principal(OWN, "eve"));
    for paths in
        [vec!["name"], vec!["key_type"], vec!["principal"], vec!["*", "name"], vec!["key.name"]]
    {
        let mask = prost_types::FieldMask { paths: strings(&paths) };
        let changed = proto::Key { name: key(OWN, TWIN), ..reader() };
        let update = proto::UpdateKeyRequest {
            key: Some(changed),
            update_mask: Some(mask),
            ..Default::default()
        };
        refused(bound.admin.update_key(update).await, Code::InvalidArgument, "INVALID_FIELDS");
    }
    assert_eq!(world.root.admin.get_key(theirs).await.unwrap().into_inner(), before);
}

async fn a_page_token_opens_nothing_that_its_bearer_does_not_reach(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let mut bound = bound(&mut world).await;
    let workspaces =
        |token: &str| ListWorkspacesRequest { page_size: 1, page_token: token.to_owned() };
    // That of root, after `acme`: the next would be `rival`.
    let page = world.root.admin.list_workspaces(workspaces("")).await.unwrap().into_inner();
    assert_eq!(page.workspaces[0].name, "workspaces/acme");
    let after = page.next_page_token;
    let seen = bound.admin.list_workspaces(workspaces(&after)).await.unwrap().into_inner();
    assert_eq!((seen.workspaces, seen.next_page_token.as_str()), (vec![], ""));
    let first = bound.admin.list_workspaces(workspaces("")).await.unwrap().into_inner();
    assert_eq!(
        (first.workspaces.len(), first.next_page_token.as_str()),
        (1, ""),
        "it tells not even of a next one"
    );
    // One of another list, and those that are made up.
    let keys = |parent: &str, token: &str| ListKeysRequest {
        parent: format!("workspaces/{parent}"),
        page_size: 1,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let theirs =
        world.root.admin.list_keys(keys(OTHER, "")).await.unwrap().into_inner().next_page_token;
    assert_eq!(wrong_fields(bound.admin.list_keys(keys(OWN, &theirs)).await), ["page_token"]);
    not_found(bound.admin.list_keys(keys(OTHER, &theirs)).await);
    let own = bound.admin.list_keys(keys(OWN, "")).await.unwrap().into_inner().next_page_token;
    let [own_read, their_read] = [&own, &theirs].map(|token| {
        serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(token).unwrap())
            .unwrap()
    });
    let forged = serde_json::json!({ "query": own_read["query"], "after": their_read["after"] });
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    let seen = bound.admin.list_keys(keys(OWN, &forged)).await.unwrap().into_inner();
    assert!(seen.keys.iter().all(|key| key.name.starts_with("workspaces/acme/keys/")), "{seen:?}");
    let events = |parent: &str, token: &str| ListEventsRequest {
        parent: parent.to_owned(),
        page_size: 1,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let all =
        world.root.admin.list_events(events("", "")).await.unwrap().into_inner().next_page_token;
    assert_eq!(
        wrong_fields(bound.admin.list_events(events("workspaces/acme", &all)).await),
        ["page_token"]
    );
    refused(
        bound.admin.list_events(events("", &all)).await,
        Code::PermissionDenied,
        "CALLER_SCOPE_MISSING",
    );
}

async fn nothing_that_is_listed_tells_of_another_tenant(kind: Kind) {
    let mut world = World::furnished(kind).await;
    // Something of every kind happens to both.
    for row in crate::rows::rows().into_iter().filter(|row| row.scope.is_some()) {
        for target in crate::world::Target::BOTH {
            let workspace = format!("new-{}-{}", target.id(), row.method().to_lowercase());
            let about = world.once(&row, target, &workspace).await;
            let headers = crate::raw::bearer(&world.server.root_secret);
            crate::world::ask(&world.plain, headers, &row, &about).await;
            world.undo(&row, target).await;
        }
    }
    let mut bound = bound(&mut world).await;
    let parent = || format!("workspaces/{OWN}");
    let mut told = Vec::new();
    let list = proto::ListPrincipalsRequest { parent: parent(), ..Default::default() };
    told.push(bound.admin.list_principals(list).await.unwrap().into_inner().encode_to_vec());
    let states = vec![1, 2, 3];
    let list = ListKeysRequest { parent: parent(), states, page_size: 1_000, ..Default::default() };
    told.push(bound.admin.list_keys(list).await.unwrap().into_inner().encode_to_vec());
    let list = ListEventsRequest { parent: parent(), page_size: 1_000, ..Default::default() };
    let events = bound.admin.list_events(list.clone()).await.unwrap().into_inner();
    assert!(events.events.len() > 10, "{}", events.events.len());
    told.push(events.encode_to_vec());
    for filter in [
        ListEventsRequest { subject: key(OTHER, TWIN), ..list.clone() },
        ListEventsRequest { subject: format!("policies/{OTHER}"), ..list.clone() },
        ListEventsRequest { subject: format!("workspaces/{OTHER}"), ..list },
    ] {
        let found = bound.admin.list_events(filter).await.unwrap().into_inner();
        assert_eq!((found.events, found.next_page_token.as_str()), (vec![], ""));
    }
    let start_time = Some(prost_types::Timestamp { seconds: 1_000_000_000, nanos: 0 });
    let end_time = Some(prost_types::Timestamp { seconds: 1_000_086_400, nanos: 0 });
    let usage =
        proto::GetUsageRequest { name: parent(), start_time, end_time, ..Default::default() };
    told.push(bound.admin.get_usage(usage).await.unwrap().into_inner().encode_to_vec());
    for list in told {
        assert!(!String::from_utf8_lossy(&list).contains(OTHER), "it tells of {OTHER}");
    }
}

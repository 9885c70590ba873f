//! `ListEvents`: the log of changes.

mod whole;

use std::collections::HashSet;

use keyward::proto::{self, EventKind, ListEventsRequest, ListWorkspacesRequest};
use serde_json::{Value, json};

use crate::support::{
    Caller, Server, not_found, policy, reader, request_id, scope_missing, wrong_fields,
};

const ACME: &str = "workspaces/acme";
const ROOT: &str = "workspaces/system/keys/bootstrap";

async fn page(caller: &mut Caller, request: ListEventsRequest) -> (Vec<proto::Event>, String) {
    let answer = caller.admin.list_events(request).await.unwrap().into_inner();
    (answer.events, answer.next_page_token)
}

/// The events that fit, which are few enough for one page.
async fn events(caller: &mut Caller, request: ListEventsRequest) -> Vec<proto::Event> {
    let (events, token) = page(caller, ListEventsRequest { page_size: 1_000, ..request }).await;
    assert_eq!(token, "");
    events
}

async fn all(caller: &mut Caller) -> Vec<proto::Event> {
    events(caller, ListEventsRequest::default()).await
}

fn revisions(events: &[proto::Event]) -> Vec<i64> {
    events.iter().map(|event| event.revision).collect()
}

/// The revisions of those events for which `fits` holds: some, and not all.
#[track_caller]
fn some(events: &[proto::Event], fits: impl Fn(&proto::Event) -> bool) -> Vec<i64> {
    let fitting = events.iter().filter(|event| fits(event));
    let some: Vec<_> = fitting.map(|event| event.revision).collect();
    assert!(!some.is_empty() && some.len() < events.len());
    some
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

async fn retitle(root: &mut Caller, title: &str, request_id: &str) -> proto::Workspace {
    let workspace =
        proto::Workspace { name: ACME.into(), display_name: title.into(), ..Default::default() };
    let request = proto::UpdateWorkspaceRequest {
        workspace: Some(workspace),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    root.admin.update_workspace(request).await.unwrap().into_inner().workspace.unwrap()
}

/// A server whose log has events of every kind that is written, and the secrets it gave.
async fn with_history() -> (Server, Caller, Vec<String>) {
    let (server, mut root) = Server::with_workspaces().await;
    let named = |name: &str| name.to_owned();
    let wider = proto::Policy { name: "policies/acme".into(), hide_existence: true, ..policy() };
    let update = proto::UpdatePolicyRequest { policy: Some(wider), ..Default::default() };
    root.admin.update_policy(update).await.unwrap();
    retitle(&mut root, "Acme", "").await;
    let name = named(ACME);
    let suspend = proto::SuspendWorkspaceRequest { name: name.clone(), ..Default::default() };
    root.admin.suspend_workspace(suspend).await.unwrap();
    let resume = proto::ResumeWorkspaceRequest { name, ..Default::default() };
    root.admin.resume_workspace(resume).await.unwrap();
    let ada = root.create_principal("acme", "ada", "observer").await;
    let name = ada.name;
    let lift = proto::Principal { name: name.clone(), role: "owner".into(), ..Default::default() };
    let update = proto::UpdatePrincipalRequest { principal: Some(lift), ..Default::default() };
    root.admin.update_principal(update).await.unwrap();
    let disable = proto::DisablePrincipalRequest { name: name.clone(), ..Default::default() };
    root.admin.disable_principal(disable).await.unwrap();
    let enable = proto::EnablePrincipalRequest { name, ..Default::default() };
    root.admin.enable_principal(enable).await.unwrap();
    let made = root.create_key("acme", "ci", reader()).await;
    let name = made.key.unwrap().name;
    let key = proto::Key { name: name.clone(), display_name: "ci".into(), ..Default::default() };
    let update = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
    root.admin.update_key(update).await.unwrap();
    let rotate = proto::RotateKeyRequest { name: name.clone(), ..Default::default() };
    let rotated = root.admin.rotate_key(rotate).await.unwrap().into_inner();
    let revoke = proto::RevokeKeyRequest { name, ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    root.create_key("other", "ci", reader()).await;
    let bob = root.create_principal("acme", "bob", "observer").await;
    let delete = proto::DeletePrincipalRequest { name: bob.name, ..Default::default() };
    root.admin.delete_principal(delete).await.unwrap();
    let secrets = vec![server.root_secret.clone(), made.secret, rotated.secret];
    (server, root, secrets)
}

#[tokio::test]
async fn an_event_tells_who_changed_what_from_what_to_what() {
    let (_server, mut root) = Server::with_workspaces().await;
    let before = retitle(&mut root, "before", "").await;
    let request_id = request_id();
    let after = retitle(&mut root, "after", &request_id).await;
    let log = all(&mut root).await;
    let event = log.last().unwrap();
    assert_eq!((event.revision, event.create_time), (after.revision, after.update_time));
    assert_eq!((event.actor.as_str(), event.subject.as_str()), (ROOT, ACME));
    assert_eq!((event.kind(), event.workspace.as_str()), (EventKind::WorkspaceUpdated, ACME));
    assert_eq!(event.request_id, request_id);
    let record = |title: &str| {
        json!({
            "name": ACME,
            "title": title,
            "policy": "policies/acme",
            "plan": "",
            "suspended": false,
        })
    };
    assert_eq!(parsed(&event.before_json), record("before"));
    assert_eq!(parsed(&event.after_json), record("after"));
    let earlier = &log[log.len() - 2];
    assert_eq!((earlier.revision, earlier.request_id.as_str()), (before.revision, ""));
    assert_eq!(earlier.after_json, event.before_json);
}

#[tokio::test]
async fn the_log_begins_with_the_bootstrap_and_has_every_change_once_and_no_secret() {
    let (_server, mut root, secrets) = with_history().await;
    let log = all(&mut root).await;
    assert_eq!(revisions(&log), (1..=log.last().unwrap().revision).collect::<Vec<_>>());
    let first: Vec<_> = log.iter().map(|event| (event.kind(), event.subject.as_str())).collect();
    assert_eq!(
        first[..3],
        [
            (EventKind::PolicyCreated, "policies/system"),
            (EventKind::WorkspaceCreated, "workspaces/system"),
            (EventKind::KeyCreated, ROOT),
        ]
    );
    assert!(log.iter().all(|event| (event.actor == "bootstrap") == (event.revision <= 3)));
    let kinds: HashSet<_> = log.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, (1..=15).collect());
    for event in &log {
        let made = event.kind().as_str_name().ends_with("_CREATED");
        assert_eq!(event.before_json.is_empty(), made, "{event:?}");
        match event.kind() {
            EventKind::PrincipalDeleted => assert_eq!(event.after_json, "", "{event:?}"),
            _ => assert!(parsed(&event.after_json).is_object(), "{event:?}"),
        }
        let of_policy = event.subject.starts_with("policies/");
        assert_eq!(event.workspace.is_empty(), of_policy, "{event:?}");
        let text = format!("{event:?}");
        for secret in &secrets {
            let random = secret.rsplit('_').next().unwrap();
            assert!(!text.contains(&random[1..33]), "the log has a secret: {text}");
        }
    }
}

/// SHA-256 over the fields in order, each preceded by its length as eight bytes.
fn hash(event: &proto::Event) -> Vec<u8> {
    let time = event.create_time.unwrap();
    let micros = time.seconds * 1_000_000 + i64::from(time.nanos / 1_000);
    let kind = event.kind().as_str_name().replace("EVENT_KIND_", "").to_lowercase();
    let fields: [&[u8]; 11] = [
        b"keyward event v1",
        &event.revision.to_be_bytes(),
        &micros.to_be_bytes(),
        event.actor.as_bytes(),
        &kind.replace('_', ".").into_bytes(),
        event.subject.as_bytes(),
        event.workspace.trim_start_matches("workspaces/").as_bytes(),
        event.before_json.as_bytes(),
        event.after_json.as_bytes(),
        event.request_id.as_bytes(),
        &event.previous_hash,
    ];
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for field in fields {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field);
    }
    context.finish().as_ref().to_vec()
}

#[tokio::test]
async fn whoever_reads_the_log_can_recompute_its_chain() {
    let (_server, mut root, _) = with_history().await;
    retitle(&mut root, "\u{1F511} \"quoted\" \\ Ame\u{301}lie", &request_id()).await;
    let mut previous = vec![0; 32];
    for event in all(&mut root).await {
        assert_eq!(event.previous_hash, previous, "{event:?}");
        assert_eq!(event.hash, hash(&event), "{event:?}");
        previous = event.hash;
    }
}

#[tokio::test]
async fn a_filter_gives_what_fits_and_nothing_else() {
    let (server, mut root, _) = with_history().await;
    let mut ops = server.caller(&["workspaces:write"], &[]).await;
    retitle(&mut ops, "by another", "").await;
    let log = all(&mut root).await;
    let ops = log.last().unwrap().actor.clone();
    let of = |filter| async { revisions(&events(&mut root.clone(), filter).await) };
    let base = ListEventsRequest::default;
    let workspace = ListEventsRequest { parent: ACME.into(), ..base() };
    assert_eq!(of(workspace).await, some(&log, |event| event.workspace == ACME));
    let subject = ListEventsRequest { subject: ACME.into(), ..base() };
    assert_eq!(of(subject).await, some(&log, |event| event.subject == ACME));
    let subject = ListEventsRequest { subject: "policies/acme".into(), ..base() };
    assert_eq!(of(subject).await.len(), 2);
    for actor in [&*ops, ROOT, "bootstrap"] {
        let filter = ListEventsRequest { actor: actor.into(), ..base() };
        assert_eq!(of(filter).await, some(&log, |event| event.actor == actor), "{actor}");
    }
    for kind in 1..=15 {
        let filter = ListEventsRequest { kinds: vec![kind], ..base() };
        assert_eq!(of(filter).await, some(&log, |event| event.kind == kind), "{kind}");
    }
    let kinds = vec![EventKind::KeyRotated.into(), EventKind::PolicyUpdated.into()];
    let filter = ListEventsRequest { kinds: kinds.clone(), ..base() };
    assert_eq!(of(filter).await, some(&log, |event| kinds.contains(&event.kind)));
    let filter = ListEventsRequest { parent: ACME.into(), actor: ops, kinds, ..base() };
    assert_eq!(of(filter).await, [0; 0]);
    for text in ["workspaces/acm", "workspaces/acme/", "WORKSPACES/ACME", "%", "workspaces/%"] {
        let filter = ListEventsRequest { subject: text.into(), ..base() };
        assert_eq!(of(filter).await, [0; 0], "{text}");
        let filter = ListEventsRequest { actor: text.into(), ..base() };
        assert_eq!(of(filter).await, [0; 0], "{text}");
    }
}

#[tokio::test]
async fn times_bound_the_list_from_the_first_on_and_before_the_last() {
    let (_server, mut root, _) = with_history().await;
    let log = all(&mut root).await;
    let time = |event: &proto::Event| event.create_time.unwrap();
    let key = |time: prost_types::Timestamp| (time.seconds, time.nanos);
    let (from, until) = (time(&log[4]), time(&log[9]));
    let of = |start_time, end_time| {
        let request = ListEventsRequest { start_time, end_time, ..Default::default() };
        let mut root = root.clone();
        async move { revisions(&events(&mut root, request).await) }
    };
    let since = some(&log, |event| key(time(event)) >= key(from));
    assert_eq!(of(Some(from), None).await, since);
    assert!(since.contains(&log[4].revision));
    let before = some(&log, |event| key(time(event)) < key(until));
    assert_eq!(of(None, Some(until)).await, before);
    assert!(!before.contains(&log[9].revision));
    let between: Vec<_> = since.into_iter().filter(|number| before.contains(number)).collect();
    assert_eq!(of(Some(from), Some(until)).await, between);
    assert_eq!(of(Some(until), Some(from)).await, [0; 0]);
    let (first, last) = (i64::MIN, i64::MAX);
    let extreme = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    assert_eq!(of(extreme(first), extreme(last)).await.len(), log.len());
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition_while_the_log_grows() {
    let (_server, mut root, _) = with_history().await;
    let filter = |page_token: String| ListEventsRequest {
        parent: ACME.into(),
        page_size: 3,
        page_token,
        ..Default::default()
    };
    let (mut read, mut token) = page(&mut root, filter(String::new())).await;
    assert_eq!(read.len(), 3);
    retitle(&mut root, "meanwhile", "").await;
    root.create_workspace("elsewhere", "policies/acme").await;
    while !token.is_empty() {
        let (next, after) = page(&mut root, filter(token)).await;
        read.extend(next);
        token = after;
    }
    let whole = ListEventsRequest { page_token: String::new(), ..filter(String::new()) };
    assert_eq!(read, events(&mut root, whole).await);
    assert_eq!(read.last().unwrap().kind(), EventKind::WorkspaceUpdated);
}

#[tokio::test]
async fn fifty_are_on_a_page_where_nothing_is_said() {
    let (_server, mut root) = Server::with_workspaces().await;
    for number in 0..50 {
        retitle(&mut root, &format!("{number}"), "").await;
    }
    let (first, token) = page(&mut root, ListEventsRequest::default()).await;
    assert_eq!(revisions(&first), (1..=50).collect::<Vec<_>>());
    let next = ListEventsRequest { page_token: token, ..Default::default() };
    assert_eq!(page(&mut root, next).await.0[0].revision, 51);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let bad = ListEventsRequest {
        parent: "acme".into(),
        page_size: -1,
        page_token: "garbage".into(),
        kinds: vec![0, EventKind::KeyCreated.into(), 99],
        ..Default::default()
    };
    assert_eq!(
        wrong_fields(root.admin.list_events(bad).await),
        ["parent", "kinds[0]", "kinds[2]", "page_size", "page_token"]
    );
    let mut kinds = vec![EventKind::KeyRevoked.into(); 100];
    kinds.push(EventKind::PolicyCreated.into());
    let many = ListEventsRequest { kinds, ..Default::default() };
    assert_eq!(wrong_fields(root.admin.list_events(many).await), ["kinds"]);
}

#[tokio::test]
async fn a_token_of_another_query_is_refused() {
    let (_server, mut root) = Server::with_workspaces().await;
    let asked = ListEventsRequest { page_size: 1, ..Default::default() };
    let page_token = page(&mut root, asked.clone()).await.1;
    let same = ListEventsRequest { page_token, page_size: 2, ..asked };
    assert_eq!(page(&mut root, same.clone()).await.0.len(), 2);
    let others: [fn(&mut ListEventsRequest); 5] = [
        |other| other.parent = ACME.into(),
        |other| other.subject = ACME.into(),
        |other| other.actor = ROOT.into(),
        |other| other.kinds = vec![EventKind::KeyCreated.into()],
        |other| other.end_time = Some(prost_types::Timestamp { seconds: 9, nanos: 0 }),
    ];
    for change in others {
        let mut other = same.clone();
        change(&mut other);
        assert_eq!(wrong_fields(root.admin.list_events(other).await), ["page_token"]);
    }
    let list = ListWorkspacesRequest { page_size: 1, ..Default::default() };
    let page_token = root.admin.list_workspaces(list).await.unwrap().into_inner().next_page_token;
    let foreign = ListEventsRequest { page_token, ..same };
    assert_eq!(wrong_fields(root.admin.list_events(foreign).await), ["page_token"]);
}

#[tokio::test]
async fn a_bound_caller_reads_the_events_of_its_workspace_and_no_others() {
    let (server, mut root, _) = with_history().await;
    let mut bound = server.caller(&["events:read"], &[ACME]).await;
    let own = ListEventsRequest { parent: ACME.into(), ..Default::default() };
    let read = events(&mut bound, own.clone()).await;
    assert_eq!(read, events(&mut root, own.clone()).await);
    assert!(read.iter().all(|event| event.workspace == ACME));
    scope_missing(bound.admin.list_events(ListEventsRequest::default()).await);
    let subject = ListEventsRequest { subject: "workspaces/other".into(), ..Default::default() };
    scope_missing(bound.admin.list_events(subject.clone()).await);
    let subject = ListEventsRequest { parent: ACME.into(), ..subject };
    assert_eq!(events(&mut bound, subject).await, []);
    for parent in ["workspaces/other", "workspaces/system", "workspaces/nothing"] {
        let other = ListEventsRequest { parent: parent.into(), ..own.clone() };
        not_found(bound.admin.list_events(other).await);
    }
    let nothing = ListEventsRequest { parent: "workspaces/nothing".into(), ..own };
    not_found(root.admin.list_events(nothing).await);
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let server = Server::start().await;
    let mut other = server.caller(&["keys:write", "usage:read", "policies:write"], &[]).await;
    let bad = ListEventsRequest { parent: "acme".into(), page_size: -1, ..Default::default() };
    scope_missing(other.admin.list_events(bad).await);
    scope_missing(other.admin.list_events(ListEventsRequest::default()).await);
}

//! Reads a whole deployment back.

use std::collections::BTreeMap;

use keyward::proto::{self, DenyReason, KeyState, PrincipalState, WorkspaceState};
use prost_types::Timestamp;

use crate::{
    caller::Caller,
    ledger::{Answer, Ledger, Record},
};

/// More than any list here has; the server gives as many as it will.
const PAGE_SIZE: i32 = 1_000;

/// The events after a revision.
pub(crate) async fn events(caller: &mut Caller, since: &Since) -> Vec<proto::Event> {
    let mut request = proto::ListEventsRequest {
        page_size: PAGE_SIZE,
        start_time: since.time,
        ..Default::default()
    };
    let mut events = Vec::new();
    loop {
        let page = caller.admin.list_events(request.clone()).await.unwrap().into_inner();
        events.extend(page.events.into_iter().filter(|event| event.revision > since.revision));
        if page.next_page_token.is_empty() {
            return events;
        }
        request.page_token = page.next_page_token;
    }
}

/// An event, after which others are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Since {
    pub(crate) revision: i64,
    /// The oldest time that a later event may have. None: any.
    pub(crate) time: Option<Timestamp>,
}

/// Every record but what is built in, by its name.
pub(crate) async fn records(caller: &mut Caller, clients: usize) -> BTreeMap<String, Record> {
    let mut found = BTreeMap::new();
    let request = proto::ListPoliciesRequest { page_size: PAGE_SIZE, ..Default::default() };
    let policies = caller.admin.list_policies(request).await.unwrap().into_inner();
    for policy in policies.policies {
        let proto::Policy { name, display_name: title, revision, .. } = policy;
        found.insert(name, Record { revision, title, ..Record::default() });
    }
    let request = proto::ListWorkspacesRequest { page_size: PAGE_SIZE, ..Default::default() };
    let workspaces = caller.admin.list_workspaces(request).await.unwrap().into_inner();
    assert!(workspaces.next_page_token.is_empty() && policies.next_page_token.is_empty());
    for workspace in workspaces.workspaces {
        let is_off = workspace.state() == WorkspaceState::Suspended;
        let proto::Workspace { name, display_name: title, revision, .. } = workspace;
        found.insert(name, Record { revision, title, is_off, ..Record::default() });
    }
    for client in 0..clients {
        let parent = format!("workspaces/w{client}");
        principals(caller, &parent, &mut found).await;
        keys(caller, &parent, &mut found).await;
    }
    found.retain(|name, _| !matches!(&**name, "policies/system" | "workspaces/system"));
    found
}

async fn principals(caller: &mut Caller, parent: &str, found: &mut BTreeMap<String, Record>) {
    let parent = parent.to_owned();
    let request =
        proto::ListPrincipalsRequest { parent, page_size: PAGE_SIZE, ..Default::default() };
    let page = caller.admin.list_principals(request).await.unwrap().into_inner();
    assert!(page.next_page_token.is_empty());
    for principal in page.principals {
        let is_off = principal.state() == PrincipalState::Disabled;
        let proto::Principal { name, display_name: title, revision, .. } = principal;
        found.insert(name, Record { revision, title, is_off, ..Record::default() });
    }
}

async fn keys(caller: &mut Caller, parent: &str, found: &mut BTreeMap<String, Record>) {
    let states = [KeyState::Active, KeyState::Revoked].map(i32::from).to_vec();
    let parent = parent.to_owned();
    let request =
        proto::ListKeysRequest { parent, states, page_size: PAGE_SIZE, ..Default::default() };
    let page = caller.admin.list_keys(request).await.unwrap().into_inner();
    assert!(page.next_page_token.is_empty());
    for key in page.keys {
        let is_off = key.state() == KeyState::Revoked;
        let proto::Key { name, display_name: title, principal: owner, secrets, revision, .. } = key;
        let live_secrets = secrets.len();
        found.insert(name, Record { revision, title, is_off, owner, live_secrets });
    }
}

/// What the secrets that clients hold are answered: those of keys that changed after a
/// revision.
pub(crate) async fn answers(caller: &mut Caller, ledger: &Ledger, since: i64) -> Vec<Answer> {
    let mut answers = Vec::new();
    let changed = ledger.secrets.iter().filter(|(key, _)| ledger.records[*key].revision > since);
    for (key, secrets) in changed {
        let known = secrets.iter().enumerate();
        for (place, secret) in known.filter_map(|(place, secret)| Some((place, secret.clone()?))) {
            let required_scopes = vec!["read".to_owned()];
            let request =
                proto::IntrospectRequest { secret, required_scopes, ..Default::default() };
            let answer = caller.introspect.introspect(request).await.unwrap().into_inner();
            let reason = answer.reason();
            assert_eq!(
                answer.decision() == proto::Decision::Allow,
                reason == DenyReason::Unspecified
            );
            answers.push(Answer { key: key.clone(), place, reason });
        }
    }
    answers
}

/// Each key that changed after a revision reads by its name as it does in the list.
pub(crate) async fn read_back(caller: &mut Caller, ledger: &Ledger, since: i64) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, record) in ledger
        .records
        .iter()
        .filter(|(name, record)| record.revision > since && name.contains("/keys/"))
    {
        let request = proto::GetKeyRequest { name: name.clone() };
        let key = caller.admin.get_key(request).await;
        let same = key.as_ref().is_ok_and(|key| {
            let key = key.get_ref();
            key.revision == record.revision && key.display_name == record.title
        });
        if !same {
            faults.push(format!("{name}: expected {record:?}, got {key:?}"));
        }
    }
    faults
}

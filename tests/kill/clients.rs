//! Clients that change things at random, each in a workspace and policy of its own, so
//! that what each of them chooses does not hang on how fast the others are.

use std::sync::{Arc, Mutex};

use keyward::proto::{self, EventKind};
use prost_types::FieldMask;
use tokio::sync::mpsc::UnboundedSender;
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use crate::{
    caller::Caller,
    ledger::{Change, Ledger},
    random::Random,
};

/// What clients share: what they asked for, and what they were told.
pub(crate) type Shared = Arc<Mutex<Ledger>>;

pub(crate) struct Client {
    number: usize,
    random: Random,
    /// Of the next title and the next identifier.
    serial: usize,
    ledger: Shared,
}

impl Client {
    pub(crate) fn new(number: usize, seed: u64, ledger: Shared) -> Self {
        let random = Random::new(seed ^ (number as u64) << 56);
        Self { number, random, serial: 0, ledger }
    }

    fn workspace(&self) -> String {
        format!("workspaces/w{}", self.number)
    }

    fn policy(&self) -> String {
        format!("policies/p{}", self.number)
    }

    /// The policy and the workspace that all else is in.
    pub(crate) async fn prepare(&mut self, caller: &mut Caller) {
        for (kind, subject) in [
            (EventKind::PolicyCreated, self.policy()),
            (EventKind::WorkspaceCreated, self.workspace()),
        ] {
            let change = self.change(kind, subject);
            self.make(caller, &change).await.unwrap();
        }
    }

    /// Makes one change after another until the server is gone, and tells of each that
    /// was acknowledged.
    pub(crate) async fn run(&mut self, mut caller: Caller, told: UnboundedSender<()>) {
        loop {
            let change = self.choose();
            match self.make(&mut caller, &change).await {
                // Nobody listens any more once the kill is due.
                Ok(()) => _ = told.send(()),
                Err(status) if status.get_details_error_info().is_none() => return,
                Err(status) => panic!("{change:?} was refused: {status:?}"),
            }
        }
    }

    async fn make(&mut self, caller: &mut Caller, change: &Change) -> Result<(), Status> {
        self.ledger.lock().unwrap().send(change);
        let (revision, secret) = self.ask(caller, change.clone()).await?;
        let is_minted = matches!(change.kind, EventKind::KeyCreated | EventKind::KeyRotated);
        assert_eq!(secret.is_some(), is_minted, "{change:?}");
        self.ledger.lock().unwrap().acknowledge(change, revision, secret);
        Ok(())
    }

    fn change(&mut self, kind: EventKind, subject: String) -> Change {
        self.serial += 1;
        let gives_title = matches!(
            kind,
            EventKind::PolicyCreated
                | EventKind::PolicyUpdated
                | EventKind::WorkspaceCreated
                | EventKind::WorkspaceUpdated
                | EventKind::PrincipalCreated
                | EventKind::PrincipalUpdated
                | EventKind::KeyCreated
                | EventKind::KeyUpdated
        );
        let title = if gives_title { format!("title {}", self.serial) } else { String::new() };
        let id = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        let request_id = uuid::Builder::from_random_bytes(id.to_be_bytes()).into_uuid().to_string();
        Change { kind, subject, title, owner: String::new(), request_id }
    }

    /// The names of what this client made of a collection, by whether it is off.
    fn made(&self, collection: &str, is_off: Option<bool>) -> Vec<String> {
        let ledger = self.ledger.lock().unwrap();
        let prefix = format!("{}/{collection}/", self.workspace());
        let records = ledger.records.iter().filter(|(name, _)| name.starts_with(&prefix));
        let fitting = records.filter(|(_, record)| is_off.is_none_or(|off| record.is_off == off));
        fitting.map(|(name, _)| name.clone()).collect()
    }

    /// One of them; None where there is none.
    fn pick(&mut self, from: &[String]) -> Option<String> {
        (!from.is_empty()).then(|| from[self.random.below(from.len())].clone())
    }

    fn is_off(&self, name: &str) -> bool {
        self.ledger.lock().unwrap().records[name].is_off
    }

    fn choose(&mut self) -> Change {
        let (live, principals) = (self.made("keys", Some(false)), self.made("principals", None));
        let key = self.pick(&live);
        let principal = self.pick(&principals);
        let workspace = self.workspace();
        match (self.random.below(16), key, principal) {
            (0..=2, Some(key), _) => self.change(EventKind::KeyUpdated, key),
            (3..=5, Some(key), _) => self.change(EventKind::KeyRotated, key),
            (6, Some(key), _) => self.change(EventKind::KeyRevoked, key),
            (7, _, Some(principal)) => self.change(EventKind::PrincipalUpdated, principal),
            (8, _, Some(principal)) => {
                let kind = match self.is_off(&principal) {
                    true => EventKind::PrincipalEnabled,
                    false => EventKind::PrincipalDisabled,
                };
                self.change(kind, principal)
            }
            (9, _, _) => {
                let name = format!("{workspace}/principals/i{}", self.serial);
                self.change(EventKind::PrincipalCreated, name)
            }
            (10, _, _) => self.change(EventKind::WorkspaceUpdated, workspace),
            (11, _, _) => {
                let kind = match self.is_off(&workspace) {
                    true => EventKind::WorkspaceResumed,
                    false => EventKind::WorkspaceSuspended,
                };
                self.change(kind, workspace)
            }
            (12, _, _) => {
                let name = format!("{workspace}-{}", self.serial);
                self.change(EventKind::WorkspaceCreated, name)
            }
            (13, _, _) => self.change(EventKind::PolicyUpdated, self.policy()),
            _ => {
                let owners = self.made("principals", Some(false));
                let name = format!("{workspace}/keys/i{}", self.serial);
                let change = self.change(EventKind::KeyCreated, name);
                let owner = self.pick(&owners).unwrap_or_default();
                Change { owner, ..change }
            }
        }
    }

    /// Asks for a change: its revision and, where one was minted, the secret.
    async fn ask(
        &self,
        caller: &mut Caller,
        change: Change,
    ) -> Result<(i64, Option<String>), Status> {
        let Change { kind, subject: name, title: display_name, owner, request_id } = change;
        let (parent, id) = match name.rsplitn(3, '/').collect::<Vec<_>>()[..] {
            [id, _, parent] => (parent.to_owned(), id.to_owned()),
            [id, ..] => (String::new(), id.to_owned()),
            [] => unreachable!("splitting yields something"),
        };
        let update_mask = Some(FieldMask { paths: vec!["display_name".to_owned()] });
        let admin = &mut caller.admin;
        let revision = match kind {
            EventKind::PolicyCreated => {
                let policy = Some(proto::Policy { display_name, ..policy() });
                let request = proto::CreatePolicyRequest {
                    policy_id: id,
                    policy,
                    request_id,
                    ..Default::default()
                };
                inner(admin.create_policy(request).await?).policy.unwrap().revision
            }
            EventKind::PolicyUpdated => {
                let policy = Some(proto::Policy { name, display_name, ..Default::default() });
                let request = proto::UpdatePolicyRequest {
                    policy,
                    update_mask,
                    request_id,
                    ..Default::default()
                };
                inner(admin.update_policy(request).await?).policy.unwrap().revision
            }
            EventKind::WorkspaceCreated => {
                let workspace = Some(proto::Workspace {
                    display_name,
                    policy: self.policy(),
                    ..Default::default()
                });
                let request = proto::CreateWorkspaceRequest {
                    workspace_id: id,
                    workspace,
                    request_id,
                    ..Default::default()
                };
                inner(admin.create_workspace(request).await?).workspace.unwrap().revision
            }
            EventKind::WorkspaceUpdated => {
                let workspace = Some(proto::Workspace { name, display_name, ..Default::default() });
                let request = proto::UpdateWorkspaceRequest {
                    workspace,
                    update_mask,
                    request_id,
                    ..Default::default()
                };
                inner(admin.update_workspace(request).await?).workspace.unwrap().revision
            }
            EventKind::WorkspaceSuspended => {
                let request =
                    proto::SuspendWorkspaceRequest { name, request_id, ..Default::default() };
                inner(admin.suspend_workspace(request).await?).revision
            }
            EventKind::WorkspaceResumed => {
                let request =
                    proto::ResumeWorkspaceRequest { name, request_id, ..Default::default() };
                inner(admin.resume_workspace(request).await?).revision
            }
            EventKind::PrincipalCreated => {
                let kind = proto::PrincipalKind::Team.into();
                let principal = Some(proto::Principal { display_name, kind, ..Default::default() });
                let request = proto::CreatePrincipalRequest {
                    parent,
                    principal_id: id,
                    principal,
                    request_id,
                    ..Default::default()
                };
                inner(admin.create_principal(request).await?).principal.unwrap().revision
            }
            EventKind::PrincipalUpdated => {
                let principal = Some(proto::Principal { name, display_name, ..Default::default() });
                let request = proto::UpdatePrincipalRequest {
                    principal,
                    update_mask,
                    request_id,
                    ..Default::default()
                };
                inner(admin.update_principal(request).await?).principal.unwrap().revision
            }
            EventKind::PrincipalDisabled => {
                let request =
                    proto::DisablePrincipalRequest { name, request_id, ..Default::default() };
                inner(admin.disable_principal(request).await?).revision
            }
            EventKind::PrincipalEnabled => {
                let request =
                    proto::EnablePrincipalRequest { name, request_id, ..Default::default() };
                inner(admin.enable_principal(request).await?).revision
            }
            EventKind::KeyCreated => {
                let key = Some(proto::Key {
                    display_name,
                    principal: owner,
                    grants: grants(),
                    ..Default::default()
                });
                let request = proto::CreateKeyRequest {
                    parent,
                    key_id: id,
                    key,
                    request_id,
                    ..Default::default()
                };
                let made = inner(admin.create_key(request).await?);
                return Ok((made.key.unwrap().revision, minted(made.secret)));
            }
            EventKind::KeyUpdated => {
                let key = Some(proto::Key { name, display_name, ..Default::default() });
                let request =
                    proto::UpdateKeyRequest { key, update_mask, request_id, ..Default::default() };
                inner(admin.update_key(request).await?).key.unwrap().revision
            }
            EventKind::KeyRotated => {
                let request = proto::RotateKeyRequest { name, request_id, ..Default::default() };
                let rotated = inner(admin.rotate_key(request).await?);
                return Ok((rotated.key.unwrap().revision, minted(rotated.secret)));
            }
            EventKind::KeyRevoked => {
                let request = proto::RevokeKeyRequest { name, request_id, ..Default::default() };
                inner(admin.revoke_key(request).await?).revision
            }
            EventKind::Unspecified | EventKind::PrincipalDeleted => unreachable!("never chosen"),
        };
        Ok((revision, None))
    }
}

fn inner<T>(response: Response<T>) -> T {
    response.into_inner()
}

fn minted(secret: String) -> Option<String> {
    (!secret.is_empty()).then_some(secret)
}

fn grants() -> Vec<proto::Grant> {
    vec![proto::Grant { scope: "read".to_owned(), resource: String::new() }]
}

/// One scope and one type of key: the smallest policy.
fn policy() -> proto::Policy {
    proto::Policy {
        scopes: vec![proto::Scope { name: "read".to_owned(), ..Default::default() }],
        key_types: vec![proto::KeyType {
            name: "live".to_owned(),
            prefix: "acme_live".to_owned(),
            is_default: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

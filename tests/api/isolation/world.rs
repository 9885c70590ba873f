//! Workspaces with the same ids inside, and all that can be seen of them.

use keyward::proto::{self, KeyState};
use prost::Message as _;

use crate::support::{Caller, Server, reader};

/// The id of a principal and of a key, in `acme` and in `other`.
pub(crate) const TWIN: &str = "twin";
/// The id of a principal and of a key, in `other` alone.
pub(crate) const ONLY: &str = "only";

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) root: Caller,
    /// The secret of `workspaces/acme/keys/twin`.
    pub(crate) ours: String,
    /// The secret of `workspaces/other/keys/twin`.
    pub(crate) theirs: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (server, mut root) = Server::with_workspaces().await;
        root.create_workspace("acme2", "policies/acme").await;
        for (workspace, id) in [("acme", TWIN), ("other", TWIN), ("other", ONLY)] {
            root.create_principal(workspace, id, "owner").await;
        }
        let ours = root.create_key("acme", TWIN, reader()).await.secret;
        let theirs = root.create_key("other", TWIN, reader()).await.secret;
        root.create_key("other", ONLY, reader()).await;
        Self { server, root, ours, theirs }
    }

    /// The secret of a new caller that may do everything inside these resources.
    pub(crate) async fn bound(&mut self, constraint: &[&str]) -> String {
        let key = proto::Key {
            constraint: crate::support::strings(constraint),
            ..crate::callers::minted::operator()
        };
        self.root.create_key("system", "", key).await.secret
    }

    /// Everything that is on record, and the head of the log.
    pub(crate) async fn record(&mut self) -> (i64, Vec<Vec<u8>>) {
        let admin = &mut self.root.admin;
        let mut record = Vec::new();
        let policies = admin.list_policies(proto::ListPoliciesRequest::default()).await;
        record.push(policies.unwrap().into_inner().encode_to_vec());
        let workspaces = admin.list_workspaces(proto::ListWorkspacesRequest::default()).await;
        let workspaces = workspaces.unwrap().into_inner();
        record.push(workspaces.encode_to_vec());
        for proto::Workspace { name: parent, .. } in workspaces.workspaces {
            let all = proto::ListPrincipalsRequest { parent: parent.clone(), ..Default::default() };
            record.push(admin.list_principals(all).await.unwrap().into_inner().encode_to_vec());
            let states = [KeyState::Active, KeyState::Expired, KeyState::Revoked];
            let states = states.map(i32::from).to_vec();
            let all = proto::ListKeysRequest { parent, states, ..Default::default() };
            record.push(admin.list_keys(all).await.unwrap().into_inner().encode_to_vec());
        }
        (self.root.head().await, record)
    }
}

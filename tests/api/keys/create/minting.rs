//! Keys that are made on behalf of another key.

mod exceeding;
mod owners;
mod states;

use keyward::proto::{self, CreateKeyRequest, CreateKeyResponse};
use tonic::{Code, Response, Status};

use crate::{
    keys::{creation, metadata},
    support::{Caller, grants, reader, refused},
};

/// Asks for a key on behalf of a key of `acme`.
fn on_behalf(minter: &str, key: proto::Key) -> CreateKeyRequest {
    let minting_key = format!("workspaces/acme/keys/{minter}");
    CreateKeyRequest { minting_key, ..creation(key) }
}

fn holder(scopes: &[&str]) -> proto::Key {
    proto::Key { grants: grants(scopes), ..reader() }
}

async fn minted(root: &mut Caller, minter: &str, key: proto::Key) -> CreateKeyResponse {
    root.admin.create_key(on_behalf(minter, key)).await.unwrap().into_inner()
}

/// Sees to it that the key was refused because it exceeds the minting one, in these fields.
#[track_caller]
fn broader(outcome: Result<Response<CreateKeyResponse>, Status>, fields: &str, what: &str) {
    let status = refused(outcome, Code::PermissionDenied, "BROADER_THAN_MINTING_KEY");
    assert_eq!(metadata(&status, "fields"), fields, "{what}");
    assert!(status.message().contains(fields), "{status:?}");
}

/// Makes a principal of `acme` that is confined to these resources.
async fn principal(root: &mut Caller, id: &str, role: &str, confined_to: &[&str]) -> String {
    let principal = proto::Principal {
        kind: proto::PrincipalKind::User.into(),
        role: role.into(),
        confined_to: crate::support::strings(confined_to),
        ..Default::default()
    };
    let request = proto::CreatePrincipalRequest {
        parent: "workspaces/acme".into(),
        principal_id: id.into(),
        principal: Some(principal),
        ..Default::default()
    };
    root.admin.create_principal(request).await.unwrap().into_inner().principal.unwrap().name
}

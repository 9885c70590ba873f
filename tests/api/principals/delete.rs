//! `DeletePrincipal`, which a later version serves.

use keyward::proto::DeletePrincipalRequest;
use tonic::Code;

use super::{ADA, stored};
use crate::support::{Server, refused};

#[tokio::test]
async fn the_call_is_not_served_and_the_principal_stays() {
    let (server, mut root) = Server::with_workspaces().await;
    let made = root.create_principal("acme", "ada", "observer").await;
    let request = DeletePrincipalRequest { name: ADA.into(), ..Default::default() };
    let outcome = root.admin.delete_principal(request).await;
    let status = refused(outcome, Code::Unimplemented, "RPC_NOT_SERVED");
    assert!(status.message().contains("KeyAdmin/DeletePrincipal"), "{status:?}");
    let nothing = root.admin.delete_principal(DeletePrincipalRequest::default()).await;
    refused(nothing, Code::Unimplemented, "RPC_NOT_SERVED");
    assert_eq!(stored(&mut root, ADA).await, made);
    let mut nobody = server.caller_with(None).await;
    let outcome = nobody.admin.delete_principal(DeletePrincipalRequest::default()).await;
    refused(outcome, Code::Unauthenticated, "CREDENTIALS_MISSING");
}

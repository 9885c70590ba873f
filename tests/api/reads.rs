//! The RPCs that read: the same call twice answers the same, and changes nothing.

use keyward::proto::{
    GetKeyRequest, GetPolicyRequest, GetPrincipalRequest, GetWorkspaceRequest, IdentifyKeyRequest,
    ListEventsRequest, ListKeysRequest, ListPoliciesRequest, ListPrincipalsRequest,
    ListWorkspacesRequest,
};

use crate::support::{Server, reader};

/// Calls an RPC twice and compares.
macro_rules! same_twice {
    ($root:ident, $rpc:ident, $request:expr) => {{
        let head = $root.head().await;
        let once = $root.admin.$rpc($request).await.unwrap().into_inner();
        let twice = $root.admin.$rpc($request).await.unwrap().into_inner();
        assert_eq!(once, twice, stringify!($rpc));
        assert_eq!($root.head().await, head, stringify!($rpc));
    }};
}

#[tokio::test]
async fn the_same_call_twice_answers_the_same() {
    let (_server, mut root) = Server::with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let parent = || "workspaces/acme".to_owned();
    same_twice!(root, get_policy, GetPolicyRequest { name: "policies/acme".into() });
    same_twice!(root, list_policies, ListPoliciesRequest::default());
    same_twice!(root, get_workspace, GetWorkspaceRequest { name: parent() });
    same_twice!(root, list_workspaces, ListWorkspacesRequest::default());
    let ada = || "workspaces/acme/principals/ada".to_owned();
    same_twice!(root, get_principal, GetPrincipalRequest { name: ada() });
    same_twice!(
        root,
        list_principals,
        ListPrincipalsRequest { parent: parent(), ..Default::default() }
    );
    same_twice!(root, get_key, GetKeyRequest { name: "workspaces/acme/keys/ci".into() });
    same_twice!(root, list_keys, ListKeysRequest { parent: parent(), ..Default::default() });
    same_twice!(root, identify_key, IdentifyKeyRequest { secret: secret.clone() });
    same_twice!(root, list_events, ListEventsRequest { parent: parent(), ..Default::default() });
}

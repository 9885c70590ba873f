//! Secrets minted in every way and sent to every place, right and wrong ones.

use std::net::SocketAddr;

use keyward::proto::{self, IntrospectRequest};
use prost_types::FieldMask;

use crate::{caller::Caller, raw, seen::Seen, together};

pub(crate) const WORKSPACE: &str = "workspaces/acme";
const KEY: &str = "workspaces/acme/keys/ci";

pub(crate) async fn play(address: SocketAddr, root_secret: &str) -> Seen {
    let mut seen = Seen::default();
    seen.minted(root_secret);
    let mut root = Caller::connect(address, root_secret).await;
    prepare(&mut seen, &mut root).await;
    let (replaced, live) = mint(&mut seen, &mut root).await;
    together::mint(&mut seen, &mut root).await;
    let ended = end(&mut seen, &mut root).await;
    for secret in [root_secret, &*replaced, &*live, &*ended] {
        right_places(&mut seen, &mut root, secret).await;
        introspect_wrongly(&mut seen, &mut root, secret).await;
        make_wrongly(&mut seen, &mut root, secret).await;
        name_wrongly(&mut seen, &mut root, secret).await;
        together::wrongly(&mut seen, &mut root, secret).await;
        raw::play(&mut seen, address, root_secret, secret).await;
        if secret != root_secret {
            let mut stranger = Caller::connect(address, secret).await;
            seen.refused(stranger.introspect.introspect(IntrospectRequest::default()).await);
            seen.refused(stranger.admin.revoke_key(proto::RevokeKeyRequest::default()).await);
        }
    }
    read_all(&mut seen, &mut root).await;
    seen
}

pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn grants(scope: &str) -> Vec<proto::Grant> {
    vec![proto::Grant { scope: scope.to_owned(), resource: String::new() }]
}

pub(crate) fn key() -> proto::Key {
    proto::Key { display_name: "ci".into(), grants: grants("read"), ..Default::default() }
}

pub(crate) fn create(parent: &str, id: &str, key: proto::Key) -> proto::CreateKeyRequest {
    proto::CreateKeyRequest {
        parent: parent.to_owned(),
        key_id: id.to_owned(),
        key: Some(key),
        ..Default::default()
    }
}

fn policy() -> proto::Policy {
    proto::Policy {
        scopes: vec![proto::Scope { name: "read".into(), ..Default::default() }],
        key_types: vec![proto::KeyType {
            name: "live".into(),
            prefix: "acme_live".into(),
            is_default: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn prepare(seen: &mut Seen, root: &mut Caller) {
    let request = proto::CreatePolicyRequest {
        policy_id: "acme".into(),
        policy: Some(policy()),
        ..Default::default()
    };
    seen.ok(root.admin.create_policy(request).await);
    let workspace = proto::Workspace { policy: "policies/acme".into(), ..Default::default() };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: "acme".into(),
        workspace: Some(workspace),
        ..Default::default()
    };
    seen.ok(root.admin.create_workspace(request).await);
}

/// Makes and rotates a key, each with a repetition and a rehearsal, which show nothing;
/// its old secret and its new one.
async fn mint(seen: &mut Seen, root: &mut Caller) -> (String, String) {
    let rehearsal =
        proto::CreateKeyRequest { validate_only: true, ..create(WORKSPACE, "ci", key()) };
    assert_eq!(seen.ok(root.admin.create_key(rehearsal).await).secret, "");
    let request =
        proto::CreateKeyRequest { request_id: request_id(), ..create(WORKSPACE, "ci", key()) };
    let made = seen.ok(root.admin.create_key(request.clone()).await);
    let replaced = seen.minted(&made.secret);
    assert_eq!(seen.ok(root.admin.create_key(request).await).secret, "");
    let request = proto::RotateKeyRequest { name: KEY.into(), ..Default::default() };
    let rehearsal = proto::RotateKeyRequest { validate_only: true, ..request.clone() };
    assert_eq!(seen.ok(root.admin.rotate_key(rehearsal).await).secret, "");
    let request = proto::RotateKeyRequest { request_id: request_id(), ..request };
    let rotated = seen.ok(root.admin.rotate_key(request.clone()).await);
    let live = seen.minted(&rotated.secret);
    assert_eq!(seen.ok(root.admin.rotate_key(request).await).secret, "");
    (replaced, live)
}

/// The secret of a key that is revoked, after every other change of a key.
async fn end(seen: &mut Seen, root: &mut Caller) -> String {
    let made = seen.ok(root.admin.create_key(create(WORKSPACE, "ended", key())).await);
    let secret = seen.minted(&made.secret);
    let name = || "workspaces/acme/keys/ended".to_owned();
    let renamed = proto::Key { name: name(), display_name: "new".into(), ..Default::default() };
    let request = proto::UpdateKeyRequest { key: Some(renamed.clone()), ..Default::default() };
    seen.ok(root.admin.update_key(request.clone()).await);
    let revoke = proto::RevokeKeyRequest { name: name(), ..Default::default() };
    seen.ok(root.admin.revoke_key(revoke).await);
    seen.refused(root.admin.update_key(request).await);
    let rotate = proto::RotateKeyRequest { name: name(), ..Default::default() };
    seen.refused(root.admin.rotate_key(rotate).await);
    seen.refused(root.admin.create_key(create(WORKSPACE, "ended", key())).await);
    secret
}

async fn right_places(seen: &mut Seen, root: &mut Caller, secret: &str) {
    for view in [proto::IntrospectView::Full, proto::IntrospectView::Decision] {
        let question =
            IntrospectRequest { secret: secret.into(), view: view.into(), ..Default::default() };
        seen.ok(root.introspect.introspect(question).await);
    }
    let request = proto::IdentifyKeyRequest { secret: secret.into() };
    seen.ok(root.admin.identify_key(request).await);
    // What is nearly right is as secret as what is right.
    for near in [format!(" {secret}"), format!("{secret}x"), format!("Bearer {secret}")] {
        let question = IntrospectRequest { secret: near.clone(), ..Default::default() };
        seen.ok(root.introspect.introspect(question).await);
        seen.refused(root.admin.identify_key(proto::IdentifyKeyRequest { secret: near }).await);
    }
}

async fn introspect_wrongly(seen: &mut Seen, root: &mut Caller, secret: &str) {
    let right = || IntrospectRequest { secret: secret.into(), ..Default::default() };
    let wrong = [
        IntrospectRequest { client_ip: secret.into(), ..right() },
        IntrospectRequest { class: secret.repeat(3), ..right() },
        IntrospectRequest { required_scopes: vec![secret.into(); 101], ..right() },
        IntrospectRequest { secret: secret.into(), client_ip: secret.into(), cost: -1, ..right() },
    ];
    for question in wrong {
        seen.refused(root.introspect.introspect(question).await);
    }
    // Refused or not according to the state of the key.
    for question in [
        IntrospectRequest { required_scopes: vec![secret.into()], ..right() },
        IntrospectRequest { resource: secret.into(), ..right() },
        IntrospectRequest { resource: format!("//{secret}*"), ..right() },
    ] {
        match root.introspect.introspect(question).await {
            Ok(answer) => _ = seen.ok(Ok(answer)),
            Err(status) => seen.refused::<proto::IntrospectResponse>(Err(status)),
        }
    }
}

async fn make_wrongly(seen: &mut Seen, root: &mut Caller, secret: &str) {
    let s = || secret.to_owned();
    let request = || create(WORKSPACE, "wrong", key());
    let wrong_keys = [
        proto::Key { display_name: s() + &s(), ..key() },
        proto::Key { display_name: s() + "\n", labels: [(s(), s() + "\n")].into(), ..key() },
        proto::Key { r#type: s(), ..key() },
        proto::Key { principal: s(), ..key() },
        proto::Key { principal: format!("{WORKSPACE}/principals/{secret}"), ..key() },
        proto::Key { grants: grants(secret), ..key() },
        proto::Key { grants: grants(&format!("read:{secret}")), ..key() },
        proto::Key { constraint: vec![format!("//{secret}**")], ..key() },
        proto::Key { allowed_cidrs: vec![s(), format!("10.0.0.0/{secret}")], ..key() },
        proto::Key { plan: s(), ..key() },
    ];
    for wrong in wrong_keys {
        seen.refused(root.admin.create_key(create(WORKSPACE, "wrong", wrong)).await);
    }
    for wrong in [
        proto::CreateKeyRequest { parent: s(), ..request() },
        proto::CreateKeyRequest { key_id: s(), ..request() },
        proto::CreateKeyRequest { presets: vec![s()], ..request() },
        proto::CreateKeyRequest { minting_key: s(), ..request() },
        proto::CreateKeyRequest { request_id: s(), ..request() },
    ] {
        seen.refused(root.admin.create_key(wrong).await);
    }
    let scope = |name: &str, implies: &str| proto::Scope {
        name: name.into(),
        implies: vec![implies.into()],
        ..Default::default()
    };
    for wrong in [
        proto::Policy { scopes: vec![scope("read", secret)], ..policy() },
        proto::Policy { scopes: vec![scope(&(s() + " "), "read")], ..policy() },
        proto::Policy { name: s(), key_types: vec![], ..policy() },
    ] {
        let request = proto::CreatePolicyRequest {
            policy_id: s(),
            policy: Some(wrong),
            ..Default::default()
        };
        seen.refused(root.admin.create_policy(request).await);
    }
}

async fn name_wrongly(seen: &mut Seen, root: &mut Caller, secret: &str) {
    let (admin, s) = (&mut root.admin, || secret.to_owned());
    for name in [s(), format!("{WORKSPACE}/keys/{secret}")] {
        let request = proto::GetKeyRequest { name: name.clone() };
        seen.refused(admin.get_key(request).await);
        let request = proto::RevokeKeyRequest { name: name.clone(), ..Default::default() };
        seen.refused(admin.revoke_key(request).await);
        seen.refused(admin.get_policy(proto::GetPolicyRequest { name: name.clone() }).await);
        seen.refused(admin.get_principal(proto::GetPrincipalRequest { name: name.clone() }).await);
        seen.refused(admin.get_workspace(proto::GetWorkspaceRequest { name }).await);
    }
    let request = proto::RevokeKeyRequest { name: KEY.into(), etag: s(), ..Default::default() };
    seen.refused(admin.revoke_key(request).await);
    let request = proto::UpdateKeyRequest {
        key: Some(proto::Key { name: KEY.into(), ..key() }),
        update_mask: Some(FieldMask { paths: vec![s()] }),
        ..Default::default()
    };
    seen.refused(admin.update_key(request).await);
    let list = || proto::ListKeysRequest { parent: WORKSPACE.into(), ..Default::default() };
    for wrong in [
        proto::ListKeysRequest { parent: s(), ..list() },
        proto::ListKeysRequest { page_token: s(), ..list() },
        proto::ListKeysRequest { order_by: s(), ..list() },
        proto::ListKeysRequest { principal: s(), ..list() },
    ] {
        seen.refused(admin.list_keys(wrong).await);
    }
    let request = proto::ListEventsRequest { parent: s(), page_token: s(), ..Default::default() };
    seen.refused(admin.list_events(request).await);
}

/// Reads whatever there is to read.
async fn read_all(seen: &mut Seen, root: &mut Caller) {
    let admin = &mut root.admin;
    for parent in [WORKSPACE, "workspaces/system"] {
        let states = [proto::KeyState::Active, proto::KeyState::Revoked].map(i32::from).to_vec();
        let request =
            proto::ListKeysRequest { parent: parent.into(), states, ..Default::default() };
        let keys = seen.ok(admin.list_keys(request).await).keys;
        assert!(!keys.is_empty());
        for key in keys {
            seen.ok(admin.get_key(proto::GetKeyRequest { name: key.name }).await);
        }
    }
    let request = proto::ListEventsRequest { page_size: 1_000, ..Default::default() };
    let events = seen.ok(admin.list_events(request).await).events;
    assert!(events.iter().any(|event| event.kind() == proto::EventKind::KeyRotated));
}

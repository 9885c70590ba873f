//! Changes as they are sent: the same again and again, until one is answered.

use std::time::Duration;

use keyward::proto;
use prost_types::{FieldMask, Timestamp};
use tonic::{Request, Status};

use crate::{
    caller::Caller,
    world::{Bound, Key, Own, Policy, Principal, Tenant},
};

/// The scope that is asked for, the client's address and the resource.
pub(crate) const SCOPE: &str = "docs:write";
pub(crate) const CLIENT: &str = "192.0.2.7";
pub(crate) const RESOURCE: &str = "here/a";

/// A change with its request id.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    CreatePolicy(proto::CreatePolicyRequest),
    UpdatePolicy(proto::UpdatePolicyRequest),
    CreateWorkspace(proto::CreateWorkspaceRequest),
    Suspend(proto::SuspendWorkspaceRequest),
    Resume(proto::ResumeWorkspaceRequest),
    CreatePrincipal(proto::CreatePrincipalRequest),
    UpdatePrincipal(proto::UpdatePrincipalRequest),
    Disable(proto::DisablePrincipalRequest),
    Enable(proto::EnablePrincipalRequest),
    CreateKey(proto::CreateKeyRequest),
    CreateKeys(proto::BatchCreateKeysRequest),
    UpdateKey(proto::UpdateKeyRequest),
    Rotate(proto::RotateKeyRequest),
    Revoke(proto::RevokeKeyRequest),
}

/// The answer to a change.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) revision: i64,
    /// Where one was minted, and this is the first answer.
    pub(crate) secret: Option<String>,
    /// When the key that it shows ends, in microseconds.
    pub(crate) expire: Option<i64>,
    /// Where several keys were made, what was answered of each.
    pub(crate) each: Vec<Self>,
}

impl Reply {
    fn of(revision: i64) -> Self {
        Self { revision, secret: None, expire: None, each: Vec::new() }
    }

    fn updated(key: proto::Key) -> Self {
        let expire = match key.expiration {
            Some(proto::key::Expiration::ExpireTime(end)) => Some(micros(end)),
            _ => None,
        };
        Self { expire, ..Self::of(key.revision) }
    }

    fn minted(key: Option<proto::Key>, secret: String) -> Self {
        let secret = (!secret.is_empty()).then_some(secret);
        Self { secret, ..Self::of(key.unwrap().revision) }
    }
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.to_owned()] })
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|text| (*text).to_owned()).collect()
}

fn grants(own: Own) -> Vec<proto::Grant> {
    let scope = if own.may_write { SCOPE } else { "docs:read" };
    vec![proto::Grant { scope: scope.to_owned(), ..Default::default() }]
}

fn networks(own: Own) -> Vec<String> {
    match own.networks {
        Bound::Anywhere => Vec::new(),
        Bound::Here => texts(&["192.0.2.0/24"]),
        Bound::Elsewhere => texts(&["198.51.100.0/24"]),
    }
}

fn constraint(own: Own) -> Vec<String> {
    match own.constraint {
        Bound::Anywhere => Vec::new(),
        Bound::Here => texts(&["here"]),
        Bound::Elsewhere => texts(&["there"]),
    }
}

/// In microseconds.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

fn role(principal: Principal) -> String {
    if principal.is_reader { "reader" } else { "writer" }.to_owned()
}

fn policy(tenant: &Tenant, state: Policy) -> proto::Policy {
    let scope = |name: &str| proto::Scope { name: name.to_owned(), ..Default::default() };
    let role = |name: &str, scopes: &[&str]| proto::Role {
        name: name.to_owned(),
        scopes: texts(scopes),
        ..Default::default()
    };
    let readers: &[&str] = if state.readers_write { &["docs:*"] } else { &["docs:read"] };
    proto::Policy {
        name: tenant.policy_name(),
        scopes: vec![scope("docs:read"), scope(SCOPE)],
        roles: vec![role("writer", &["docs:*"]), role("reader", readers)],
        key_types: vec![proto::KeyType {
            name: "live".to_owned(),
            prefix: format!("{}_live", tenant.id),
            is_default: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn draft(tenant: &Tenant, id: &str, own: Own) -> proto::CreateKeyRequest {
    let key = proto::Key {
        display_name: id.to_owned(),
        principal: tenant.principal_name(),
        grants: grants(own),
        allowed_cidrs: networks(own),
        constraint: constraint(own),
        expiration: Some(proto::key::Expiration::NeverExpires(true)),
        ..Default::default()
    };
    proto::CreateKeyRequest {
        parent: tenant.name(),
        key_id: id.to_owned(),
        key: Some(key),
        ..Default::default()
    }
}

impl Call {
    pub(crate) fn create_policy(tenant: &Tenant, request_id: String) -> Self {
        let policy = Some(policy(tenant, Policy::default()));
        let policy_id = tenant.id.clone();
        Self::CreatePolicy(proto::CreatePolicyRequest {
            policy_id,
            policy,
            request_id,
            ..Default::default()
        })
    }

    pub(crate) fn update_policy(tenant: &Tenant, to: Policy, request_id: String) -> Self {
        Self::UpdatePolicy(proto::UpdatePolicyRequest {
            policy: Some(policy(tenant, to)),
            update_mask: mask("roles"),
            force: true,
            request_id,
            ..Default::default()
        })
    }

    pub(crate) fn create_workspace(tenant: &Tenant, request_id: String) -> Self {
        let workspace = proto::Workspace { policy: tenant.policy_name(), ..Default::default() };
        Self::CreateWorkspace(proto::CreateWorkspaceRequest {
            workspace_id: tenant.id.clone(),
            workspace: Some(workspace),
            request_id,
            ..Default::default()
        })
    }

    pub(crate) fn suspend(tenant: &Tenant, suspend: bool, request_id: String) -> Self {
        let name = tenant.name();
        if suspend {
            let request = proto::SuspendWorkspaceRequest { name, request_id, ..Default::default() };
            Self::Suspend(request)
        } else {
            let request = proto::ResumeWorkspaceRequest { name, request_id, ..Default::default() };
            Self::Resume(request)
        }
    }

    pub(crate) fn create_principal(tenant: &Tenant, request_id: String) -> Self {
        let kind = proto::PrincipalKind::User.into();
        let role = role(Principal::default());
        Self::CreatePrincipal(proto::CreatePrincipalRequest {
            parent: tenant.name(),
            principal_id: "owner".to_owned(),
            principal: Some(proto::Principal { kind, role, ..Default::default() }),
            request_id,
            ..Default::default()
        })
    }

    pub(crate) fn update_role(tenant: &Tenant, to: Principal, request_id: String) -> Self {
        let name = tenant.principal_name();
        Self::UpdatePrincipal(proto::UpdatePrincipalRequest {
            principal: Some(proto::Principal { name, role: role(to), ..Default::default() }),
            update_mask: mask("role"),
            request_id,
            ..Default::default()
        })
    }

    pub(crate) fn disable(tenant: &Tenant, disable: bool, request_id: String) -> Self {
        let name = tenant.principal_name();
        if disable {
            let request = proto::DisablePrincipalRequest { name, request_id, ..Default::default() };
            Self::Disable(request)
        } else {
            let request = proto::EnablePrincipalRequest { name, request_id, ..Default::default() };
            Self::Enable(request)
        }
    }

    pub(crate) fn create_key(tenant: &Tenant, id: &str, own: Own, request_id: String) -> Self {
        Self::CreateKey(proto::CreateKeyRequest { request_id, ..draft(tenant, id, own) })
    }

    /// Makes several keys, all or none.
    pub(crate) fn create_keys(
        tenant: &Tenant,
        ids: &[String],
        own: Own,
        request_id: String,
    ) -> Self {
        let requests = ids.iter().map(|id| draft(tenant, id, own)).collect();
        Self::CreateKeys(proto::BatchCreateKeysRequest {
            parent: tenant.name(),
            requests,
            request_id,
            ..Default::default()
        })
    }

    /// Changes one field: `grants`, `allowed_cidrs` or `constraint`.
    pub(crate) fn update_key(key: &Key, field: &str, to: Own, request_id: String) -> Self {
        let mut draft = proto::Key { name: key.name(), ..Default::default() };
        match field {
            "grants" => draft.grants = grants(to),
            "allowed_cidrs" => draft.allowed_cidrs = networks(to),
            _ => draft.constraint = constraint(to),
        }
        Self::update(draft, field, request_id)
    }

    /// Lets a key work for so long from when this is done, or for ever.
    pub(crate) fn end_key(key: &Key, ttl: Option<Duration>, request_id: String) -> Self {
        use proto::key::Expiration;
        let (field, expiration) = match ttl {
            Some(ttl) => ("ttl", Expiration::Ttl(ttl.try_into().unwrap())),
            None => ("never_expires", Expiration::NeverExpires(true)),
        };
        let expiration = Some(expiration);
        let draft = proto::Key { name: key.name(), expiration, ..Default::default() };
        Self::update(draft, field, request_id)
    }

    fn update(draft: proto::Key, field: &str, request_id: String) -> Self {
        Self::UpdateKey(proto::UpdateKeyRequest {
            key: Some(draft),
            update_mask: mask(field),
            request_id,
            ..Default::default()
        })
    }

    pub(crate) fn rotate(key: &Key, request_id: String) -> Self {
        let name = key.name();
        Self::Rotate(proto::RotateKeyRequest { name, request_id, ..Default::default() })
    }

    pub(crate) fn revoke(key: &Key, request_id: String) -> Self {
        let name = key.name();
        Self::Revoke(proto::RevokeKeyRequest { name, request_id, ..Default::default() })
    }

    /// Asks for it. The replica is told to have answered by the deadline.
    pub(crate) async fn send(self, caller: Caller, deadline: Duration) -> Result<Reply, Status> {
        let mut admin = caller.admin;
        macro_rules! ask {
            ($rpc:ident, $request:expr) => {{
                let mut request = Request::new($request);
                request.set_timeout(deadline);
                admin.$rpc(request).await?.into_inner()
            }};
        }
        Ok(match self {
            Self::CreatePolicy(it) => Reply::of(ask!(create_policy, it).policy.unwrap().revision),
            Self::UpdatePolicy(it) => Reply::of(ask!(update_policy, it).policy.unwrap().revision),
            Self::CreateWorkspace(it) => {
                Reply::of(ask!(create_workspace, it).workspace.unwrap().revision)
            }
            Self::Suspend(it) => Reply::of(ask!(suspend_workspace, it).revision),
            Self::Resume(it) => Reply::of(ask!(resume_workspace, it).revision),
            Self::CreatePrincipal(it) => {
                Reply::of(ask!(create_principal, it).principal.unwrap().revision)
            }
            Self::UpdatePrincipal(it) => {
                Reply::of(ask!(update_principal, it).principal.unwrap().revision)
            }
            Self::Disable(it) => Reply::of(ask!(disable_principal, it).revision),
            Self::Enable(it) => Reply::of(ask!(enable_principal, it).revision),
            Self::CreateKey(it) => {
                let made = ask!(create_key, it);
                Reply::minted(made.key, made.secret)
            }
            Self::CreateKeys(it) => {
                let made = ask!(batch_create_keys, it).responses.into_iter();
                let each = made.map(|made| Reply::minted(made.key, made.secret)).collect();
                Reply { each, ..Reply::of(0) }
            }
            Self::UpdateKey(it) => Reply::updated(ask!(update_key, it).key.unwrap()),
            Self::Rotate(it) => {
                let rotated = ask!(rotate_key, it);
                Reply::minted(rotated.key, rotated.secret)
            }
            Self::Revoke(it) => Reply::of(ask!(revoke_key, it).revision),
        })
    }
}

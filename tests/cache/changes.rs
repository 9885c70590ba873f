//! Every kind of change of what an answer rests on.

use std::time::Duration;

use keyward::{
    admin::{
        AdminError, Intent, KeyDraft, Mask, Named, PolicyDraft, PrincipalDraft, RotateKey,
        UpdatePolicy, UpdateResource,
    },
    domain::{decision::Denial, key::Expiration},
};

use crate::world::{KEY, PRINCIPAL, WORKSPACE, World, draft, policy};

const HOUR: Duration = Duration::from_hours(1);

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    Revoke,
    Rotate,
    Scopes,
    Cidrs,
    Expiry,
    Constraint,
    Suspend,
    Resume,
    Disable,
    Enable,
    Role,
    Confine,
    Policy,
}

impl Change {
    pub(crate) const ALL: [Self; 13] = [
        Self::Revoke,
        Self::Rotate,
        Self::Scopes,
        Self::Cidrs,
        Self::Expiry,
        Self::Constraint,
        Self::Suspend,
        Self::Resume,
        Self::Disable,
        Self::Enable,
        Self::Role,
        Self::Confine,
        Self::Policy,
    ];

    /// What is so before it: the answer with it.
    pub(crate) async fn prepare(self, world: &World) -> Option<Denial> {
        match self {
            Self::Resume => suspend(world, true).await.unwrap(),
            Self::Enable => disable(world, true).await.unwrap(),
            Self::Expiry => world.turn_clock(2 * HOUR),
            _ => return None,
        }
        (self != Self::Expiry).then_some(Denial::Disabled)
    }

    /// The answer once it is made.
    pub(crate) fn answer(self) -> Option<Denial> {
        match self {
            Self::Revoke => Some(Denial::Revoked),
            Self::Rotate => Some(Denial::InvalidKey),
            Self::Scopes | Self::Role | Self::Policy => Some(Denial::InsufficientScope),
            Self::Cidrs => Some(Denial::IpNotAllowed),
            Self::Expiry => Some(Denial::Expired),
            Self::Constraint | Self::Confine => Some(Denial::OutsideConstraint),
            Self::Suspend | Self::Disable => Some(Denial::Disabled),
            Self::Resume | Self::Enable => None,
        }
    }

    pub(crate) async fn make(self, world: &World) -> Result<(), AdminError> {
        let elsewhere = || vec!["sites/2".to_owned()];
        match self {
            Self::Revoke => world.admin.revoke_key(&world.root, &named(KEY)).await.map(drop),
            Self::Rotate => {
                let request = RotateKey { named: named(KEY), ..RotateKey::default() };
                world.admin.rotate_key(&world.root, &request).await.map(drop)
            }
            Self::Scopes => update_key(world, draft("read"), "grants").await,
            Self::Cidrs => {
                let allowed_cidrs = vec!["198.51.100.0/24".to_owned()];
                let draft = KeyDraft { allowed_cidrs, ..draft("") };
                update_key(world, draft, "allowed_cidrs").await
            }
            Self::Expiry => {
                let draft = KeyDraft { expiration: Expiration::After(HOUR), ..draft("") };
                update_key(world, draft, "expire_time").await
            }
            Self::Constraint => {
                let draft = KeyDraft { constraint: elsewhere(), ..draft("") };
                update_key(world, draft, "constraint").await
            }
            Self::Suspend => suspend(world, true).await,
            Self::Resume => suspend(world, false).await,
            Self::Disable => disable(world, true).await,
            Self::Enable => disable(world, false).await,
            Self::Role => {
                let draft = PrincipalDraft { role: "reader".into(), ..PrincipalDraft::default() };
                update_principal(world, draft, "role").await
            }
            Self::Confine => {
                let draft =
                    PrincipalDraft { confined_to: elsewhere(), ..PrincipalDraft::default() };
                update_principal(world, draft, "confined_to").await
            }
            Self::Policy => {
                let draft = PolicyDraft { policy: policy(&["read"]), ..PolicyDraft::default() };
                let update = update("policies/acme", draft, "roles");
                let request = UpdatePolicy { update, force: true };
                world.admin.update_policy(&world.root, &request).await.map(drop)
            }
        }
    }
}

fn named(name: &str) -> Named {
    Named { name: name.into(), ..Named::default() }
}

fn update<T>(name: &str, draft: T, field: &str) -> UpdateResource<T> {
    let mask = Mask::new(vec![field.to_owned()]);
    let (etag, intent) = (String::new(), Intent::default());
    UpdateResource { name: name.into(), etag, draft, mask, intent }
}

async fn update_key(world: &World, draft: KeyDraft, field: &str) -> Result<(), AdminError> {
    let draft = KeyDraft { principal: String::new(), ..draft };
    world.admin.update_key(&world.root, &update(KEY, draft, field)).await.map(drop)
}

async fn update_principal(
    world: &World,
    draft: PrincipalDraft,
    field: &str,
) -> Result<(), AdminError> {
    let request = update(PRINCIPAL, draft, field);
    world.admin.update_principal(&world.root, &request).await.map(drop)
}

async fn suspend(world: &World, suspended: bool) -> Result<(), AdminError> {
    world.admin.suspend_workspace(&world.root, &named(WORKSPACE), suspended).await.map(drop)
}

async fn disable(world: &World, disabled: bool) -> Result<(), AdminError> {
    world.admin.disable_principal(&world.root, &named(PRINCIPAL), disabled).await.map(drop)
}

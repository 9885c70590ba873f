//! What is asked for, as it was sent: nothing in here is checked yet.

use std::{collections::BTreeMap, time::Duration};

use super::{Intent, Mask, Paging};
use crate::domain::{
    event::Kind,
    key::{Expiration, KeyState},
    policy::Policy,
    ports::KeyOrder,
    principal::PrincipalKind,
    time::Timestamp,
    usage::Step,
};

/// Asks to make a policy or a workspace.
#[derive(Clone, Debug)]
pub struct CreateResource<T> {
    /// The last part of its name.
    pub id: String,
    /// What it is to be.
    pub draft: T,
    /// How.
    pub intent: Intent,
}

/// Asks to change a policy, a workspace or a principal.
#[derive(Clone, Debug)]
pub struct UpdateResource<T> {
    /// Which one.
    pub name: String,
    /// As which state. Empty: any.
    pub etag: String,
    /// What it is to be.
    pub draft: T,
    /// In which fields.
    pub mask: Mask,
    /// How.
    pub intent: Intent,
}

/// Asks to change the state of one resource.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Which one.
    pub name: String,
    /// As which state. Empty: any.
    pub etag: String,
    /// How.
    pub intent: Intent,
}

/// A policy as it was sent. Its faults of form were noted when it was read.
#[derive(Clone, Debug, Default)]
pub struct PolicyDraft {
    /// What could be read.
    pub policy: Policy,
    /// The title.
    pub title: String,
    /// What could not be read, with its field.
    pub unread: Vec<(String, String)>,
}

/// Asks to change a policy.
#[derive(Clone, Debug)]
pub struct UpdatePolicy {
    /// Which one, and how.
    pub update: UpdateResource<PolicyDraft>,
    /// Whether live keys may lose something.
    pub force: bool,
}

/// A workspace as it was sent.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceDraft {
    /// The title.
    pub title: String,
    /// The policy's name.
    pub policy: String,
    /// The plan.
    pub plan: String,
}

/// A principal as it was sent.
#[derive(Clone, Debug, Default)]
pub struct PrincipalDraft {
    /// The title.
    pub title: String,
    /// What kind of owner. None: not said, or unknown.
    pub kind: Option<PrincipalKind>,
    /// The role.
    pub role: String,
    /// The patterns.
    pub confined_to: Vec<String>,
}

/// Asks to make a principal.
#[derive(Clone, Debug)]
pub struct CreatePrincipal {
    /// The workspace's name.
    pub parent: String,
    /// The last part of its name.
    pub id: String,
    /// What it is to be.
    pub draft: PrincipalDraft,
    /// How.
    pub intent: Intent,
}

/// A grant as it was sent.
#[derive(Clone, Debug, Default)]
pub struct GrantDraft {
    /// The scope.
    pub scope: String,
    /// The pattern. Empty: all resources.
    pub resource: String,
}

/// A key as it was sent.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// The title.
    pub title: String,
    /// The key type.
    pub key_type: String,
    /// The owner's name.
    pub principal: String,
    /// The grants.
    pub grants: Vec<GrantDraft>,
    /// The patterns.
    pub constraint: Vec<String>,
    /// The networks.
    pub allowed_cidrs: Vec<String>,
    /// The end.
    pub expiration: Expiration,
    /// The plan.
    pub plan: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

/// Asks to make a key.
#[derive(Clone, Debug)]
pub struct CreateKey {
    /// The workspace's name.
    pub parent: String,
    /// The last part of its name. Empty: any.
    pub id: String,
    /// What it is to be.
    pub draft: KeyDraft,
    /// Presets to expand.
    pub presets: Vec<String>,
    /// The key on whose behalf. Empty: none.
    pub minting_key: String,
    /// How.
    pub intent: Intent,
}

/// Asks to make several keys, all or none.
#[derive(Clone, Debug)]
pub struct BatchCreateKeys {
    /// The workspace's name.
    pub parent: String,
    /// What each is to be. Their own intents say nothing.
    pub requests: Vec<CreateKey>,
    /// How.
    pub intent: Intent,
}

/// Asks to end several keys, all or none.
#[derive(Clone, Debug, Default)]
pub struct BatchRevokeKeys {
    /// The workspace's name.
    pub parent: String,
    /// Which ones.
    pub names: Vec<String>,
    /// How.
    pub intent: Intent,
}

/// Asks to change a key.
pub type UpdateKey = UpdateResource<KeyDraft>;

/// Asks for a new secret.
#[derive(Clone, Debug, Default)]
pub struct RotateKey {
    /// Of which key, and how.
    pub named: Named,
    /// How long the old one still works.
    pub grace: Option<Duration>,
    /// What could not be read, with its field.
    pub unread: Vec<(String, String)>,
}

/// Which keys to list.
#[derive(Clone, Debug)]
pub struct KeyFilter {
    /// The workspace's name.
    pub parent: String,
    /// The states. Empty: ACTIVE.
    pub states: Vec<KeyState>,
    /// What of the filter could not be read, with its field.
    pub unread: Vec<(String, String)>,
    /// A part of the title.
    pub title_part: String,
    /// A key type. Empty: any.
    pub key_type: String,
    /// An owner's name. Empty: any.
    pub principal: String,
    /// A scope. Empty: any.
    pub scope: String,
    /// An end before this moment.
    pub expiring_before: Option<Timestamp>,
    /// Never used.
    pub never_used: bool,
    /// Not used from this moment on.
    pub unused_since: Option<Timestamp>,
    /// Due for rotation.
    pub rotation_due: bool,
    /// The order.
    pub order: KeyOrder,
    /// Whether the other way round.
    pub descending: bool,
    /// Which page.
    pub paging: Paging,
}

/// Which events to list.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// The workspace's name. Empty: all.
    pub parent: String,
    /// What changed.
    pub subject: String,
    /// Who changed it.
    pub actor: String,
    /// The kinds. Empty: all.
    pub kinds: Vec<Kind>,
    /// What of the filter could not be read, with its field.
    pub unread: Vec<(String, String)>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Which page.
    pub paging: Paging,
}

/// Which usage to report.
#[derive(Clone, Debug)]
pub struct UsageFilter {
    /// The name of a workspace or of a key.
    pub name: String,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment. None: now.
    pub until: Option<Timestamp>,
    /// In steps of this width.
    pub step: Step,
    /// How many of the most used keys; 0 for the default.
    pub top_keys: i32,
    /// What could not be read, with its field.
    pub unread: Vec<(String, String)>,
}

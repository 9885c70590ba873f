//! The rules of one product, as they are written down. [`compiled`] checks them
//! and turns them into numbers.

pub mod compiled;
pub mod effects;
pub mod explain;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    name::Title,
    principal::PrincipalKind,
    resource::{Grammar, ResourceType},
};

pub use compiled::CompiledPolicy;

/// The largest policy, in bytes as JSON.
pub const SIZE_MAX: usize = 1024 * 1024;
/// The most scopes of a policy.
pub const SCOPES_MAX: usize = 5_000;
/// The most scopes or globs that one scope implies.
pub const IMPLIES_MAX: usize = 100;
/// The most that all scopes of a policy imply together.
pub const IMPLIES_TOTAL_MAX: usize = 10_000;
/// The most roles of a policy.
pub const ROLES_MAX: usize = 500;
/// The most scopes or globs of all roles of a policy together.
pub const ROLE_SCOPES_TOTAL_MAX: usize = 10_000;
/// The most key types of a policy.
pub const KEY_TYPES_MAX: usize = 20;
/// The most implications with a hole of a policy.
pub const IMPLICATIONS_MAX: usize = 100;
/// The most forms that all implications of a policy imply together.
pub const FORMS_TOTAL_MAX: usize = 200;
/// The most presets of a policy.
pub const PRESETS_MAX: usize = 100;
/// The most scopes or globs of all presets of a policy together.
pub const PRESET_SCOPES_TOTAL_MAX: usize = 10_000;
/// The most types of resource of a policy, and values of a segment.
pub const RESOURCE_TYPES_MAX: usize = 100;
/// The most plans of a policy, and limits of a plan.
pub const PLANS_MAX: usize = 100;
/// The largest quota or burst of a rate.
pub const QUOTA_MAX: u64 = 1_000_000_000;
/// The longest description, in characters. None of them is a control or a change of
/// writing direction.
pub const DESCRIPTION_LENGTH_MAX: usize = 500;

/// A policy as it is written down, not yet checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// For people.
    pub title: Title,
    /// Every scope of the product.
    pub scopes: Vec<Scope>,
    /// Rules with one hole that spare a catalogue from repeating itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub implications: Vec<Implication>,
    /// Named lists of scopes, expanded when a key is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<Preset>,
    /// Ceilings over principals. None: principals have no ceiling.
    pub roles: Vec<Role>,
    /// How resource paths are written.
    pub resources: Grammar,
    /// What the segments of a path are. None: any path is a resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_types: Vec<ResourceType>,
    /// The kinds of key.
    pub key_types: Vec<KeyType>,
    /// How long keys live.
    pub expiry: ExpiryRule,
    /// How often secrets are due for rotation.
    #[serde(default, skip_serializing_if = "RotationRule::is_default")]
    pub rotation: RotationRule,
    /// Whether what is outside a constraint is not there rather than forbidden.
    pub hide_existence: bool,
    /// What it is called when a key holds a scope on other resources only.
    pub unmatched_resource: UnmatchedResource,
    /// Rate limits by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<Plan>,
}

impl Policy {
    /// The plan of a name.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }
}

/// One thing that a key may be allowed to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Unique in the policy.
    pub name: String,
    /// For people.
    pub description: String,
    /// Names, or globs, of what a holder may do too. A glob has one `*`.
    pub implies: Vec<String>,
    /// Whether no glob, preset or rule with a hole reaches it, nor over it what it implies.
    pub isolated: bool,
    /// The class of its calls for rate limits. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class: String,
}

/// Whoever holds a scope of one form holds those of the others, with the same text in
/// the hole `{x}`, where they exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Implication {
    /// The form of what is held.
    pub scope: String,
    /// The forms of what it implies.
    pub implies: Vec<String>,
}

/// A named list of scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Unique in the policy.
    pub name: String,
    /// For people.
    pub description: String,
    /// Names or globs.
    pub scopes: Vec<String>,
}

/// What principals of a role may do at the most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Unique in the policy.
    pub name: String,
    /// For people.
    pub description: String,
    /// Names or globs. A glob has one `*`.
    pub scopes: Vec<String>,
    /// The kinds of principal that may have it. Empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub principal_kinds: Vec<PrincipalKind>,
}

/// A kind of key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyType {
    /// Unique in the policy.
    pub name: String,
    /// For people.
    pub description: String,
    /// What its secrets start with.
    pub prefix: String,
    /// Whether such keys must have an owner.
    pub requires_principal: bool,
    /// Whether keys are of this type when nothing is said.
    pub is_default: bool,
    /// The kinds of principal that such keys may belong to. Empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub principal_kinds: Vec<PrincipalKind>,
}

/// How long keys live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpiryRule {
    /// The time to live of a key made without one.
    pub default_ttl: Option<Duration>,
    /// The longest time to live.
    pub max_ttl: Option<Duration>,
    /// Whether keys that never expire are refused.
    pub required: bool,
}

/// How often secrets are due for rotation, and how long old ones go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationRule {
    /// The age at which a secret is due.
    pub due_after: Option<Duration>,
    /// How long an old secret works where nothing is said. None: not at all.
    pub default_grace: Option<Duration>,
    /// How long an old secret may work at the most. None: not at all.
    pub max_grace: Option<Duration>,
}

impl RotationRule {
    /// Whether it says nothing. What says nothing is not written: the version before, to which
    /// one may go back, refuses what it does not know.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Rate limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Unique in the policy.
    pub name: String,
    /// For people.
    pub description: String,
    /// The limits of one key.
    pub key_limits: Vec<RateLimit>,
    /// The limits of all keys of a workspace together.
    pub workspace_limits: Vec<RateLimit>,
}

/// A rate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// What answers call it; unique in its list.
    pub name: String,
    /// The class of calls that it counts. Empty: all.
    pub class: String,
    /// How much cost is allowed in a window.
    pub quota: u64,
    /// The window.
    pub window: Duration,
    /// How much may come at once. 0: the quota.
    pub burst: u64,
}

/// What it is called when a key holds a required scope on other resources only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnmatchedResource {
    /// The scope is missing.
    #[default]
    InsufficientScope,
    /// The resource is not there.
    NotFound,
}

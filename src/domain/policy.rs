//! The rules of one product, as they are written down. [`compiled`] checks them
//! and turns them into numbers.

pub mod compiled;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{name::Title, resource::Grammar};

pub use compiled::CompiledPolicy;

/// The most scopes of a policy.
pub const SCOPES_MAX: usize = 1_000;
/// The most scopes or globs that one scope implies.
pub const IMPLIES_MAX: usize = 100;
/// The most that all scopes of a policy imply together.
pub const IMPLIES_TOTAL_MAX: usize = 10_000;
/// The most roles of a policy.
pub const ROLES_MAX: usize = 100;
/// The most scopes or globs of all roles of a policy together.
pub const ROLE_SCOPES_TOTAL_MAX: usize = 10_000;
/// The most key types of a policy.
pub const KEY_TYPES_MAX: usize = 20;
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
    /// Ceilings over principals. None: principals have no ceiling.
    pub roles: Vec<Role>,
    /// How resource paths are written.
    pub resources: Grammar,
    /// The kinds of key.
    pub key_types: Vec<KeyType>,
    /// How long keys live.
    pub expiry: ExpiryRule,
    /// Whether what is outside a constraint is not there rather than forbidden.
    pub hide_existence: bool,
    /// What it is called when a key holds a scope on other resources only.
    pub unmatched_resource: UnmatchedResource,
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
    /// Whether no glob reaches it, nor over it what it implies.
    pub isolated: bool,
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

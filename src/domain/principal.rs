//! Owners of keys.

use serde::{Deserialize, Serialize};

use super::name::{PrincipalName, Title};

/// The most patterns that confine a principal.
pub const CONFINED_TO_MAX: usize = 100;

/// Who owns keys. Its role is a ceiling over each of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Which one.
    pub name: PrincipalName,
    /// For people.
    pub title: Title,
    /// What kind of owner. Never changes.
    pub kind: PrincipalKind,
    /// A role of the policy. Empty only where the policy had none.
    pub role: String,
    /// Resource patterns outside which none of its keys reaches. Empty: not confined.
    pub confined_to: Vec<String>,
    /// Whether none of its keys works.
    pub disabled: bool,
}

/// What kind of owner a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A group of people.
    Team,
    /// A program.
    Service,
}

//! Owners of keys.

use std::fmt;

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
    /// Whether it is gone, for ever. Then it is disabled, too, and stays for the keys that ended
    /// before: its name is not given again, so that none of them ever gets another owner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
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

impl PrincipalKind {
    /// Whether it is among the kinds that something is for; for none is for any.
    ///
    /// # Errors
    ///
    /// What is wrong with it, where it is not.
    pub fn is_among(self, kinds: &[Self]) -> Result<(), WrongKind> {
        if kinds.is_empty() || kinds.contains(&self) {
            Ok(())
        } else {
            Err(WrongKind { found: self, wanted: kinds.to_vec() })
        }
    }
}

impl fmt::Display for PrincipalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "USER",
            Self::Team => "TEAM",
            Self::Service => "SERVICE",
        })
    }
}

/// A principal is of another kind than something is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongKind {
    found: PrincipalKind,
    wanted: Vec<PrincipalKind>,
}

impl fmt::Display for WrongKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted: Vec<String> = self.wanted.iter().map(ToString::to_string).collect();
        write!(f, "is for principals of the kind {}, not {}", wanted.join(" or "), self.found)
    }
}

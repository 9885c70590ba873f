//! Tenants.

use serde::{Deserialize, Serialize};

use super::name::{PolicyName, Title, WorkspaceName};

/// A tenant. No key reaches another workspace than its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Which one.
    pub name: WorkspaceName,
    /// For people.
    pub title: Title,
    /// The rules that its keys follow. Never changes.
    pub policy: PolicyName,
    /// A plan of the policy, for its keys. Empty: none.
    pub plan: String,
    /// Whether none of its keys works.
    pub suspended: bool,
}

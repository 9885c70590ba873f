//! What is built in: the policy and the workspace `system`, whose keys are the
//! callers of Keyward itself.

use std::fmt;

use super::{
    name::{Id, PolicyName, Title, WorkspaceName},
    policy::{KeyType, Policy, Scope},
    workspace::Workspace,
};

/// What the secrets of callers start with.
pub const PREFIX: &str = "keyward";

macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident = $name:literal, $description:literal, [$($implies:literal),*];)+) => {
        /// A scope of the policy `system`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SystemScope {
            $($(#[$doc])* $scope,)+
        }

        impl SystemScope {
            /// How many there are.
            pub const COUNT: usize = [$($name),+].len();
            /// Every one, in their order.
            pub const ALL: &'static [Self; Self::COUNT] = &[$(Self::$scope),+];

            /// Its name in the policy.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$scope => $name,)+
                }
            }
        }

        fn scopes() -> Vec<Scope> {
            vec![$(Scope {
                name: $name.to_owned(),
                description: $description.to_owned(),
                implies: vec![$($implies.to_owned()),*],
                isolated: false,
                class: String::new(),
            }),+]
        }
    };
}

scopes! {
    /// Ask whose a secret is and what it may do.
    Introspect = "introspect", "Ask whose a secret is and what it may do.", [];
    /// Read keys, and what is needed to understand them.
    KeysRead = "keys:read", "Read keys, and the policies, workspaces and principals that they belong to.",
        ["policies:read", "workspaces:read", "principals:read"];
    /// Make, change, rotate and revoke keys.
    KeysWrite = "keys:write", "Make, change, rotate and revoke keys.", ["keys:read"];
    /// Read policies.
    PoliciesRead = "policies:read", "Read policies.", [];
    /// Make and change policies.
    PoliciesWrite = "policies:write", "Make and change policies.", ["policies:read"];
    /// Read workspaces.
    WorkspacesRead = "workspaces:read", "Read workspaces.", [];
    /// Make, change, suspend and resume workspaces.
    WorkspacesWrite = "workspaces:write", "Make, change, suspend and resume workspaces.", ["workspaces:read"];
    /// Read principals.
    PrincipalsRead = "principals:read", "Read principals.", [];
    /// Make, change, disable and enable principals.
    PrincipalsWrite = "principals:write", "Make, change, disable and enable principals.", ["principals:read"];
    /// Read how often keys were used.
    UsageRead = "usage:read", "Read how often keys were used.", [];
    /// Read the log of changes.
    EventsRead = "events:read", "Read the log of changes.", [];
    /// Everything.
    All = "*", "Everything.", ["*"];
}

impl fmt::Display for SystemScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of the built-in policy.
pub fn policy_name() -> PolicyName {
    PolicyName { policy: Id::system() }
}

/// The name of the built-in workspace.
pub fn workspace_name() -> WorkspaceName {
    WorkspaceName { workspace: Id::system() }
}

/// The built-in policy. Callers bound to some resources are told of no others.
pub fn policy() -> Policy {
    let key_type = KeyType {
        name: "caller".to_owned(),
        description: "A backend or an operator that calls Keyward.".to_owned(),
        prefix: PREFIX.to_owned(),
        requires_principal: false,
        is_default: true,
        principal_kinds: Vec::new(),
    };
    Policy {
        title: Title::default(),
        scopes: scopes(),
        key_types: vec![key_type],
        hide_existence: true,
        ..Policy::default()
    }
}

/// The built-in workspace.
pub fn workspace() -> Workspace {
    Workspace {
        name: workspace_name(),
        title: Title::default(),
        policy: policy_name(),
        plan: String::new(),
        suspended: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{fault::Faults, policy::CompiledPolicy};

    #[test]
    fn the_built_in_policy_has_no_fault_and_knows_every_scope() {
        let mut faults = Faults::new();
        let compiled = CompiledPolicy::compile(policy(), "policy", &mut faults);
        assert_eq!(faults.finish(), Ok(()));
        for scope in SystemScope::ALL {
            let by_name = compiled.as_ref().and_then(|policy| policy.scope(scope.as_str()));
            assert!(by_name.is_some(), "{}", scope.as_str());
            let by_number = compiled.as_ref().and_then(|policy| policy.built_in(*scope));
            assert_eq!(by_number, by_name, "{}", scope.as_str());
        }
    }
}

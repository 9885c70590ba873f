//! A key as it was sent, read under the rules of its policy.

use std::collections::HashSet;

use crate::{
    admin::{GrantDraft, KeyDraft, Mask, workspaces::check_plan},
    domain::{
        fault::{Faults, nearest},
        key::{CIDRS_MAX, CONSTRAINT_MAX, Expiration, GRANTS_MAX, Grant, Key, check_labels},
        name::{Id, KeyName, PrincipalName, Title, WorkspaceName},
        network::AllowedNetworks,
        policy::{CompiledPolicy, compiled::unknown},
        time::Timestamp,
    },
};

/// What a key without grants lacks.
const GRANTS_REQUIRED: &str = "is required: a key holds at least one scope";

impl KeyDraft {
    /// The key that is meant, of no name yet, where nothing is wrong with it.
    pub(super) fn read(
        &self,
        parent: &WorkspaceName,
        policy: &CompiledPolicy,
        with_presets: bool,
        now: Timestamp,
        faults: &mut Faults,
    ) -> Option<Key> {
        let nameless =
            KeyName { workspace: parent.workspace.clone(), key: parent.workspace.clone() };
        let key_type = self.read_type(policy, faults);
        let principal = self.read_principal(policy, faults);
        let blank = Key {
            name: nameless,
            title: Title::default(),
            key_type: key_type?,
            principal,
            grants: Vec::new(),
            constraint: Vec::new(),
            allowed_cidrs: AllowedNetworks::default(),
            expire_time: None,
            plan: String::new(),
            labels: self.labels.clone(),
            minting_key: None,
            revoke_time: None,
        };
        if self.grants.is_empty() && !with_presets {
            faults.note("key.grants", GRANTS_REQUIRED);
        }
        Some(self.merge(&blank, &Mask::All, policy, now, faults))
    }

    /// The named fields of the draft over `base`; a wrong one is noted and left as it was.
    pub(super) fn merge(
        &self,
        base: &Key,
        mask: &Mask,
        policy: &CompiledPolicy,
        now: Timestamp,
        faults: &mut Faults,
    ) -> Key {
        let mut key = base.clone();
        if mask.names("display_name", !self.title.is_empty()) {
            key.title = self.read_title(faults).unwrap_or_default();
        }
        if mask.names("grants", !self.grants.is_empty()) {
            if self.grants.is_empty() && !base.grants.is_empty() {
                faults.note("key.grants", GRANTS_REQUIRED);
            }
            key.grants = self.read_grants(policy, faults);
        }
        if mask.names("constraint", !self.constraint.is_empty()) {
            key.constraint = self.read_constraint(policy, faults);
        }
        if mask.names("allowed_cidrs", !self.allowed_cidrs.is_empty()) {
            key.allowed_cidrs = self.read_networks(faults).unwrap_or_default();
        }
        if self.names_expiration(mask) {
            if self.expiration == Expiration::Default && base.expire_time.is_some() {
                let rule = "give expire_time or ttl, or never_expires: true to lift the end";
                faults.note("key.expire_time", rule);
            }
            let end = self.expiration.resolve(&policy.document().expiry, now);
            key.expire_time = faults.take("key.expire_time", end).flatten();
        }
        if mask.names("plan", !self.plan.is_empty()) {
            check_plan(&self.plan, policy.document(), "key.plan", faults);
            key.plan.clone_from(&self.plan);
        }
        if mask.names("labels", !self.labels.is_empty()) {
            check_labels(&self.labels, "key.labels", faults);
            key.labels.clone_from(&self.labels);
        }
        key
    }

    /// Notes what is wrong whatever the policy.
    pub(super) fn check_form(&self, faults: &mut Faults) {
        self.read_title(faults);
        self.read_networks(faults);
        check_labels(&self.labels, "key.labels", faults);
    }

    fn names_expiration(&self, mask: &Mask) -> bool {
        let given = self.expiration != Expiration::Default;
        ["expire_time", "ttl", "never_expires"].into_iter().any(|field| mask.names(field, given))
    }

    fn read_title(&self, faults: &mut Faults) -> Option<Title> {
        let title = faults.take("key.display_name", self.title.parse::<Title>())?;
        if title.is_empty() {
            faults.note("key.display_name", "is required: say where the key runs");
        }
        Some(title)
    }

    fn read_type(&self, policy: &CompiledPolicy, faults: &mut Faults) -> Option<String> {
        let found = policy.key_type(&self.key_type);
        if found.is_none() {
            let types = policy.document().key_types.iter().map(|kind| kind.name.as_str());
            faults.note(
                "key.type",
                unknown("key type", &self.key_type, nearest(&self.key_type, types)),
            );
        }
        // An unknown type is a fault already; the others are still to be found.
        Some(found.map(|kind| kind.name.clone()).unwrap_or_default())
    }

    fn read_principal(&self, policy: &CompiledPolicy, faults: &mut Faults) -> Option<Id> {
        if self.principal.is_empty() {
            if let Some(kind) =
                policy.key_type(&self.key_type).filter(|kind| kind.requires_principal)
            {
                faults.note(
                    "key.principal",
                    format_args!("is required for keys of the type {:?}", kind.name),
                );
            }
            return None;
        }
        let name = faults.take("key.principal", self.principal.parse::<PrincipalName>())?;
        Some(name.principal)
    }

    fn read_grants(&self, policy: &CompiledPolicy, faults: &mut Faults) -> Vec<Grant> {
        let mut grants = Vec::new();
        let mut known = HashSet::new();
        if !faults.bound("key.grants", self.grants.len(), GRANTS_MAX) {
            return grants;
        }
        for (place, GrantDraft { scope, resource }) in self.grants.iter().enumerate() {
            if policy.scope(scope).is_none() {
                let hint = faults.wants_hint().then(|| policy.nearest_scope(scope)).flatten();
                let description = unknown("scope", scope, hint);
                faults.note(format!("key.grants[{place}].scope"), description);
            }
            if !resource.is_empty() {
                let pattern = policy.pattern(resource);
                faults.take(format!("key.grants[{place}].resource"), pattern);
            }
            if known.insert((scope, resource)) {
                let resource = Some(resource.clone()).filter(|text| !text.is_empty());
                grants.push(Grant { scope: scope.clone(), resource });
            }
        }
        grants
    }

    fn read_constraint(&self, policy: &CompiledPolicy, faults: &mut Faults) -> Vec<String> {
        if faults.bound("key.constraint", self.constraint.len(), CONSTRAINT_MAX) {
            for (place, text) in self.constraint.iter().enumerate() {
                let parsed = policy.constraint(text);
                faults.take(format!("key.constraint[{place}]"), parsed);
            }
        }
        self.constraint.clone()
    }

    fn read_networks(&self, faults: &mut Faults) -> Option<AllowedNetworks> {
        if !faults.bound("key.allowed_cidrs", self.allowed_cidrs.len(), CIDRS_MAX) {
            return None;
        }
        match AllowedNetworks::parse(self.allowed_cidrs.iter().map(String::as_str)) {
            // `*` is stored as two: what is read must fit when it is put back.
            Ok(networks) => faults
                .bound("key.allowed_cidrs", networks.iter().count(), CIDRS_MAX)
                .then_some(networks),
            Err(wrong) => {
                for (place, error) in wrong {
                    faults.note(format!("key.allowed_cidrs[{place}]"), error);
                }
                None
            }
        }
    }
}

//! A key as decisions need it: joined with its workspace, principal and policy,
//! patterns parsed, scopes numbered.

mod plans;
mod record;
mod size;
mod within;

use std::{collections::HashMap, hint::black_box, net::IpAddr, sync::Arc};

pub use record::Told;
pub(super) use size::block;

use super::{
    event::Revision,
    key::{Key, KeyState},
    name::{KeyName, PolicyName, PrincipalName},
    network::Ranges,
    policy::CompiledPolicy,
    principal::Principal,
    resource::{Grammar, Path, Pattern},
    scope::{ScopeId, ScopeSet},
    time::Timestamp,
    workspace::Workspace,
};
use record::Record;

/// A value with what the log says of its last change.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T> {
    /// The value.
    pub value: T,
    /// The event that changed it last.
    pub revision: Revision,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was changed last.
    pub update_time: Timestamp,
}

impl<T> Stored<T> {
    /// What the log says, without the value.
    pub fn stamp(&self) -> Stored<()> {
        self.with(())
    }

    /// What the log says, of another value.
    pub fn with<U>(&self, value: U) -> Stored<U> {
        Stored {
            value,
            revision: self.revision,
            create_time: self.create_time,
            update_time: self.update_time,
        }
    }
}

/// All that a decision about one secret rests on, of one moment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The key that the secret is of.
    pub key: Stored<Key>,
    /// From when on the secret no longer works, because a newer one replaced it.
    pub replaced: Option<Timestamp>,
    /// Where the key is. One for all keys of a workspace that are kept.
    pub workspace: Arc<Stored<Workspace>>,
    /// Who owns it. One for all keys of a principal that are kept.
    pub principal: Option<Arc<Stored<Principal>>>,
    /// The name of the policy, and the event that changed it last.
    pub policy: (PolicyName, Revision),
}

/// Facts, compiled: what decisions need first, what is shared with other keys behind pointers,
/// and the rest of the record in one block of memory.
#[derive(Debug)]
pub struct LiveKey {
    revision: Revision,
    replaced: Option<Timestamp>,
    expire_time: Option<Timestamp>,
    revoke_time: Option<Timestamp>,
    is_enabled: bool,
    /// About how many bytes of memory it takes.
    size: u32,
    policy: Arc<CompiledPolicy>,
    /// perms(role) ∩ the scopes granted on all resources.
    everywhere: ScopeSet,
    /// perms(role) ∩ the scopes granted on some; each pattern once.
    somewhere: Box<[(Pattern, ScopeSet)]>,
    constraint: Bound,
    confinement: Bound,
    networks: Ranges,
    name: KeyName,
    workspace: Arc<Stored<Workspace>>,
    principal: Option<Arc<Stored<Principal>>>,
    policy_stamp: (PolicyName, Revision),
    record: Stored<Record>,
    plans: plans::Plans,
}

/// Patterns outside which nothing is reached; or no such bound.
#[derive(Debug)]
struct Bound(Option<Box<[Pattern]>>);

impl Bound {
    /// The bound that a list means. A pattern that the grammar no longer reads
    /// reaches nothing: it must not turn a bounded key into an unbounded one.
    fn new(grammar: &Grammar, patterns: &[String]) -> Self {
        let parse = |text: &String| Pattern::parse_constraint(grammar, text).ok();
        Self((!patterns.is_empty()).then(|| patterns.iter().filter_map(parse).collect()))
    }

    fn admits(&self, resource: Option<&Path<'_>>) -> bool {
        let inside =
            |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(resource));
        self.0.as_deref().is_none_or(inside)
    }
}

impl LiveKey {
    /// Compiles facts under the policy that they name.
    pub fn new(facts: Facts, policy: Arc<CompiledPolicy>) -> Self {
        let grammar = &policy.document().resources;
        let ceiling = facts.principal.as_ref().map(|principal| &principal.value.role);
        let ceiling = ceiling.and_then(|role| policy.ceiling(role));
        let under = |set: &ScopeSet| match &ceiling {
            Some(ceiling) => set.intersection(ceiling),
            None => set.clone(),
        };
        let Facts { key, replaced, workspace, principal, policy: mut policy_stamp } = facts;
        let mut everywhere = ScopeSet::new();
        let mut somewhere: Vec<(Pattern, ScopeSet)> = Vec::new();
        // Where among them each pattern is: a key may have a thousand.
        let mut places = HashMap::new();
        for grant in &key.value.grants {
            let Some(closure) = policy.closure(&grant.scope) else { continue };
            let Some(text) = &grant.resource else {
                everywhere.extend(&under(closure));
                continue;
            };
            let same = places.get(text).and_then(|place: &usize| somewhere.get_mut(*place));
            if let Some((_, scopes)) = same {
                scopes.extend(&under(closure));
            } else if let Ok(pattern) = Pattern::parse(grammar, text) {
                places.insert(text, somewhere.len());
                somewhere.push((pattern, under(closure)));
            }
        }
        let constraint = Bound::new(grammar, &key.value.constraint);
        let confined = principal.as_ref().map(|principal| &*principal.value.confined_to);
        let confinement = Bound::new(grammar, confined.unwrap_or_default());
        let plans = plans::Plans::new(&key.value, &workspace.value, &policy);
        let mut name = key.value.name.clone();
        if name.workspace == workspace.value.name.workspace {
            // The same text, and one block of memory for all keys of the workspace.
            name.workspace = workspace.value.name.workspace.clone();
        }
        if policy_stamp.0 == workspace.value.policy {
            policy_stamp.0 = workspace.value.policy.clone();
        }
        let live = Self {
            revision: newest(&key, &workspace, principal.as_deref(), policy_stamp.1),
            replaced,
            expire_time: key.value.expire_time,
            revoke_time: key.value.revoke_time,
            is_enabled: is_enabled(&workspace.value, principal.as_deref()),
            size: 0,
            everywhere,
            somewhere: somewhere.into(),
            constraint,
            confinement,
            networks: key.value.allowed_cidrs.ranges(),
            name,
            workspace,
            principal,
            policy_stamp,
            plans,
            record: key.with(Record::new(&key.value, &policy)),
            policy,
        };
        Self { size: u32::try_from(live.measured()).unwrap_or(u32::MAX), ..live }
    }

    /// What it was made of, put together again: not for the path of every request.
    pub fn facts(&self) -> Facts {
        Facts {
            key: self.record.with(self.key()),
            replaced: self.replaced,
            workspace: Arc::clone(&self.workspace),
            principal: self.principal.clone(),
            policy: self.policy_stamp.clone(),
        }
    }

    /// The key's record, put together again: not for the path of every request.
    pub fn key(&self) -> Key {
        let told = self.told();
        Key {
            name: self.name.clone(),
            // They were parsed before they were packed.
            title: told.title.parse().unwrap_or_default(),
            key_type: told.key_type.to_owned(),
            principal: told.principal.parse().ok(),
            grants: told.grants_owned(),
            constraint: told.constraint().map(str::to_owned).collect(),
            allowed_cidrs: told.allowed_cidrs(),
            expire_time: self.expire_time,
            plan: told.plan.to_owned(),
            labels: told.labels_owned(),
            minting_key: told.minting_key.parse().ok(),
            revoke_time: self.revoke_time,
        }
    }

    /// The key's record without what has a method of its own, read where it is.
    pub fn told(&self) -> Told<'_> {
        self.record.value.told(&self.policy)
    }

    /// The key's name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its owner's name.
    pub fn owner(&self) -> Option<PrincipalName> {
        let principal = self.told().principal.parse().ok()?;
        Some(PrincipalName { workspace: self.name.workspace.clone(), principal })
    }

    /// The key's own plan. Empty: the workspace's.
    pub fn plan(&self) -> &str {
        self.record.value.plan()
    }

    /// From when on it no longer works. None: never.
    pub fn expire_time(&self) -> Option<Timestamp> {
        self.expire_time
    }

    /// Where it is.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace.value
    }

    /// The name of the policy that it follows.
    pub fn policy_name(&self) -> &PolicyName {
        &self.policy_stamp.0
    }

    /// The policy that it follows.
    pub fn policy(&self) -> &CompiledPolicy {
        &self.policy
    }

    /// From when on its secret, the one that it was found by, no longer works. None: for ever.
    pub fn replaced(&self) -> Option<Timestamp> {
        self.replaced
    }

    /// Whether its secret, the one that it was found by, was replaced.
    pub fn is_replaced(&self, now: Timestamp) -> bool {
        self.replaced.is_some_and(|end| now >= end)
    }

    /// Has the processor read what decisions look at first: of several keys it fetches that together
    /// where nothing is decided in between.
    pub fn bring_near(&self) {
        let Self { replaced, expire_time, revoke_time, is_enabled, .. } = self;
        let Self { everywhere, somewhere, constraint, confinement, networks, plans, .. } = self;
        black_box((*replaced, *expire_time, *revoke_time, *is_enabled, plans.marks()));
        let bounds = (constraint.0.is_some(), confinement.0.is_some());
        black_box((everywhere.is_empty(), somewhere.is_empty(), bounds, networks.lowest()));
    }

    /// Whether it works at `now`, as far as the key alone tells.
    pub fn state(&self, now: Timestamp) -> KeyState {
        KeyState::new(self.revoke_time, self.expire_time, now)
    }

    /// Whether its workspace and its principal let its keys work. A version that knows of no
    /// deletion may enable a principal that was deleted: its keys stay without one.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Whether a client may use it from there. None: it is not known from where.
    pub fn permits(&self, client: Option<IpAddr>) -> bool {
        self.networks.is_empty() || client.is_some_and(|client| self.networks.permits(client))
    }

    /// The newest change that it rests on.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether the resource is inside what the key and its principal are bound to.
    pub fn admits(&self, resource: Option<&Path<'_>>) -> bool {
        self.constraint.admits(resource) && self.confinement.admits(resource)
    }

    /// Whether it may do this on the resource: the test of a bit, and of one more for each
    /// pattern that matches.
    pub fn holds(&self, scope: ScopeId, resource: Option<&Path<'_>>) -> bool {
        let here = |(pattern, scopes): &(Pattern, ScopeSet)| {
            scopes.contains(scope) && pattern.matches(resource)
        };
        self.everywhere.contains(scope) || self.somewhere.iter().any(here)
    }

    /// Whether it may do this on some resource.
    pub fn holds_somewhere(&self, scope: ScopeId) -> bool {
        self.everywhere.contains(scope)
            || self.somewhere.iter().any(|(_, scopes)| scopes.contains(scope))
    }

    /// Whether it may do this on all resources there are.
    pub fn holds_everywhere(&self, scope: ScopeId) -> bool {
        self.everywhere.contains(scope)
            && self.constraint.0.is_none()
            && self.confinement.0.is_none()
    }

    /// What it may do on the resource: perms(role) ∩ scopes(key), where a pattern matches.
    pub fn scopes_on(&self, resource: Option<&Path<'_>>) -> ScopeSet {
        let mut scopes = self.everywhere.clone();
        for (pattern, more) in &self.somewhere {
            if pattern.matches(resource) {
                scopes.extend(more);
            }
        }
        scopes
    }

    /// What it may do on any resource at all.
    pub fn scopes_anywhere(&self) -> ScopeSet {
        let mut scopes = self.everywhere.clone();
        for (_, more) in &self.somewhere {
            scopes.extend(more);
        }
        scopes
    }
}

fn newest(
    key: &Stored<Key>,
    workspace: &Stored<Workspace>,
    principal: Option<&Stored<Principal>>,
    policy: Revision,
) -> Revision {
    let principal = principal.map(|principal| principal.revision).unwrap_or_default();
    key.revision.max(workspace.revision).max(policy).max(principal)
}

fn is_enabled(workspace: &Workspace, principal: Option<&Stored<Principal>>) -> bool {
    let disabled = |Stored { value, .. }: &Stored<Principal>| value.disabled || value.deleted;
    !workspace.suspended && !principal.is_some_and(disabled)
}

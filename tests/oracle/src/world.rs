//! What decisions are about, and how it is made up.

mod dump;
mod keys;
mod policies;

use std::{net::IpAddr, sync::Arc};

use keyward::domain::{
    decision::{Inquiry, InvalidInquiry},
    event::Revision,
    fault::Faults,
    key::Key,
    live::{Facts, LiveKey, Stored},
    policy::{CompiledPolicy, Policy},
    principal::Principal,
    resource::Path,
    time::Timestamp,
    workspace::Workspace,
};

use crate::rules::decisions::Answer;

pub(crate) use dump::of as dump;
pub(crate) use keys::{CLIENTS, any_key, any_pattern, any_request, plain_key, principal};
pub(crate) use policies::{any_policy, plain_policy};

/// The moment around which everything happens.
pub(crate) const NOW: i64 = 1_000_000;

/// A key with all that a decision about it rests on.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) policy: Policy,
    pub(crate) key: Key,
    pub(crate) principal: Option<Principal>,
    pub(crate) suspended: bool,
    pub(crate) replaced: Option<Timestamp>,
}

/// What is asked of it.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) now: Timestamp,
    pub(crate) client: Option<IpAddr>,
    pub(crate) required: Vec<String>,
    pub(crate) resource: Option<String>,
}

/// Texts, owned.
pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A policy under the engine, or nothing where it refuses it.
pub(crate) fn compile(policy: &Policy) -> Option<Arc<CompiledPolicy>> {
    let mut faults = Faults::new();
    CompiledPolicy::compile(policy.clone(), "policy", &mut faults).map(Arc::new)
}

impl Case {
    /// The case under the engine.
    pub(crate) fn live(&self, policy: &Arc<CompiledPolicy>) -> LiveKey {
        fn stored<T>(value: T) -> Stored<T> {
            let time = Timestamp::from_micros(0);
            Stored { value, revision: Revision(1), create_time: time, update_time: time }
        }
        let workspace = Workspace {
            name: "workspaces/small".parse().unwrap(),
            title: self.key.title.clone(),
            policy: "policies/small".parse().unwrap(),
            plan: String::new(),
            suspended: self.suspended,
        };
        let facts = Facts {
            key: stored(self.key.clone()),
            replaced: self.replaced,
            workspace: stored(workspace).into(),
            principal: self.principal.clone().map(stored).map(Arc::new),
            policy: ("policies/small".parse().unwrap(), Revision(1)),
        };
        LiveKey::new(facts, Arc::clone(policy))
    }

    /// The case under the engine, the policy compiled for it alone.
    pub(crate) fn alone(&self) -> LiveKey {
        self.live(&compile(&self.policy).unwrap())
    }
}

impl Request {
    /// A request at [`NOW`] for scopes on a resource.
    pub(crate) fn new(required: &[&str], resource: Option<&str>) -> Self {
        Self {
            now: Timestamp::from_micros(NOW),
            client: None,
            required: strings(required),
            resource: resource.map(str::to_owned),
        }
    }
}

/// The answer of the engine, in the words of the definition.
pub(crate) fn answer(live: &LiveKey, request: &Request) -> Answer {
    let inquiry = Inquiry {
        client: request.client,
        required_scopes: (&request.required).into(),
        resource: request.resource.as_deref(),
        ..Inquiry::default()
    };
    match live.decide(&inquiry, request.now) {
        Ok(decision) => {
            let name = |scope: &_| live.policy().scope_name(*scope).to_owned();
            let missing: Vec<String> = decision.missing.iter().map(name).collect();
            match decision.denial {
                Some(reason) => Answer::Deny(reason, missing),
                None => Answer::Allow,
            }
        }
        Err(InvalidInquiry::UnknownScope { scope, nearest }) => {
            Answer::UnknownScope(scope, nearest)
        }
        Err(InvalidInquiry::Resource(_)) => Answer::InvalidResource,
        Err(InvalidInquiry::UnknownClass(_)) => unreachable!("no class was given"),
    }
}

/// What the key may do on a resource, as the engine has it, in the order of the policy;
/// nothing for a text that is no path.
pub(crate) fn effective<'a>(live: &'a LiveKey, resource: Option<&str>) -> Option<Vec<&'a str>> {
    let grammar = live.policy().document().resources;
    let path = resource.map(|text| Path::parse(&grammar, text)).transpose().ok()?;
    let scopes = live.scopes_on(path.as_ref());
    Some(scopes.iter().map(|scope| live.policy().scope_name(scope)).collect())
}

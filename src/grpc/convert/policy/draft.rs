//! Policies as they are sent.

use std::time::Duration;

use crate::{
    admin::PolicyDraft,
    domain::{
        name::Title,
        policy::{
            ExpiryRule, Implication, KeyType, Plan, Policy, Preset, RateLimit, Role, RotationRule,
            Scope, UnmatchedResource,
        },
        principal::PrincipalKind,
        resource::{Grammar, ResourceSegment, ResourceType},
    },
    grpc::convert::{principal::principal_kind, span},
    proto,
};

/// What could not be read of a message, with its field.
#[derive(Default)]
struct Unread(Vec<(String, String)>);

impl Unread {
    fn note(&mut self, field: impl Into<String>, description: &str) {
        self.0.push((field.into(), description.to_owned()));
    }

    /// The span in a field; a negative one is noted.
    fn span(&mut self, given: Option<prost_types::Duration>, field: String) -> Option<Duration> {
        let read = given.map(span)?;
        if read.is_none() {
            self.note(field, "must not be negative");
        }
        read
    }

    /// The number in a field; a negative one is noted.
    fn count(&mut self, given: i64, field: String) -> u64 {
        u64::try_from(given).unwrap_or_else(|_| {
            self.note(field, "must not be negative");
            0
        })
    }

    /// The kinds of principal in a field; what is none is noted.
    fn kinds(&mut self, given: &[i32], field: &str) -> Vec<PrincipalKind> {
        let mut kinds = Vec::new();
        for (place, number) in given.iter().enumerate() {
            match principal_kind(*number) {
                Some(kind) => kinds.push(kind),
                None => self.note(
                    format!("{field}.principal_kinds[{place}]"),
                    "must be USER, TEAM or SERVICE",
                ),
            }
        }
        kinds
    }

    /// The one character in a field, or the default for none; more are noted.
    fn character(&mut self, given: &str, field: &str, default: char) -> char {
        let mut characters = given.chars();
        match (characters.next(), characters.next()) {
            (None, _) => default,
            (Some(character), None) => character,
            (Some(_), Some(_)) => {
                self.note(field, "must be one character");
                default
            }
        }
    }
}

/// The draft, with the name and the etag that the message carries.
pub(in crate::grpc) fn draft(policy: Option<proto::Policy>) -> (String, String, PolicyDraft) {
    let proto::Policy {
        name,
        display_name,
        scopes,
        implications,
        presets,
        roles,
        resources,
        key_types,
        expiry,
        rotation,
        hide_existence,
        unmatched_resource,
        plans,
        etag,
        revision: _,
        create_time: _,
        update_time: _,
    } = policy.unwrap_or_default();
    let mut unread = Unread::default();
    let (resources, resource_types) = grammar(resources, &mut unread);
    let (roles, plans) = (roles.into_iter().enumerate(), plans.into_iter().enumerate());
    let key_types = key_types.into_iter().enumerate();
    let policy = Policy {
        title: Title::default(),
        scopes: scopes.into_iter().map(scope).collect(),
        implications: implications.into_iter().map(implication).collect(),
        presets: presets.into_iter().map(preset).collect(),
        roles: roles.map(|(place, role)| self::role(place, role, &mut unread)).collect(),
        resources,
        resource_types,
        key_types: key_types.map(|(place, kind)| key_type(place, kind, &mut unread)).collect(),
        expiry: self::expiry(expiry, &mut unread),
        rotation: self::rotation(rotation, &mut unread),
        hide_existence,
        unmatched_resource: unmatched(unmatched_resource, &mut unread),
        plans: plans.map(|(place, plan)| self::plan(place, plan, &mut unread)).collect(),
    };
    (name, etag, PolicyDraft { policy, title: display_name, unread: unread.0 })
}

fn scope(scope: proto::Scope) -> Scope {
    let proto::Scope { name, description, implies, isolated, class } = scope;
    Scope { name, description, implies, isolated, class }
}

fn implication(rule: proto::Implication) -> Implication {
    let proto::Implication { scope, implies } = rule;
    Implication { scope, implies }
}

fn preset(preset: proto::Preset) -> Preset {
    let proto::Preset { name, description, scopes } = preset;
    Preset { name, description, scopes }
}

fn role(place: usize, role: proto::Role, unread: &mut Unread) -> Role {
    let proto::Role { name, description, scopes, principal_kinds } = role;
    let principal_kinds = unread.kinds(&principal_kinds, &format!("policy.roles[{place}]"));
    Role { name, description, scopes, principal_kinds }
}

fn key_type(place: usize, kind: proto::KeyType, unread: &mut Unread) -> KeyType {
    let proto::KeyType {
        name,
        description,
        prefix,
        requires_principal,
        is_default,
        principal_kinds,
    } = kind;
    let principal_kinds = unread.kinds(&principal_kinds, &format!("policy.key_types[{place}]"));
    KeyType { name, description, prefix, requires_principal, is_default, principal_kinds }
}

fn grammar(
    grammar: Option<proto::ResourceGrammar>,
    unread: &mut Unread,
) -> (Grammar, Vec<ResourceType>) {
    let default = Grammar::default();
    let proto::ResourceGrammar { separator, wildcard, types } = grammar.unwrap_or_default();
    let separator = unread.character(&separator, "policy.resources.separator", default.separator());
    let wildcard = unread.character(&wildcard, "policy.resources.wildcard", default.wildcard());
    let grammar = Grammar::new(separator, wildcard).unwrap_or_else(|error| {
        unread.note("policy.resources", &error.to_string());
        default
    });
    (grammar, types.into_iter().map(resource_type).collect())
}

fn resource_type(kind: proto::ResourceType) -> ResourceType {
    let proto::ResourceType { name, segments } = kind;
    let segment = |proto::ResourceSegment { name, values }| ResourceSegment { name, values };
    ResourceType { name, segments: segments.into_iter().map(segment).collect() }
}

fn expiry(rule: Option<proto::ExpiryRule>, unread: &mut Unread) -> ExpiryRule {
    let proto::ExpiryRule { default_ttl, max_ttl, required } = rule.unwrap_or_default();
    let mut read = |ttl, field| unread.span(ttl, format!("policy.expiry.{field}"));
    ExpiryRule {
        default_ttl: read(default_ttl, "default_ttl"),
        max_ttl: read(max_ttl, "max_ttl"),
        required,
    }
}

fn rotation(rule: Option<proto::RotationRule>, unread: &mut Unread) -> RotationRule {
    let proto::RotationRule { due_after, default_grace, max_grace } = rule.unwrap_or_default();
    let mut read = |span, field| unread.span(span, format!("policy.rotation.{field}"));
    RotationRule {
        due_after: read(due_after, "due_after"),
        default_grace: read(default_grace, "default_grace"),
        max_grace: read(max_grace, "max_grace"),
    }
}

fn plan(place: usize, plan: proto::Plan, unread: &mut Unread) -> Plan {
    let proto::Plan { name, description, key_limits, workspace_limits } = plan;
    let mut read = |limits: Vec<proto::RateLimit>, list: &str| -> Vec<RateLimit> {
        let limits = limits.into_iter().enumerate();
        let field = |at| format!("policy.plans[{place}].{list}[{at}]");
        limits.map(|(at, given)| limit(given, &field(at), unread)).collect()
    };
    Plan {
        name,
        description,
        key_limits: read(key_limits, "key_limits"),
        workspace_limits: read(workspace_limits, "workspace_limits"),
    }
}

fn limit(limit: proto::RateLimit, field: &str, unread: &mut Unread) -> RateLimit {
    let proto::RateLimit { name, class, quota, window, burst } = limit;
    RateLimit {
        name,
        class,
        quota: unread.count(quota, format!("{field}.quota")),
        window: unread.span(window, format!("{field}.window")).unwrap_or_default(),
        burst: unread.count(burst, format!("{field}.burst")),
    }
}

fn unmatched(value: i32, unread: &mut Unread) -> UnmatchedResource {
    match proto::UnmatchedResource::try_from(value) {
        Ok(proto::UnmatchedResource::NotFound) => UnmatchedResource::NotFound,
        Ok(proto::UnmatchedResource::InsufficientScope | proto::UnmatchedResource::Unspecified) => {
            UnmatchedResource::InsufficientScope
        }
        Err(_) => {
            unread.note("policy.unmatched_resource", "must be INSUFFICIENT_SCOPE or NOT_FOUND");
            UnmatchedResource::InsufficientScope
        }
    }
}

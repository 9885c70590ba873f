//! Policies.

use std::{mem::take, time::Duration};

use super::{duration, intent, mask, page, paging, span, timestamp, unserved, warning::warnings};
use crate::{
    admin::{
        Changed, CreateResource, NamedPolicy, Paged, Paging, PolicyDraft, UpdateResource, etag,
    },
    domain::{
        live::Stored,
        policy::{ExpiryRule, KeyType, Policy, Role, Scope, UnmatchedResource},
        resource::Grammar,
    },
    proto,
};

/// What could not be read of a message, with its field.
type Unread = Vec<(String, String)>;

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
    let mut unread = Unread::new();
    let later = [
        ("policy.implications", !implications.is_empty()),
        ("policy.presets", !presets.is_empty()),
        ("policy.rotation", rotation.is_some()),
        ("policy.plans", !plans.is_empty()),
    ];
    unread.extend(later.into_iter().filter(|(_, given)| *given).map(|(field, _)| unserved(field)));
    let scopes = scopes
        .into_iter()
        .enumerate()
        .map(|(place, scope)| self::scope(place, scope, &mut unread))
        .collect();
    let policy = Policy {
        title: Default::default(),
        scopes,
        roles: roles.into_iter().map(role).collect(),
        resources: grammar(resources, &mut unread),
        key_types: key_types.into_iter().map(key_type).collect(),
        expiry: rule(expiry, &mut unread),
        hide_existence,
        unmatched_resource: unmatched(unmatched_resource, &mut unread),
    };
    (name, etag, PolicyDraft { policy, title: display_name, unread })
}

fn scope(place: usize, scope: proto::Scope, unread: &mut Unread) -> Scope {
    let proto::Scope { name, description, implies, isolated, class } = scope;
    if !class.is_empty() {
        unread.push(unserved(&format!("policy.scopes[{place}].class")));
    }
    Scope { name, description, implies, isolated }
}

fn role(role: proto::Role) -> Role {
    let proto::Role { name, description, scopes } = role;
    Role { name, description, scopes }
}

fn key_type(kind: proto::KeyType) -> KeyType {
    let proto::KeyType { name, description, prefix, requires_principal, is_default } = kind;
    KeyType { name, description, prefix, requires_principal, is_default }
}

fn grammar(grammar: Option<proto::ResourceGrammar>, unread: &mut Unread) -> Grammar {
    let default = Grammar::default();
    let proto::ResourceGrammar { separator, wildcard, types } = grammar.unwrap_or_default();
    if !types.is_empty() {
        unread.push(unserved("policy.resources.types"));
    }
    let mut one = |text: &str, field: &str, default: char| {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (None, _) => default,
            (Some(character), None) => character,
            (Some(_), Some(_)) => {
                unread.push((
                    format!("policy.resources.{field}"),
                    "must be one character".to_owned(),
                ));
                default
            }
        }
    };
    let separator = one(&separator, "separator", default.separator());
    let wildcard = one(&wildcard, "wildcard", default.wildcard());
    Grammar::new(separator, wildcard).unwrap_or_else(|error| {
        unread.push(("policy.resources".to_owned(), error.to_string()));
        default
    })
}

fn rule(expiry: Option<proto::ExpiryRule>, unread: &mut Unread) -> ExpiryRule {
    let proto::ExpiryRule { default_ttl, max_ttl, required } = expiry.unwrap_or_default();
    let mut read = |ttl: Option<prost_types::Duration>, field: &str| -> Option<Duration> {
        let read = ttl.map(span)?;
        if read.is_none() {
            unread.push((format!("policy.expiry.{field}"), "must not be negative".to_owned()));
        }
        read
    };
    ExpiryRule {
        default_ttl: read(default_ttl, "default_ttl"),
        max_ttl: read(max_ttl, "max_ttl"),
        required,
    }
}

fn unmatched(value: i32, unread: &mut Unread) -> UnmatchedResource {
    match proto::UnmatchedResource::try_from(value) {
        Ok(proto::UnmatchedResource::NotFound) => UnmatchedResource::NotFound,
        Ok(proto::UnmatchedResource::InsufficientScope | proto::UnmatchedResource::Unspecified) => {
            UnmatchedResource::InsufficientScope
        }
        Err(_) => {
            let rule = "must be INSUFFICIENT_SCOPE or NOT_FOUND";
            unread.push(("policy.unmatched_resource".to_owned(), rule.to_owned()));
            UnmatchedResource::InsufficientScope
        }
    }
}

pub(in crate::grpc) fn policy(stored: Stored<NamedPolicy>) -> proto::Policy {
    let Stored { value: (name, policy), revision, create_time, update_time } = stored;
    let Policy {
        title,
        scopes,
        roles,
        resources,
        key_types,
        expiry,
        hide_existence,
        unmatched_resource,
    } = policy;
    let scope = |Scope { name, description, implies, isolated }| {
        let class = String::new();
        proto::Scope { name, description, implies, isolated, class }
    };
    let role = |Role { name, description, scopes }| proto::Role { name, description, scopes };
    let key_type = |KeyType { name, description, prefix, requires_principal, is_default }| {
        proto::KeyType { name, description, prefix, requires_principal, is_default }
    };
    let grammar = proto::ResourceGrammar {
        separator: resources.separator().to_string(),
        wildcard: resources.wildcard().to_string(),
        types: Vec::new(),
    };
    let ExpiryRule { default_ttl, max_ttl, required } = expiry;
    let expiry = proto::ExpiryRule {
        default_ttl: default_ttl.map(duration),
        max_ttl: max_ttl.map(duration),
        required,
    };
    let unmatched = match unmatched_resource {
        UnmatchedResource::InsufficientScope => proto::UnmatchedResource::InsufficientScope,
        UnmatchedResource::NotFound => proto::UnmatchedResource::NotFound,
    };
    proto::Policy {
        name: name.to_string(),
        display_name: title.as_str().to_owned(),
        scopes: scopes.into_iter().map(scope).collect(),
        implications: Vec::new(),
        presets: Vec::new(),
        roles: roles.into_iter().map(role).collect(),
        resources: Some(grammar),
        key_types: key_types.into_iter().map(key_type).collect(),
        expiry: Some(expiry),
        rotation: None,
        hide_existence,
        unmatched_resource: unmatched.into(),
        plans: Vec::new(),
        etag: etag(revision),
        revision: revision.0,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}

pub(in crate::grpc) fn create(request: proto::CreatePolicyRequest) -> CreateResource<PolicyDraft> {
    let intent = intent("CreatePolicy", &request, &request.request_id, request.validate_only);
    let proto::CreatePolicyRequest { policy_id, policy, request_id: _, validate_only: _ } = request;
    let (_, _, draft) = draft(policy);
    CreateResource { id: policy_id, draft, intent }
}

pub(in crate::grpc) fn created(
    changed: Changed<Stored<NamedPolicy>>,
) -> proto::CreatePolicyResponse {
    let Changed { record, warnings: risks } = changed;
    proto::CreatePolicyResponse { policy: Some(policy(record)), warnings: warnings(risks) }
}

pub(in crate::grpc) fn list(mut request: proto::ListPoliciesRequest) -> Paging {
    let (size, token) = (take(&mut request.page_size), take(&mut request.page_token));
    paging("ListPolicies", &request, size, token)
}

pub(in crate::grpc) fn listed(paged: Paged<Stored<NamedPolicy>>) -> proto::ListPoliciesResponse {
    let (policies, next_page_token) = page(paged, policy);
    proto::ListPoliciesResponse { policies, next_page_token }
}

pub(in crate::grpc) fn update(request: proto::UpdatePolicyRequest) -> UpdateResource<PolicyDraft> {
    let intent = intent("UpdatePolicy", &request, &request.request_id, request.validate_only);
    let proto::UpdatePolicyRequest { policy, update_mask, request_id: _, validate_only: _, force } =
        request;
    let (name, etag, mut draft) = draft(policy);
    draft.unread.extend(force.then(|| unserved("force")));
    UpdateResource { name, etag, draft, mask: mask(update_mask), intent }
}

pub(in crate::grpc) fn updated(
    changed: Changed<Stored<NamedPolicy>>,
) -> proto::UpdatePolicyResponse {
    let Changed { record, warnings: risks } = changed;
    proto::UpdatePolicyResponse {
        policy: Some(policy(record)),
        warnings: warnings(risks),
        effects: None,
    }
}

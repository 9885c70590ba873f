//! Policies.

mod draft;

use std::mem::take;

use super::{duration, intent, mask, page, paging, principal, timestamp, warning::warnings};
use crate::{
    admin::{
        Changed, CreateResource, NamedPolicy, Paged, Paging, PolicyChange, PolicyDraft,
        UpdatePolicy, UpdateResource, etag,
    },
    domain::{
        live::Stored,
        policy::{
            ExpiryRule, Implication, KeyType, Plan, Policy, Preset, RateLimit, Role, RotationRule,
            Scope, UnmatchedResource, effects::Effects,
        },
        principal::PrincipalKind,
        resource::{Grammar, ResourceSegment, ResourceType},
    },
    proto,
};

use self::draft::draft as read;

/// A policy that stands for itself, without its name and etag.
pub(in crate::grpc) fn draft(policy: proto::Policy) -> PolicyDraft {
    let (_, _, draft) = read(Some(policy));
    draft
}

pub(in crate::grpc) fn policy(stored: Stored<NamedPolicy>) -> proto::Policy {
    let Stored { value: (name, policy), revision, create_time, update_time } = stored;
    let Policy {
        title,
        scopes,
        implications,
        presets,
        roles,
        resources,
        resource_types,
        key_types,
        expiry,
        rotation,
        hide_existence,
        unmatched_resource,
        plans,
    } = policy;
    let scope = |Scope { name, description, implies, isolated, class }| proto::Scope {
        name,
        description,
        implies,
        isolated,
        class,
    };
    let implication = |Implication { scope, implies }| proto::Implication { scope, implies };
    let preset = |Preset { name, description, scopes }| proto::Preset { name, description, scopes };
    let unmatched = match unmatched_resource {
        UnmatchedResource::InsufficientScope => proto::UnmatchedResource::InsufficientScope,
        UnmatchedResource::NotFound => proto::UnmatchedResource::NotFound,
    };
    proto::Policy {
        name: name.to_string(),
        display_name: title.as_str().to_owned(),
        scopes: scopes.into_iter().map(scope).collect(),
        implications: implications.into_iter().map(implication).collect(),
        presets: presets.into_iter().map(preset).collect(),
        roles: roles.into_iter().map(self::role).collect(),
        resources: Some(grammar(resources, resource_types)),
        key_types: key_types.into_iter().map(key_type).collect(),
        expiry: Some(self::expiry(&expiry)),
        rotation: Some(self::rotation(&rotation)),
        hide_existence,
        unmatched_resource: unmatched.into(),
        plans: plans.into_iter().map(plan).collect(),
        etag: etag(revision),
        revision: revision.0,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}

fn role(role: Role) -> proto::Role {
    let Role { name, description, scopes, principal_kinds } = role;
    proto::Role { name, description, scopes, principal_kinds: kinds(&principal_kinds) }
}

fn key_type(kind: KeyType) -> proto::KeyType {
    let KeyType { name, description, prefix, requires_principal, is_default, principal_kinds } =
        kind;
    let principal_kinds = kinds(&principal_kinds);
    proto::KeyType { name, description, prefix, requires_principal, is_default, principal_kinds }
}

fn kinds(kinds: &[PrincipalKind]) -> Vec<i32> {
    kinds.iter().map(|kind| principal::kind(*kind).into()).collect()
}

fn grammar(grammar: Grammar, types: Vec<ResourceType>) -> proto::ResourceGrammar {
    let segment = |ResourceSegment { name, values }| proto::ResourceSegment { name, values };
    let kind = |ResourceType { name, segments }| proto::ResourceType {
        name,
        segments: segments.into_iter().map(segment).collect(),
    };
    proto::ResourceGrammar {
        separator: grammar.separator().to_string(),
        wildcard: grammar.wildcard().to_string(),
        types: types.into_iter().map(kind).collect(),
    }
}

fn expiry(rule: &ExpiryRule) -> proto::ExpiryRule {
    let ExpiryRule { default_ttl, max_ttl, required } = *rule;
    proto::ExpiryRule {
        default_ttl: default_ttl.map(duration),
        max_ttl: max_ttl.map(duration),
        required,
    }
}

fn rotation(rule: &RotationRule) -> proto::RotationRule {
    let RotationRule { due_after, default_grace, max_grace } = *rule;
    proto::RotationRule {
        due_after: due_after.map(duration),
        default_grace: default_grace.map(duration),
        max_grace: max_grace.map(duration),
    }
}

fn plan(plan: Plan) -> proto::Plan {
    let Plan { name, description, key_limits, workspace_limits } = plan;
    let limits = |limits: Vec<RateLimit>| limits.into_iter().map(limit).collect();
    proto::Plan {
        name,
        description,
        key_limits: limits(key_limits),
        workspace_limits: limits(workspace_limits),
    }
}

/// Quotas and bursts are at most 10⁹.
fn limit(limit: RateLimit) -> proto::RateLimit {
    let RateLimit { name, class, quota, window, burst } = limit;
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    proto::RateLimit {
        name,
        class,
        quota: count(quota),
        window: Some(duration(window)),
        burst: count(burst),
    }
}

pub(in crate::grpc) fn create(request: proto::CreatePolicyRequest) -> CreateResource<PolicyDraft> {
    let intent = intent("CreatePolicy", &request, &request.request_id, request.validate_only);
    let proto::CreatePolicyRequest { policy_id, policy, request_id: _, validate_only: _ } = request;
    let (_, _, draft) = read(policy);
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

pub(in crate::grpc) fn update(request: proto::UpdatePolicyRequest) -> UpdatePolicy {
    let intent = intent("UpdatePolicy", &request, &request.request_id, request.validate_only);
    let proto::UpdatePolicyRequest { policy, update_mask, request_id: _, validate_only: _, force } =
        request;
    let (name, etag, draft) = read(policy);
    let update = UpdateResource { name, etag, draft, mask: mask(update_mask), intent };
    UpdatePolicy { update, force }
}

pub(in crate::grpc) fn updated(change: PolicyChange) -> proto::UpdatePolicyResponse {
    let PolicyChange { changed: Changed { record, warnings: risks }, effects } = change;
    proto::UpdatePolicyResponse {
        policy: Some(policy(record)),
        warnings: warnings(risks),
        effects: effects.map(self::effects),
    }
}

fn effects(effects: Effects) -> proto::PolicyEffects {
    let Effects {
        keys_losing_scopes,
        sample_keys,
        orphaned_scopes,
        orphaned_prefixes,
        orphaned_plans,
    } = effects;
    let sample_keys = sample_keys.iter().map(ToString::to_string);
    proto::PolicyEffects {
        keys_losing_scopes: i64::try_from(keys_losing_scopes).unwrap_or(i64::MAX),
        orphaned_scopes: orphaned_scopes.into_iter().collect(),
        orphaned_prefixes: orphaned_prefixes.into_iter().collect(),
        sample_keys: sample_keys.collect(),
        orphaned_plans: orphaned_plans.into_iter().collect(),
    }
}

#![expect(clippy::unwrap_used, reason = "tests")]
use std::sync::Arc;

use super::*;
use crate::domain::{
    event::Revision,
    fault::Faults,
    key::{Grant, Key},
    live::{Facts, Stored},
    name::{Id, Title},
    network::AllowedNetworks,
    policy::{CompiledPolicy, KeyType, Policy, Role, Scope},
    principal::{Principal, PrincipalKind},
    workspace::Workspace,
};

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

/// What the cases below vary: a policy, and a key that may do everything under it.
struct Case {
    policy: Policy,
    key: Key,
    workspace: Workspace,
    principal: Option<Principal>,
    replaced: Option<Timestamp>,
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Case {
    fn new() -> Self {
        let scope = |name: &str, implies: &[&str]| Scope {
            name: name.into(),
            implies: strings(implies),
            ..Scope::default()
        };
        let role = |name: &str, scopes: &[&str]| Role {
            name: name.into(),
            scopes: strings(scopes),
            ..Role::default()
        };
        let key_type = KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        };
        Self {
            policy: Policy {
                scopes: vec![
                    scope("sites:write", &["sites:read"]),
                    scope("sites:read", &[]),
                    scope("jobs:read", &[]),
                ],
                roles: vec![role("owner", &["*"]), role("observer", &["*:read"])],
                key_types: vec![key_type],
                hide_existence: true,
                ..Policy::default()
            },
            key: Key {
                name: "workspaces/acme/keys/ci".parse().unwrap(),
                title: Title::default(),
                key_type: "live".into(),
                principal: None,
                grants: vec![Grant { scope: "sites:write".into(), resource: None }],
                constraint: vec![],
                allowed_cidrs: AllowedNetworks::default(),
                expire_time: None,
                labels: Default::default(),
                plan: String::new(),
                minting_key: None,
                revoke_time: None,
            },
            workspace: Workspace {
                name: "workspaces/acme".parse().unwrap(),
                title: Title::default(),
                policy: "policies/acme".parse().unwrap(),
                plan: String::new(),
                suspended: false,
            },
            principal: None,
            replaced: None,
        }
    }

    fn owned(role: &str, confined_to: &[&str]) -> Self {
        let principal = Principal {
            name: "workspaces/acme/principals/ada".parse().unwrap(),
            title: Title::default(),
            kind: PrincipalKind::User,
            role: role.into(),
            confined_to: strings(confined_to),
            disabled: false,
            deleted: false,
        };
        let mut case = Self { principal: Some(principal), ..Self::new() };
        case.key.principal = Some("ada".parse::<Id>().unwrap());
        case
    }

    fn live(self) -> LiveKey {
        fn stored<T>(value: T) -> Stored<T> {
            Stored { value, revision: Revision(1), create_time: NOW, update_time: NOW }
        }
        let mut faults = Faults::new();
        let policy = CompiledPolicy::compile(self.policy, "policy", &mut faults).unwrap();
        let facts = Facts {
            key: stored(self.key),
            replaced: self.replaced,
            workspace: stored(self.workspace).into(),
            principal: self.principal.map(stored).map(Arc::new),
            policy: ("policies/acme".parse().unwrap(), Revision(1)),
        };
        LiveKey::new(facts, Arc::new(policy))
    }

    #[track_caller]
    fn decide(
        self,
        client: Option<&str>,
        required: &[&str],
        resource: Option<&str>,
    ) -> Option<Denial> {
        let client = client.map(|text| text.parse().unwrap());
        let required_scopes = strings(required);
        let required_scopes = (&required_scopes).into();
        let inquiry = Inquiry { client, required_scopes, resource, ..Inquiry::default() };
        self.live().decide(&inquiry, NOW).unwrap().denial
    }
}

/// A case with everything wrong that comes at this step of the order or later.
fn wrong_from(step: u8) -> Option<Denial> {
    let mut case = Case::owned("observer", &["sites"]);
    let at = |wanted: u8| step <= wanted;
    case.replaced = at(2).then_some(NOW);
    case.key.revoke_time = at(3).then_some(NOW);
    case.key.expire_time = at(4).then_some(NOW);
    case.workspace.suspended = at(5);
    if at(6) {
        case.key.allowed_cidrs = AllowedNetworks::parse(["10.0.0.0/8"].into_iter()).unwrap();
    }
    let resource = if at(7) { "jobs/1" } else { "sites/1" };
    let required: &[&str] = if at(8) { &["sites:write"] } else { &["sites:read"] };
    case.decide(Some("192.0.2.1"), required, Some(resource))
}

#[test]
fn the_first_reason_in_the_order_is_given() {
    let expected = [
        Some(Denial::InvalidKey),
        Some(Denial::Revoked),
        Some(Denial::Expired),
        Some(Denial::Disabled),
        Some(Denial::IpNotAllowed),
        Some(Denial::NotFound),
        Some(Denial::InsufficientScope),
        None,
    ];
    for (step, expected) in (2..).zip(expected) {
        assert_eq!(wrong_from(step), expected, "from step {step}");
    }
}

#[test]
fn a_secret_works_until_the_moment_it_is_replaced_at() {
    let at = |micros| {
        Case { replaced: Some(Timestamp::from_micros(micros)), ..Case::new() }.decide(
            None,
            &[],
            None,
        )
    };
    assert_eq!(at(NOW.micros() - 1), Some(Denial::InvalidKey));
    assert_eq!(at(NOW.micros()), Some(Denial::InvalidKey));
    assert_eq!(at(NOW.micros() + 1), None);
}

#[test]
fn a_key_works_until_the_moment_it_expires_at() {
    let at = |micros| {
        let mut case = Case::new();
        case.key.expire_time = Some(Timestamp::from_micros(micros));
        case.decide(None, &[], None)
    };
    assert_eq!(at(NOW.micros()), Some(Denial::Expired));
    assert_eq!(at(NOW.micros() + 1), None);
}

#[test]
fn a_deleted_principal_stops_its_keys_also_where_it_was_enabled_again() {
    let mut case = Case::owned("owner", &[]);
    case.principal.as_mut().unwrap().deleted = true;
    assert_eq!(case.decide(None, &[], None), Some(Denial::Disabled));
}

#[test]
fn a_disabled_principal_stops_its_keys() {
    let mut case = Case::owned("owner", &[]);
    case.principal.as_mut().unwrap().disabled = true;
    assert_eq!(case.decide(None, &[], None), Some(Denial::Disabled));
}

#[test]
fn a_key_with_networks_needs_an_address_inside_them() {
    let from = |client| {
        let mut case = Case::new();
        case.key.allowed_cidrs = AllowedNetworks::parse(["10.0.0.0/8"].into_iter()).unwrap();
        case.decide(client, &[], None)
    };
    assert_eq!(from(Some("10.1.2.3")), None);
    assert_eq!(from(Some("::ffff:10.1.2.3")), None);
    assert_eq!(from(Some("11.0.0.0")), Some(Denial::IpNotAllowed));
    assert_eq!(from(Some("::1")), Some(Denial::IpNotAllowed));
    assert_eq!(from(None), Some(Denial::IpNotAllowed));
}

#[test]
fn a_constraint_is_its_subtree_and_without_a_resource_nothing() {
    let on = |resource: Option<&str>, hide_existence| {
        let mut case = Case::new();
        case.policy.hide_existence = hide_existence;
        case.key.constraint = strings(&["sites/1"]);
        case.decide(None, &[], resource)
    };
    assert_eq!(on(Some("sites/1"), true), None);
    assert_eq!(on(Some("sites/1/pages/2"), true), None);
    assert_eq!(on(Some("sites/12"), true), Some(Denial::NotFound));
    assert_eq!(on(Some("sites/12"), false), Some(Denial::OutsideConstraint));
    assert_eq!(on(None, true), Some(Denial::NotFound));
}

#[test]
fn a_confined_principal_confines_its_keys() {
    let on = |resource| Case::owned("owner", &["sites/1"]).decide(None, &[], resource);
    assert_eq!(on(Some("sites/1/x")), None);
    assert_eq!(on(Some("sites/2")), Some(Denial::NotFound));
    assert_eq!(on(None), Some(Denial::NotFound));
}

#[test]
fn a_constraint_that_the_policy_no_longer_reads_admits_nothing() {
    let mut case = Case::new();
    case.key.constraint = strings(&["sites//1"]);
    assert_eq!(case.decide(None, &[], Some("sites/1")), Some(Denial::NotFound));
}

#[test]
fn the_role_is_a_ceiling_over_the_key() {
    let decide = |role: &str, scope: &str| Case::owned(role, &[]).decide(None, &[scope], None);
    assert_eq!(decide("owner", "sites:write"), None);
    assert_eq!(decide("observer", "sites:write"), Some(Denial::InsufficientScope));
    assert_eq!(decide("observer", "sites:read"), None);
    assert_eq!(decide("owner", "jobs:read"), Some(Denial::InsufficientScope));
    assert_eq!(decide("nobody", "sites:read"), Some(Denial::InsufficientScope));
    assert_eq!(decide("", "sites:read"), Some(Denial::InsufficientScope));
}

#[test]
fn a_role_that_the_policy_lost_with_all_others_allows_nothing() {
    let decide = |role: &str| {
        let mut case = Case::owned(role, &[]);
        case.policy.roles.clear();
        case.decide(None, &["sites:read"], None)
    };
    assert_eq!(decide("owner"), Some(Denial::InsufficientScope));
    assert_eq!(decide(""), None);
}

#[test]
fn a_grant_on_some_resources_counts_on_those_alone() {
    let on = |resource, unmatched_resource| {
        let mut case = Case::new();
        case.policy.unmatched_resource = unmatched_resource;
        case.key.grants =
            vec![Grant { scope: "sites:write".into(), resource: Some("sites/*".into()) }];
        case.decide(None, &["sites:read"], resource)
    };
    let lacking = UnmatchedResource::InsufficientScope;
    assert_eq!(on(Some("sites/1"), lacking), None);
    assert_eq!(on(Some("sites/1/pages"), lacking), Some(Denial::InsufficientScope));
    assert_eq!(on(None, lacking), Some(Denial::InsufficientScope));
    assert_eq!(on(Some("jobs/1"), UnmatchedResource::NotFound), Some(Denial::NotFound));
}

#[test]
fn a_scope_missing_everywhere_is_never_called_not_found() {
    let mut case = Case::new();
    case.policy.unmatched_resource = UnmatchedResource::NotFound;
    assert_eq!(case.decide(None, &["jobs:read"], Some("jobs/1")), Some(Denial::InsufficientScope));
}

#[test]
fn only_what_is_missing_is_named() {
    let live = Case::new().live();
    let required_scopes = strings(&["sites:read", "jobs:read"]);
    let inquiry = Inquiry { required_scopes: (&required_scopes).into(), ..Inquiry::default() };
    let decision = live.decide(&inquiry, NOW).unwrap();
    let names: Vec<_> =
        decision.missing.iter().map(|scope| live.policy().scope_name(*scope)).collect();
    assert_eq!(names, ["jobs:read"]);
}

#[test]
fn an_unknown_scope_is_the_callers_mistake_also_with_a_revoked_key() {
    let mut case = Case::new();
    case.key.revoke_time = Some(NOW);
    let required_scopes = strings(&["site:read"]);
    let inquiry = Inquiry { required_scopes: (&required_scopes).into(), ..Inquiry::default() };
    let nearest = Some("sites:read".to_owned());
    let expected = InvalidInquiry::UnknownScope { scope: "site:read".into(), nearest };
    assert_eq!(case.live().decide(&inquiry, NOW), Err(expected));
}

#[test]
fn a_key_covers_only_what_is_no_broader_in_any_way() {
    let narrow = || {
        let mut case = Case::new();
        case.key.grants = vec![Grant { scope: "sites:read".into(), resource: None }];
        case.key.constraint = strings(&["sites/1"]);
        case.key.allowed_cidrs = AllowedNetworks::parse(["10.0.0.0/8"].into_iter()).unwrap();
        case.key.expire_time = Some(Timestamp::from_micros(9_000_000));
        case
    };
    assert!(Case::new().live().covers(&narrow().live()));
    assert!(narrow().live().covers(&narrow().live()));
    let edits: [fn(&mut Key); 8] = [
        |key| key.grants = vec![Grant { scope: "sites:write".into(), resource: None }],
        |key| {
            key.grants =
                vec![Grant { scope: "jobs:read".into(), resource: Some("sites/1".into()) }];
        },
        |key| key.constraint = vec![],
        |key| key.constraint = strings(&["sites"]),
        |key| key.allowed_cidrs = AllowedNetworks::default(),
        |key| {
            key.allowed_cidrs = AllowedNetworks::parse(["10.0.0.0/7", "::1"].into_iter()).unwrap();
        },
        |key| key.expire_time = None,
        |key| key.expire_time = Some(Timestamp::from_micros(9_000_001)),
    ];
    for (place, edit) in edits.into_iter().enumerate() {
        let mut broader = narrow();
        edit(&mut broader.key);
        assert!(!narrow().live().covers(&broader.live()), "edit {place}");
    }
}

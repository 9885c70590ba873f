#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::domain::{
    fault::Faults,
    name::Id,
    policy::{KeyType, Policy, Scope},
    time::Timestamp,
};

fn policy(scopes: u16) -> CompiledPolicy {
    let scope = |number| Scope { name: format!("scope:{number}"), ..Scope::default() };
    let policy = Policy {
        scopes: (0..scopes).map(scope).collect(),
        key_types: vec![KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    };
    CompiledPolicy::compile(policy, "policy", &mut Faults::new()).unwrap()
}

fn key() -> Key {
    Key {
        name: "workspaces/acme/keys/ci".parse().unwrap(),
        title: "nightly \u{e9}".parse().unwrap(),
        key_type: "live".into(),
        principal: None,
        grants: Vec::new(),
        constraint: Vec::new(),
        allowed_cidrs: AllowedNetworks::default(),
        expire_time: None,
        plan: String::new(),
        labels: BTreeMap::new(),
        minting_key: None,
        revoke_time: Some(Timestamp::from_micros(1)),
    }
}

/// Texts of every length that a length takes one, two and three characters for.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z\u{e9}\u{4e2d}:/*]{0,8}",
        1 => (60_usize..70).prop_map(|length| "x".repeat(length)),
        1 => (4_090_usize..4_100).prop_map(|length| "\u{e9}".repeat(length)),
    ]
}

fn grant() -> impl Strategy<Value = Grant> {
    // Some are scopes of the policy.
    let scope = prop_oneof![(0_u16..200).prop_map(|number| format!("scope:{number}")), text()];
    (scope, prop::option::of(text())).prop_map(|(scope, resource)| Grant { scope, resource })
}

fn cidr() -> impl Strategy<Value = Cidr> {
    let v4 = (any::<u32>(), 0_u8..=32)
        .prop_map(|(bits, length)| Ipv4Net::new(Ipv4Addr::from_bits(bits), length).unwrap().into());
    let v6 = (any::<u128>(), 0_u8..=128)
        .prop_map(|(bits, length)| Ipv6Net::new(Ipv6Addr::from_bits(bits), length).unwrap().into());
    prop_oneof![v4, v6].prop_map(Cidr::of)
}

proptest! {
    #[test]
    fn what_was_packed_is_what_is_told(
        grants in vec(grant(), 0..12),
        constraint in vec(text(), 0..4),
        labels in vec((text(), text()), 0..4),
        cidrs in vec(cidr(), 0..4),
        plan in text(),
        owner in prop::option::of("[a-z]{1,63}"),
    ) {
        let id = |text: String| text.parse::<Id>().unwrap();
        let key = Key {
            grants,
            constraint,
            labels: labels.into_iter().collect(),
            allowed_cidrs: cidrs.into_iter().collect(),
            plan,
            principal: owner.clone().map(id),
            minting_key: owner.map(id),
            ..key()
        };
        let policy = policy(100);
        let record = Record::new(&key, &policy);
        let told = record.told(&policy);
        prop_assert_eq!(told.title, key.title.as_str());
        prop_assert_eq!(told.key_type, &key.key_type);
        prop_assert_eq!((told.plan, record.plan()), (&*key.plan, &*key.plan));
        let id = |id: &Option<Id>| id.as_ref().map_or("", |id| id.as_str()).to_owned();
        prop_assert_eq!(told.principal, id(&key.principal));
        prop_assert_eq!(told.minting_key, id(&key.minting_key));
        prop_assert_eq!(told.grants_owned(), key.grants);
        prop_assert_eq!(told.constraint().collect::<Vec<_>>(), key.constraint);
        prop_assert_eq!(told.labels_owned(), key.labels);
        prop_assert_eq!(told.allowed_cidrs(), key.allowed_cidrs);
    }
}

#[test]
fn scopes_of_the_policy_and_networks_take_a_few_bytes() {
    let grants = (0..10).map(|number| Grant { scope: format!("scope:{number}"), resource: None });
    let networks = ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"];
    let key = Key {
        grants: grants.collect(),
        allowed_cidrs: AllowedNetworks::parse(networks.into_iter()).unwrap(),
        ..key()
    };
    let length = Record::new(&key, &policy(100)).len();
    assert!(length <= 64, "{length}");
}

//! No caller makes a caller that may do more than itself, by whichever call, tried with keys by chance; what is more is
//! judged here by asking of every scope on every resource, and not by comparing patterns.

use keyward::proto::{self, CreateKeyRequest, UpdateKeyRequest, key::Expiration};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    on_each_database,
    random::seed,
    record::same,
    rows::scopes,
    support::{Caller, strings},
    world::{Kind, World},
};

on_each_database![no_caller_makes_or_widens_or_takes_over_what_is_more_than_itself];

/// How many keys are tried for each caller.
const KEYS: usize = 40;
/// The moment, in seconds, around which keys end.
const END: i64 = 4_000_000_000;

/// What is granted on: everything, and parts of it.
const GRANTED_ON: &[&str] = &[
    "",
    "",
    "workspaces/system",
    "workspaces/system/**",
    "workspaces/acme/**",
    "workspaces/**",
    "*",
];
/// What is bound to.
const BOUND_TO: &[&str] = &[
    "workspaces/system",
    "workspaces/system/**",
    "workspaces/system/keys",
    "workspaces/acme",
    "workspaces",
    "*",
];
const NETWORKS: &[&str] =
    &["127.0.0.0/8", "127.0.0.1", "0.0.0.0/0", "::/0", "::1", "*", "127.0.0.0/16"];
/// What it is asked about: nothing, too.
const RESOURCES: &[&str] = &[
    "",
    "workspaces/system",
    "workspaces/system/keys/a",
    "workspaces/acme",
    "workspaces/acme/keys/a/b",
    "workspaces/acme2",
    "policies/acme",
    "workspaces",
];
/// From where, as the networks have it.
const ADDRESSES: &[&str] =
    &["127.0.0.1", "127.0.9.9", "127.9.9.9", "192.0.2.1", "::1", "2001:db8::1"];

/// Whether a pattern matches: segments, of which all that follow may be `**`.
fn matches(pattern: &str, resource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.strip_suffix("/**") {
        Some(root) => resource == root || is_beneath(root, resource),
        None => pattern == resource,
    }
}

fn is_beneath(root: &str, resource: &str) -> bool {
    resource.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

/// A constraint written as a plain path means all that is beneath it.
fn admits(constraint: &[String], resource: &str) -> bool {
    let inside = |pattern: &String| {
        matches(pattern, resource) || !pattern.ends_with('*') && is_beneath(pattern, resource)
    };
    constraint.is_empty() || constraint.iter().any(inside)
}

fn lets_in(networks: &[String], address: &str) -> bool {
    let is_v6 = address.contains(':');
    let inside = |network: &String| match network.as_str() {
        "*" => true,
        "0.0.0.0/0" => !is_v6,
        "::/0" => is_v6,
        "127.0.0.0/8" => address.starts_with("127."),
        "127.0.0.0/16" => address.starts_with("127.0."),
        one => one == address,
    };
    networks.is_empty() || networks.iter().any(inside)
}

fn holds(key: &proto::Key, scope: &str, resource: &str) -> bool {
    let all = scopes();
    let implies = |held: &str| {
        held == scope || all.iter().any(|(name, implied)| *name == held && implied.contains(&scope))
    };
    let granted = |grant: &proto::Grant| {
        implies(&grant.scope) && (grant.resource.is_empty() || matches(&grant.resource, resource))
    };
    key.grants.iter().any(granted) && admits(&key.constraint, resource)
}

fn end(key: &proto::Key) -> i64 {
    match &key.expiration {
        Some(Expiration::ExpireTime(time)) => time.seconds,
        _ => i64::MAX,
    }
}

/// Something that one key may do and another may not.
fn excess(key: &proto::Key, than: &proto::Key) -> Option<String> {
    for (scope, _) in scopes() {
        for resource in RESOURCES {
            if holds(key, scope, resource) && !holds(than, scope, resource) {
                return Some(format!("{scope} on {resource:?}"));
            }
        }
    }
    let from = |address: &&&str| {
        lets_in(&key.allowed_cidrs, address) && !lets_in(&than.allowed_cidrs, address)
    };
    let address = ADDRESSES.iter().find(from).map(|address| format!("from {address}"));
    address.or_else(|| (end(key) > end(than)).then(|| "for longer".to_owned()))
}

/// Keys of `system` by chance.
fn keys() -> impl Strategy<Value = proto::Key> {
    let names: Vec<&str> = scopes().into_iter().map(|(name, _)| name).collect();
    let pick = |from: &'static [&'static str]| proptest::sample::select(from);
    let grant =
        (proptest::sample::select(names), pick(GRANTED_ON)).prop_map(|(scope, resource)| {
            proto::Grant { scope: scope.to_owned(), resource: resource.to_owned() }
        });
    let grants = proptest::collection::vec(grant, 1..4);
    let constraint = proptest::collection::vec(pick(BOUND_TO), 0..3);
    let networks = proptest::collection::vec(pick(NETWORKS), 0..3);
    let ends = proptest::option::of(-2..3_i64);
    (grants, constraint, networks, ends).prop_map(|(mut grants, constraint, networks, ends)| {
        grants.dedup();
        let expiration = ends.map_or(Expiration::NeverExpires(true), |after| {
            Expiration::ExpireTime(prost_types::Timestamp { seconds: END + after, nanos: 0 })
        });
        proto::Key {
            display_name: "by chance".to_owned(),
            grants,
            constraint: without_repetition(&constraint),
            allowed_cidrs: without_repetition(&networks),
            expiration: Some(expiration),
            ..Default::default()
        }
    })
}

fn without_repetition(texts: &[&str]) -> Vec<String> {
    let mut texts = strings(texts);
    texts.sort();
    texts.dedup();
    texts
}

/// Callers that reach the workspace `system`, each less than everything in its own way.
fn callers() -> Vec<proto::Key> {
    let grant = |scope: &str, resource: &str| proto::Grant {
        scope: scope.into(),
        resource: resource.into(),
    };
    let ends = |after| {
        Some(Expiration::ExpireTime(prost_types::Timestamp { seconds: END + after, nanos: 0 }))
    };
    let key =
        proto::Key { display_name: "a maker".into(), expiration: ends(1), ..Default::default() };
    vec![
        proto::Key { grants: vec![grant("keys:write", "")], ..key.clone() },
        proto::Key { grants: vec![grant("*", "workspaces/system/**")], ..key.clone() },
        proto::Key {
            grants: vec![grant("*", "")],
            constraint: strings(&["workspaces/system"]),
            allowed_cidrs: strings(&["127.0.0.0/8"]),
            ..key.clone()
        },
        proto::Key {
            grants: vec![
                grant("keys:write", "workspaces/**"),
                grant("introspect", "workspaces/acme/**"),
            ],
            allowed_cidrs: strings(&["127.0.0.1", "::/0"]),
            ..key
        },
    ]
}

fn update(name: &str, key: proto::Key, paths: &[&str]) -> UpdateKeyRequest {
    UpdateKeyRequest {
        key: Some(proto::Key { name: name.to_owned(), ..key }),
        update_mask: Some(prost_types::FieldMask { paths: strings(paths) }),
        ..Default::default()
    }
}

fn creation(key: &proto::Key) -> CreateKeyRequest {
    let parent = "workspaces/system".to_owned();
    CreateKeyRequest { parent, key: Some(key.clone()), ..Default::default() }
}

/// Makes the key by each call that makes or changes one, and tells how many of them did. What was made is compared as
/// it is on record.
async fn try_all(
    maker: &mut Caller,
    root: &mut Caller,
    own: &proto::Key,
    key: &proto::Key,
) -> usize {
    let mut made: Vec<(&str, proto::Key)> = Vec::new();
    if let Ok(answer) = maker.admin.create_key(creation(key)).await {
        made.push(("CreateKey", answer.into_inner().key.unwrap()));
    }
    let harmless = proto::Key {
        display_name: "no more than its maker".into(),
        name: String::new(),
        ..own.clone()
    };
    let inner = |key: &proto::Key| CreateKeyRequest { parent: String::new(), ..creation(key) };
    let batch = proto::BatchCreateKeysRequest {
        parent: "workspaces/system".to_owned(),
        requests: vec![inner(&harmless), inner(key)],
        ..Default::default()
    };
    if let Ok(answer) = maker.admin.batch_create_keys(batch).await {
        let keys = answer.into_inner().responses.into_iter();
        made.extend(keys.map(|made| ("BatchCreateKeys", made.key.unwrap())));
    }
    // What is no more than its maker is widened, field by field and at once.
    let narrow = root.create_key("system", "", harmless).await.key.unwrap();
    let all = ["grants", "constraint", "allowed_cidrs", "expire_time"];
    for paths in [&all[..], &["*"], &[], &all[..1], &all[1..2], &all[2..3], &all[3..]] {
        let changed = proto::Key { display_name: "changed".into(), ..key.clone() };
        if let Ok(answer) = maker.admin.update_key(update(&narrow.name, changed, paths)).await {
            made.push(("UpdateKey", answer.into_inner().key.unwrap()));
        }
    }
    // Somebody else's is taken over by its secret.
    let theirs = root.create_key("system", "", key.clone()).await.key.unwrap();
    let rotate = proto::RotateKeyRequest { name: theirs.name.clone(), ..Default::default() };
    if maker.admin.rotate_key(rotate).await.is_ok() {
        made.push(("RotateKey", theirs.clone()));
    }
    // Or made its own, to begin with.
    let less = update(&theirs.name, own.clone(), &all);
    if maker.admin.update_key(less).await.is_ok() {
        made.push(("UpdateKey of another", theirs));
    }
    for (by, key) in &made {
        let more = excess(key, own);
        assert_eq!(more, None, "{by}: {key:?} by {own:?}");
    }
    made.len()
}

async fn no_caller_makes_or_widens_or_takes_over_what_is_more_than_itself(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let seed = seed("minting");
    let words = [seed.to_le_bytes(); 4].concat();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &words);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for own in callers() {
        let made = world.root.create_key("system", "", own.clone()).await;
        let own = made.key.unwrap();
        let mut maker = Caller::on(world.plain.clone(), Some(&made.secret));
        let (mut allowed, mut refused) = (0, 0);
        for _ in 0..KEYS {
            let key = keys().new_tree(&mut runner).unwrap().current();
            let count = try_all(&mut maker, &mut world.root.clone(), &own, &key).await;
            allowed += count;
            refused += usize::from(excess(&key, &own).is_some());
        }
        assert!(
            allowed > 0 && refused > KEYS / 4,
            "seed {seed}: {allowed} made, {refused} were more"
        );
    }
    let before = world.record().await;
    let own = callers().remove(0);
    let secret = world.mint(own).await;
    let mut maker = Caller::on(world.plain.clone(), Some(&secret));
    let after = world.record().await;
    assert_ne!(before, after);
    let all = proto::Key { grants: crate::support::grants(&["*"]), ..crate::minted::operator() };
    for validate_only in [false, true] {
        let request = CreateKeyRequest { validate_only, ..creation(&all) };
        maker.admin.create_key(request).await.unwrap_err();
    }
    same(&after, &world.record().await, "a caller that was refused a key");
}

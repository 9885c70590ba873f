//! That keys in memory take about as many bytes as the cache believes. Alone in its process:
//! what it measures is the process.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(target_os = "linux")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use keyward::{
    cache::{Bounds, Cache, SoleOwner},
    domain::{
        event::Revision,
        fault::Faults,
        key::{Grant, Key},
        live::{Facts, LiveKey, Stored},
        network::AllowedNetworks,
        policy::{CompiledPolicy, KeyType, Policy, Scope},
        ports::{FindKey, StoreError},
        principal::{Principal, PrincipalKind},
        secret::Digest,
        time::Timestamp,
        workspace::Workspace,
    },
};
use mimalloc::MiMalloc;
use tokio::runtime::Handle;

/// That of the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How many keys are kept.
const KEYS: u32 = 20_000;
/// How many of the usual kind are.
const USUAL: u32 = 100_000;
/// Bytes of a page of memory, as `/proc` counts them.
const PAGE: u64 = 4096;

/// A store that makes a new key for each digest, of so many parts of each kind.
struct Mint {
    policy: Arc<CompiledPolicy>,
    size: usize,
}

/// A store that makes keys of the usual kind: ten scopes and three networks, in one workspace and of
/// one principal, found again as the store of the program does.
struct Usual {
    policy: Arc<CompiledPolicy>,
    workspace: Arc<Stored<Workspace>>,
    principal: Arc<Stored<Principal>>,
}

fn stored<T>(value: T) -> Stored<T> {
    let time = Timestamp::from_micros(1);
    Stored { value, revision: Revision(1), create_time: time, update_time: time }
}

fn policy() -> Arc<CompiledPolicy> {
    let scopes =
        (0..200).map(|number| Scope { name: format!("scope:{number}"), ..Scope::default() });
    let policy = Policy {
        scopes: scopes.collect(),
        key_types: vec![KeyType {
            name: "live".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    };
    Arc::new(CompiledPolicy::compile(policy, "policy", &mut Faults::new()).unwrap())
}

/// A key without scopes.
fn key(number: u32) -> Key {
    Key {
        name: format!("workspaces/acme/keys/0199{number:032}").parse().unwrap(),
        title: "a key of the usual kind".parse().unwrap(),
        key_type: "live".into(),
        principal: Some("ada".parse().unwrap()),
        grants: Vec::new(),
        constraint: Vec::new(),
        allowed_cidrs: AllowedNetworks::default(),
        expire_time: None,
        plan: String::new(),
        labels: BTreeMap::new(),
        minting_key: None,
        revoke_time: None,
    }
}

fn workspace() -> Workspace {
    Workspace {
        name: "workspaces/acme".parse().unwrap(),
        title: "Acme".parse().unwrap(),
        policy: "policies/acme".parse().unwrap(),
        plan: String::new(),
        suspended: false,
    }
}

fn principal(confined_to: Vec<String>) -> Principal {
    Principal {
        name: "workspaces/acme/principals/ada".parse().unwrap(),
        title: "Ada".parse().unwrap(),
        kind: PrincipalKind::User,
        role: "owner".into(),
        confined_to,
        disabled: false,
        deleted: false,
    }
}

fn number(digest: &Digest) -> u32 {
    u32::from_be_bytes(*digest.as_bytes().first_chunk().unwrap())
}

#[async_trait]
impl FindKey for Usual {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let scopes = (0..10).map(|place| Grant { scope: format!("scope:{place}"), resource: None });
        let networks = ["192.0.2.0/24", "198.51.100.7", "10.0.0.0/8"];
        let key = Key {
            grants: scopes.collect(),
            allowed_cidrs: AllowedNetworks::parse(networks.into_iter()).unwrap(),
            ..key(number(digest))
        };
        let facts = Facts {
            key: stored(key),
            replaced: None,
            policy: ("policies/acme".parse().unwrap(), Revision(1)),
            workspace: Arc::clone(&self.workspace),
            principal: Some(Arc::clone(&self.principal)),
        };
        Ok(Some(Arc::new(LiveKey::new(facts, Arc::clone(&self.policy)))))
    }
}

#[async_trait]
impl FindKey for Mint {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let number = number(digest);
        let many = |what: &str| -> Vec<String> {
            (0..self.size).map(|place| format!("{what}/{number}/{place}")).collect()
        };
        let grants = (0..=self.size).map(|place| Grant {
            scope: format!("scope:{place}"),
            resource: (place % 2 == 1).then(|| format!("sites/{number}/**")),
        });
        let networks: Vec<_> = (0..self.size).map(|place| format!("10.0.{place}.0/24")).collect();
        let key = Key {
            grants: grants.collect(),
            constraint: many("projects"),
            allowed_cidrs: AllowedNetworks::parse(networks.iter().map(|text| &**text)).unwrap(),
            labels: many("label").into_iter().map(|name| (name, "value".to_owned())).collect(),
            ..key(number)
        };
        let (workspace, principal) = (workspace(), principal(many("teams")));
        let facts = Facts {
            key: stored(key),
            replaced: None,
            policy: (workspace.policy.clone(), Revision(1)),
            workspace: stored(workspace).into(),
            principal: Some(stored(principal).into()),
        };
        Ok(Some(Arc::new(LiveKey::new(facts, Arc::clone(&self.policy)))))
    }
}

/// Bytes of memory that the process has.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * PAGE
}

/// Fills a cache; gives the bytes that it believes to hold, and those that the process grew by.
async fn fill(store: Arc<dyn FindKey>, keys: u32) -> (u64, u64) {
    let bounds = Bounds { bytes_max: 1 << 34, loads_max: 8, load_wait: Duration::from_secs(60) };
    let cache = Cache::new(store, Arc::new(SoleOwner::default()), bounds, Handle::current());
    let before = resident();
    for number in 0..keys {
        let mut bytes = [7; Digest::LEN];
        *bytes.first_chunk_mut().unwrap() = number.wrapping_mul(0x9E37_79B1).to_be_bytes();
        cache.find_key(&Digest::from_bytes(bytes)).await.unwrap();
    }
    let (count, believed) = cache.size();
    assert_eq!(count, u64::from(keys));
    let grown = resident().saturating_sub(before);
    // Kept, so that the next one does not find its memory free.
    std::mem::forget(cache);
    (believed, grown)
}

#[tokio::test]
async fn a_key_takes_about_as_much_memory_as_the_cache_believes() {
    for size in [0, 2, 12] {
        let (believed, grown) = fill(Arc::new(Mint { policy: policy(), size }), KEYS).await;
        let each = |bytes: u64| bytes / u64::from(KEYS);
        println!("keys of size {size}: {} bytes believed, {} taken", each(believed), each(grown));
        assert!(believed < 2 * grown && grown < 2 * believed, "{believed} and {grown}");
    }
    let (workspace, principal) = (stored(workspace()).into(), stored(principal(Vec::new())).into());
    let usual = Arc::new(Usual { policy: policy(), workspace, principal });
    let (believed, grown) = fill(usual, USUAL).await;
    let each = |bytes: u64| bytes / u64::from(USUAL);
    println!(
        "ten scopes, three networks: {} bytes believed, {} taken",
        each(believed),
        each(grown)
    );
    assert!(each(grown) <= 1_024);
    assert!(believed < 2 * grown && 3 * grown < 4 * believed, "{believed} and {grown}");
}

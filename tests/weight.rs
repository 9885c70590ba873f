//! That keys in memory take about as many bytes as the cache believes. Alone in its process:
//! what it measures is the process.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(target_os = "linux")]

use std::{sync::Arc, time::Duration};

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
use tokio::runtime::Handle;

/// How many keys are kept.
const KEYS: u32 = 20_000;
/// Bytes of a page of memory, as `/proc` counts them.
const PAGE: u64 = 4096;

/// A store that makes a new key for each digest.
struct Mint {
    policy: Arc<CompiledPolicy>,
    size: usize,
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

#[async_trait]
impl FindKey for Mint {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        let number = u32::from_be_bytes(*digest.as_bytes().first_chunk().unwrap());
        let many = |what: &str| -> Vec<String> {
            (0..self.size).map(|place| format!("{what}/{number}/{place}")).collect()
        };
        let grants = (0..=self.size).map(|place| Grant {
            scope: format!("scope:{place}"),
            resource: (place % 2 == 1).then(|| format!("sites/{number}/**")),
        });
        let networks: Vec<_> = (0..self.size).map(|place| format!("10.0.{place}.0/24")).collect();
        let key = Key {
            name: format!("workspaces/acme/keys/0199{number:030}").parse().unwrap(),
            title: "a key of the usual kind".parse().unwrap(),
            key_type: "live".into(),
            principal: Some("ada".parse().unwrap()),
            grants: grants.collect(),
            constraint: many("projects"),
            allowed_cidrs: AllowedNetworks::parse(networks.iter().map(|text| &**text)).unwrap(),
            expire_time: None,
            plan: String::new(),
            labels: many("label").into_iter().map(|name| (name, "value".to_owned())).collect(),
            minting_key: None,
            revoke_time: None,
        };
        let workspace = Workspace {
            name: "workspaces/acme".parse().unwrap(),
            title: "Acme".parse().unwrap(),
            policy: "policies/acme".parse().unwrap(),
            plan: String::new(),
            suspended: false,
        };
        let principal = Principal {
            name: "workspaces/acme/principals/ada".parse().unwrap(),
            title: "Ada".parse().unwrap(),
            kind: PrincipalKind::User,
            role: "owner".into(),
            confined_to: many("teams"),
            disabled: false,
            deleted: false,
        };
        let facts = Facts {
            key: stored(key),
            replaced: None,
            policy: (workspace.policy.clone(), Revision(1)),
            workspace: stored(workspace),
            principal: Some(stored(principal)),
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
async fn fill(size: usize) -> (u64, u64) {
    let store = Arc::new(Mint { policy: policy(), size });
    let bounds = Bounds { bytes_max: 1 << 34, loads_max: 8, load_wait: Duration::from_secs(60) };
    let cache = Cache::new(store, Arc::new(SoleOwner::default()), bounds, Handle::current());
    let before = resident();
    for number in 0..KEYS {
        let mut bytes = [7; Digest::LEN];
        *bytes.first_chunk_mut().unwrap() = number.wrapping_mul(0x9E37_79B1).to_be_bytes();
        cache.find_key(&Digest::from_bytes(bytes)).await.unwrap();
    }
    let (count, believed) = cache.size();
    assert_eq!(count, u64::from(KEYS));
    let grown = resident().saturating_sub(before);
    // Kept, so that the next one does not find its memory free.
    std::mem::forget(cache);
    (believed, grown)
}

#[tokio::test]
async fn a_key_takes_about_as_much_memory_as_the_cache_believes() {
    for size in [0, 2, 12] {
        let (believed, grown) = fill(size).await;
        let each = |bytes: u64| bytes / u64::from(KEYS);
        println!("keys of size {size}: {} bytes believed, {} taken", each(believed), each(grown));
        assert!(believed < 2 * grown && grown < 2 * believed, "{believed} and {grown}");
    }
}

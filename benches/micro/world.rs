//! Keys, and all that an answer about them takes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use keyward::{
    cache::{Bounds, Cache, SoleOwner},
    clock::{SystemClock, SystemStopwatch},
    domain::{
        caller::Caller,
        live::LiveKey,
        ports::{FindKey, StoreError},
        secret::{Digest, KeyVersion, Keyring, Prefix, SigningKey},
    },
    introspect::Introspection,
    limits::{Alone, Local},
    usage::Meter,
};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use rand_distr::{Distribution as _, Zipf};
use ring::rand::SystemRandom;
use tokio::runtime::Runtime;

use crate::keys::{self, Furnished, Shape, USUAL};

/// How many keys are asked about, one after the other, before they come again.
const ASKED: usize = 1 << 18;
/// How uneven: as among those who use an interface.
const EXPONENT: f64 = 1.0;
/// How many are loaded at once.
const AT_ONCE: usize = 64;

/// All records, in memory.
struct Held(HashMap<[u8; Digest::LEN], Arc<LiveKey>>);

#[async_trait]
impl FindKey for Held {
    async fn find_key(&self, digest: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        Ok(self.0.get(digest.as_bytes()).cloned())
    }
}

/// A key and its secret.
pub(crate) struct One {
    pub(crate) secret: String,
    pub(crate) digest: Digest,
    pub(crate) key: Arc<LiveKey>,
}

/// What is measured.
pub(crate) struct World {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) root: Caller,
    pub(crate) keys: Vec<One>,
    /// Places of keys, as they are asked about.
    pub(crate) zipf: Vec<u32>,
    pub(crate) uniform: Vec<u32>,
    /// By how many scopes and networks they have.
    pub(crate) special: Vec<(Shape, One)>,
    /// Well formed, of a signing key that is not ours.
    pub(crate) forged: String,
    pub(crate) cache: Arc<Cache>,
    pub(crate) limiter: Arc<Local>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) introspection: Introspection,
    _runtime: Runtime,
}

impl World {
    pub(crate) fn new(count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let shapes = [(1, 3), (10, 3), (1_000, 3), (10, 1), (10, 10), (10, 100)];
        let shapes = shapes.map(|(scopes, cidrs)| Shape { scopes, cidrs });
        let (furnished, keys, special) = runtime.block_on(furnish(count, &shapes));
        let Furnished { store, keyring, root, .. } = furnished;
        runtime.block_on(store.close());
        let held = keys.iter().map(|one| (*one.digest.as_bytes(), Arc::clone(&one.key)));
        let held = Arc::new(Held(held.collect()));
        let bounds =
            Bounds { bytes_max: 1 << 40, loads_max: 64, load_wait: Duration::from_secs(10) };
        let owner = Arc::new(SoleOwner::default());
        let cache = Arc::new(Cache::new(held, owner, bounds, runtime.handle().clone()));
        runtime.block_on(async {
            for some in keys.chunks(AT_ONCE) {
                join_all(some.iter().map(|one| cache.find_key(&one.digest))).await;
            }
        });
        let limiter = Arc::new(Local::new(Arc::new(SystemStopwatch), Arc::new(Alone)));
        let meter = Arc::new(Meter::default());
        let (finder, clock) = (Arc::clone(&cache) as _, Arc::new(SystemClock));
        let introspection =
            Introspection::new(Arc::clone(&keyring), finder, clock, Arc::clone(&limiter) as _)
                .counted_by(Arc::clone(&meter) as _);
        let mut random = SmallRng::seed_from_u64(7);
        let ranks = Zipf::new(count as f64, EXPONENT).unwrap();
        // The most used keys are not next to each other.
        let place = |rank: usize| u32::try_from(rank * 7_919 % count).unwrap();
        let zipf = (0..ASKED).map(|_| place(ranks.sample(&mut random) as usize)).collect();
        let uniform = (0..ASKED).map(|_| place(random.random_range(0..count))).collect();
        Self {
            keyring,
            root,
            keys,
            zipf,
            uniform,
            special,
            forged: forged(),
            cache,
            limiter,
            meter,
            introspection,
            _runtime: runtime,
        }
    }

    /// The usual key.
    pub(crate) fn usual(&self) -> &One {
        &self.keys[0]
    }
}

async fn furnish(count: usize, shapes: &[Shape]) -> (Furnished, Vec<One>, Vec<(Shape, One)>) {
    let directory = tempfile::tempdir().unwrap();
    let furnished = Furnished::new(&keys::settings(directory.path(), None)).await;
    let mut ones = Vec::with_capacity(count);
    for secret in furnished.keys("usual", count, USUAL).await {
        ones.push(one(&furnished, secret).await);
    }
    let mut special = Vec::new();
    for shape in shapes {
        let name = format!("special-{}-{}", shape.scopes, shape.cidrs);
        let secret = furnished.keys(&name, 1, *shape).await.pop().unwrap();
        special.push((*shape, one(&furnished, secret).await));
    }
    (furnished, ones, special)
}

async fn one(furnished: &Furnished, secret: String) -> One {
    let digest = furnished.keyring.recognise(&secret).unwrap().digest;
    let key = furnished.store.find_key(&digest).await.unwrap().unwrap();
    One { secret, digest, key }
}

fn forged() -> String {
    let key = SigningKey::new(KeyVersion::FIRST, &[7; SigningKey::LEN]);
    let keyring = Keyring::new(vec![key], KeyVersion::FIRST).unwrap();
    let prefix = Prefix::parse("bench_live").unwrap();
    keyring.mint(&prefix, &SystemRandom::new()).unwrap().secret.reveal()
}

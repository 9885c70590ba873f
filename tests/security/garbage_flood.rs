//! Secrets that are none, each of which costs the database a read.
//!
//! RFC 7662, section 4, asks that a server be kept from being asked about tokens at random.
//!
//! How much is asked of the cache, of more kinds of garbage: `tests/flood.rs`. Here what arrives at
//! the server of the database, which logs every statement; and on a file, the count of the cache
//! through which every look-up goes. Asked in every way, and called with.

use http::HeaderMap;
use keyward::proto::{self, DenyReason};

use crate::{
    callers::{
        minted::{forged, never_stored},
        raw::{bearer, framed, send},
    },
    process::Deployment,
    random::{Random, seed},
    support::{Server, fresh::Fresh},
    ways::{WAYS, Ways, question},
    world::{LEASE_MS, Logged, Store, caller_at},
};

/// Secrets of each kind, and calls with each.
const EACH: usize = 100;

/// What is malformed in some way, and what is forged: of the right form, with a checksum that fits.
fn garbage(real: &str) -> Vec<String> {
    let mut random = Random::new(seed("garbage_flood"));
    let mut garbage = Vec::new();
    for _ in 0..EACH {
        let place = random.below(real.len());
        let other = char::from(b'!' + random.below(94) as u8);
        let edited = format!("{}{other}{}", &real[..place], &real[place + 1..]);
        let cut = real[..place].to_owned();
        garbage.extend([edited, cut, forged("keyward"), forged("acme_live")]);
    }
    garbage.retain(|text| text != real);
    garbage
}

/// Asks about all of it in every way, and calls with all of it.
async fn flood(address: std::net::SocketAddr, root_secret: &str, garbage: &[String]) {
    let mut ways = Ways::new(caller_at(address, root_secret).await).await;
    for secret in garbage {
        for way in WAYS {
            let answer = ways.ask(way, &question(secret, &[], "")).await.unwrap();
            assert_eq!(answer.reason(), DenyReason::InvalidKey, "{way:?}: {secret:?}");
        }
    }
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut refused = 0;
    for secret in garbage.iter().filter(|secret| secret.bytes().all(|b| b.is_ascii_graphic())) {
        for path in ["/keyward.v1.Introspect/Introspect", "/keyward.v1.KeyAdmin/ListPolicies"] {
            let headers = if secret.is_empty() { HeaderMap::new() } else { bearer(secret) };
            let reply = send(&channel, path, headers, framed(&[])).await;
            assert!(reply.reason().starts_with("CREDENTIALS_"), "{secret:?}: {}", reply.reason());
            refused += 1;
        }
    }
    assert!(refused > 2 * EACH, "{refused}");
}

/// From now on the caller is known: it is answered from memory.
async fn known(address: std::net::SocketAddr, root_secret: &str) {
    let mut root = caller_at(address, root_secret).await;
    for _ in 0..3 {
        assert!(root.ask(root_secret, &[], "").await.active);
        let all = proto::ListPoliciesRequest::default();
        root.admin.list_policies(all).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_garbage_is_looked_up_on_sqlite() {
    let server: Server = Store::Sqlite.server().await;
    known(server.address, &server.root_secret).await;
    let counted = || {
        let counts = server.cache.counts();
        (counts.loads, counts.misses)
    };
    let before = counted();
    flood(server.address, &server.root_secret, &garbage(&server.root_secret)).await;
    assert_eq!(counted(), before);
    // That the count counts.
    let signed = never_stored(&server.keyring, "acme_live");
    assert!(!server.root().await.ask(&signed, &[], "").await.active);
    assert_ne!(counted(), before);
}

/// What a look-up reads.
const LOOKED_UP: &str = "secrets";

#[tokio::test(flavor = "multi_thread")]
async fn no_garbage_arrives_at_the_database_on_postgres() {
    let logged = Logged::start().await;
    let database = Fresh::on(logged.server.url.clone()).await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("log.level", "warn"),
        ("replicas.lease_ms", LEASE_MS),
        // Counting the calls of the caller writes to other tables, and in its own time.
        ("usage.flush_interval_ms", "3600000"),
    ]);
    let root_secret = deployment.bootstrap();
    let serving = deployment.serve().await;
    known(serving.address, &root_secret).await;
    let counted = || logged.log().lines().filter(|line| line.contains(LOOKED_UP)).count();
    let before = counted();
    assert!(before > 0, "look-ups are logged");
    flood(serving.address, &root_secret, &garbage(&root_secret)).await;
    assert_eq!(counted(), before);
    let signed = never_stored(&deployment.file("keyward.keyring"), "acme_live");
    let mut root = caller_at(serving.address, &root_secret).await;
    assert!(!root.ask(&signed, &[], "").await.active);
    assert_eq!(counted(), before + 1, "a secret that we signed is looked up once");
}

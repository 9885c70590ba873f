//! One request that is carried out twice, or whose secret is shown twice.
//!
//! Nobody's bug in particular: a client that was not answered asks again, through another replica,
//! while the first is still at it. On one server each such call is in
//! `tests/api/keys/idempotency.rs`; here the hundred come to all replicas at once.

use futures_util::future::join_all;
use keyward::proto;
use tonic::Code;

use crate::{
    support::{Caller, reader, request_id},
    world::{Replicas, Store},
};

on_each_store!(
    a_hundred_creations_at_once_make_one_key_and_show_its_secret_once,
    a_hundred_creations_of_many_keys_make_each_once_and_show_each_secret_once,
    a_hundred_rotations_at_once_show_one_secret_and_it_is_the_one_that_works,
);

const AT_ONCE: usize = 100;

/// The most often that one of them comes again.
const TRIES: usize = 100;

/// All at once, to each replica in turn. Who is told that there are too many comes again, as
/// clients do.
async fn at_once<T>(
    roots: &[Caller],
    call: impl AsyncFn(Caller) -> Result<T, tonic::Status>,
) -> Vec<T> {
    let tried = async |root: &Caller| {
        for _ in 1..TRIES {
            match call(root.clone()).await {
                Err(status) if status.code() == Code::ResourceExhausted => {}
                outcome => return outcome.unwrap(),
            }
        }
        call(root.clone()).await.unwrap()
    };
    join_all((0..AT_ONCE).map(|number| tried(&roots[number % roots.len()]))).await
}

async fn keys(root: &mut Caller) -> Vec<proto::Key> {
    let request = proto::ListKeysRequest {
        parent: "workspaces/acme".to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    root.admin.list_keys(request).await.unwrap().into_inner().keys
}

#[track_caller]
fn shown(secrets: Vec<String>) -> String {
    let mut shown: Vec<String> = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
    assert_eq!(shown.len(), 1, "it is shown once");
    shown.remove(0)
}

async fn works_everywhere(roots: &mut [Caller], secret: &str) {
    for root in roots {
        assert!(root.ask(secret, &["sites:read"], "").await.active);
    }
}

async fn a_hundred_creations_at_once_make_one_key_and_show_its_secret_once(store: Store) {
    let replicas = Replicas::start(store).await;
    let mut roots = replicas.roots().await;
    let request = proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key: Some(reader()),
        request_id: request_id(),
        ..Default::default()
    };
    let made = at_once(&roots, async |mut root| {
        Ok(root.admin.create_key(request.clone()).await?.into_inner())
    })
    .await;
    let name = &made[0].key.as_ref().unwrap().name;
    assert!(made.iter().all(|answer| answer.key.as_ref().unwrap().name == *name));
    let secret = shown(made.iter().map(|answer| answer.secret.clone()).collect());
    assert_eq!(keys(&mut roots[0]).await.len(), 1);
    works_everywhere(&mut roots, &secret).await;
}

async fn a_hundred_creations_of_many_keys_make_each_once_and_show_each_secret_once(store: Store) {
    let replicas = Replicas::start(store).await;
    let mut roots = replicas.roots().await;
    let one = proto::CreateKeyRequest { key: Some(reader()), ..Default::default() };
    let request = proto::BatchCreateKeysRequest {
        parent: "workspaces/acme".to_owned(),
        requests: vec![one; 5],
        request_id: request_id(),
        ..Default::default()
    };
    let made = at_once(&roots, async |mut root| {
        Ok(root.admin.batch_create_keys(request.clone()).await?.into_inner().responses)
    })
    .await;
    for place in 0..5 {
        let secrets = made.iter().map(|answers| answers[place].secret.clone()).collect();
        works_everywhere(&mut roots, &shown(secrets)).await;
    }
    assert_eq!(keys(&mut roots[0]).await.len(), 5);
}

async fn a_hundred_rotations_at_once_show_one_secret_and_it_is_the_one_that_works(store: Store) {
    let replicas = Replicas::start(store).await;
    let mut roots = replicas.roots().await;
    let first = roots[0].create_key("acme", "ci", reader()).await.secret;
    works_everywhere(&mut roots, &first).await;
    let request = proto::RotateKeyRequest {
        name: "workspaces/acme/keys/ci".to_owned(),
        request_id: request_id(),
        ..Default::default()
    };
    let made = at_once(&roots, async |mut root| {
        Ok(root.admin.rotate_key(request.clone()).await?.into_inner().secret)
    })
    .await;
    let secret = shown(made);
    assert_ne!(secret, first);
    works_everywhere(&mut roots, &secret).await;
    for root in &mut roots {
        assert!(!root.ask(&first, &[], "").await.active, "the first works no more");
    }
    assert_eq!(keys(&mut roots[0]).await[0].secrets.len(), 1);
}

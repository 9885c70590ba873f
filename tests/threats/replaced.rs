//! Who has the keyring and writes the database makes keys; and the steps that end it.

use std::fs;

use keyward::proto;
use serde_json::Value;

use crate::{
    caller::Caller,
    process::Deployment,
    world::{DATABASE, KEYRING, World, allowed, ask, end, execute, mint, revoke, unknown},
};

/// Gives a key a new secret; the old one ends now.
async fn rotate(caller: &mut Caller, name: &str) -> String {
    let request = proto::RotateKeyRequest {
        name: name.to_owned(),
        grace: Some(prost_types::Duration::default()),
        ..Default::default()
    };
    caller.admin.rotate_key(request).await.unwrap().into_inner().secret
}

/// Takes the first signing key out of the keyring.
fn drop_the_first(world: &World) {
    let path = world.deployment.file(KEYRING);
    let mut keyring: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let keys = keyring["keys"].as_array_mut().unwrap();
    assert_eq!(keys.remove(0)["version"], "0");
    assert_eq!(keys.len(), 1);
    fs::write(&path, keyring.to_string()).unwrap();
}

/// Has a thief of both put a secret of its own into the database, and gives that secret.
async fn break_in(world: &World) -> String {
    let thief = Deployment::new(&[]);
    world.steal(DATABASE, &thief);
    world.steal(KEYRING, &thief);
    let output = thief.run(&["bootstrap", "--force"]);
    let secret = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    let database = world.database().await;
    let copy = thief.file(DATABASE);
    execute(&database, &format!("ATTACH '{}' AS thief", copy.display()), 0).await;
    let digest = "UPDATE secrets SET digest = (SELECT digest FROM thief.secrets ORDER BY create_time DESC LIMIT 1) \
        WHERE key = 'high'";
    execute(&database, digest, 1).await;
    database.close().await.unwrap();
    secret
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyring_and_a_written_database_make_keys_until_both_are_replaced() {
    let world = World::new().await;
    let mut serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    mint(&mut root, "acme", "high", &["docs:write"]).await;
    let kept = mint(&mut root, "acme", "kept", &["docs:read"]).await;
    let gone = mint(&mut root, "acme", "gone", &["docs:read"]).await;
    revoke(&mut root, "workspaces/acme/keys/gone").await;
    end(&mut serving);
    let stolen = break_in(&world).await;
    let mut serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    allowed(&ask(&mut root, &stolen, "docs:write").await, "workspaces/acme/keys/high");
    end(&mut serving);

    // A new signing key alone ends nothing: what the old one signed is good.
    assert!(world.deployment.run(&["keyring", "rotate"]).status.success());
    let output = world.deployment.run(&["bootstrap", "--force"]);
    assert!(output.status.success(), "{output:?}");
    let newer = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    let mut serving = world.deployment.serve().await;
    let mut caller = Caller::connect(serving.address, &newer).await;
    allowed(&ask(&mut caller, &stolen, "docs:write").await, "workspaces/acme/keys/high");

    // A new secret for each key does, and the first caller is revoked.
    let high = rotate(&mut caller, "workspaces/acme/keys/high").await;
    unknown(&serving, &mut caller, &stolen).await;
    let replaced = rotate(&mut caller, "workspaces/acme/keys/kept").await;
    end(&mut serving);
    let early = fs::read(world.deployment.file(KEYRING)).unwrap();
    drop_the_first(&world);
    let refused = world.deployment.run(&["bootstrap"]);
    assert!(!refused.status.success(), "the first caller still needs the old signing key");
    fs::write(world.deployment.file(KEYRING), early).unwrap();
    let mut serving = world.deployment.serve().await;
    let mut caller = Caller::connect(serving.address, &newer).await;
    revoke(&mut caller, "workspaces/system/keys/bootstrap").await;
    end(&mut serving);

    // Then the old signing key can go, and with it whatever else it was used for.
    drop_the_first(&world);
    let serving = world.deployment.serve().await;
    let mut caller = Caller::connect(serving.address, &newer).await;
    allowed(&ask(&mut caller, &high, "docs:write").await, "workspaces/acme/keys/high");
    allowed(&ask(&mut caller, &replaced, "docs:read").await, "workspaces/acme/keys/kept");
    for old in [&stolen, &kept, &gone, &world.root] {
        unknown(&serving, &mut caller, old).await;
    }
}

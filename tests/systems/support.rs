//! The policy files, and a server under all of them.

use keyward::{config::Settings, proto};

use crate::{
    harness::{Caller, Server},
    reader::try_read,
};

/// The reference systems, by the names of their files.
pub(crate) const SYSTEMS: [&str; 4] = ["aerovy", "fsckmsft", "managed-dev", "newport"];

/// The policy in `policies/{name}.yaml`.
pub(crate) fn policy(name: &str) -> proto::Policy {
    let path = format!("{}/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read(&path).expect(&path);
    match try_read(file) {
        Ok(read) => read.message,
        Err(faults) => panic!("{path}: {faults:?}"),
    }
}

/// A server with the policies of all systems and the one to start from, and for each a
/// workspace of the same name.
pub(crate) async fn all_systems() -> (Server, Caller) {
    all_systems_with(|_| {}).await
}

async fn all_systems_with(change: impl FnOnce(&mut Settings)) -> (Server, Caller) {
    let server = Server::start_with(change).await;
    let mut root = server.root().await;
    for system in SYSTEMS.into_iter().chain(["default"]) {
        root.create_policy(system, policy(system)).await;
        root.create_workspace(system, &format!("policies/{system}")).await;
    }
    (server, root)
}

/// The same, with the secret of a key that is in another database, signed with the same
/// keyring: nothing is wrong with it but that it is not known here.
pub(crate) async fn all_systems_and_an_unknown(
    system: &str,
    key: proto::Key,
) -> (Server, Caller, String) {
    let directory = tempfile::tempdir().unwrap();
    let keyring = directory.path().join("keyring");
    let shared = |settings: &mut Settings| settings.keyring.path.clone_from(&keyring);
    let (_elsewhere, mut stranger) = all_systems_with(shared).await;
    let secret = stranger.create_key(system, "", key).await.secret;
    let known = stranger.ask(&secret, &[], "").await;
    assert!(known.active, "it works where it was made");
    let (server, root) = all_systems_with(shared).await;
    (server, root, secret)
}

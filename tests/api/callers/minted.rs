//! Secrets of every kind that does not work.

use std::path::Path;

use keyward::{
    domain::secret::{KeyVersion, Keyring, Prefix, SigningKey},
    keyring::load_or_create,
    proto::{self, key::Expiration},
};
use ring::rand::SystemRandom;

use crate::support::{Caller, grants};

/// A secret that this keyring signed and nobody stored.
pub(crate) fn never_stored(keyring: &Path, prefix: &str) -> String {
    mint(&load_or_create(keyring, false, 0).unwrap(), prefix)
}

/// A secret of the right form and checksum that another keyring signed.
pub(crate) fn forged(prefix: &str) -> String {
    let key = SigningKey::new(KeyVersion::FIRST, &[7; SigningKey::LEN]);
    mint(&Keyring::new(vec![key], KeyVersion::FIRST).unwrap(), prefix)
}

fn mint(keyring: &Keyring, prefix: &str) -> String {
    let prefix = Prefix::parse(prefix).unwrap();
    let Ok(minted) = keyring.mint(&prefix, &SystemRandom::new()) else { panic!("no entropy") };
    minted.secret.reveal()
}

/// A key that has expired when the call that makes it returns.
pub(crate) fn short_lived(key: proto::Key) -> proto::Key {
    let ttl = prost_types::Duration { seconds: 0, nanos: 1_000 };
    proto::Key { expiration: Some(Expiration::Ttl(ttl)), ..key }
}

/// Rotates a key without a grace and gives its new secret.
pub(crate) async fn rotate(root: &mut Caller, name: &str) -> String {
    let request = proto::RotateKeyRequest { name: name.to_owned(), ..Default::default() };
    root.admin.rotate_key(request).await.unwrap().into_inner().secret
}

pub(crate) async fn revoke(root: &mut Caller, name: &str) {
    let request = proto::RevokeKeyRequest { name: name.to_owned(), ..Default::default() };
    root.admin.revoke_key(request).await.unwrap();
}

pub(crate) async fn disable(root: &mut Caller, name: &str) {
    let request = proto::DisablePrincipalRequest { name: name.to_owned(), ..Default::default() };
    root.admin.disable_principal(request).await.unwrap();
}

/// A key of a caller that may do everything.
pub(crate) fn operator() -> proto::Key {
    proto::Key {
        display_name: "an operator".to_owned(),
        grants: grants(&["*"]),
        ..Default::default()
    }
}

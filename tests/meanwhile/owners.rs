//! What becomes of a key and of its owner, where the one is made or goes on while the other is
//! deleted: one of the two comes about, and no live key is without its owner.

use std::time::Duration;

use keyward::admin::{AdminError, CreatePrincipal, PrincipalDraft, RotateKey, UpdateKey};

use super::*;

const ADA: &str = "workspaces/acme/principals/ada";
const KEY: &str = "workspaces/acme/keys/ci";

fn owned(expiration: Expiration) -> CreateKey {
    let creation = creation("ci", "");
    let draft = KeyDraft { principal: ADA.into(), expiration, ..creation.draft };
    CreateKey { draft, ..creation }
}

fn prolonging() -> UpdateKey {
    let draft = owned(Expiration::Never).draft;
    let mask = Mask::Paths(vec!["never_expires".into()]);
    let (etag, intent) = (String::new(), Intent::default());
    UpdateResource { name: KEY.into(), etag, draft, mask, intent }
}

fn named(name: &str) -> Named {
    Named { name: name.into(), ..Named::default() }
}

/// With `ada`, who owns no key.
async fn with_ada() -> World {
    let world = World::under(&["read"]).await;
    let draft = PrincipalDraft {
        kind: Some(keyward::domain::principal::PrincipalKind::User),
        ..PrincipalDraft::default()
    };
    let (parent, id) = ("workspaces/acme".into(), "ada".into());
    let request = CreatePrincipal { parent, id, draft, intent: Intent::default() };
    world.other.create_principal(&world.root, &request).await.unwrap();
    world
}

/// With `ada`, who owns a key that has expired.
async fn with_expired_key() -> World {
    let world = with_ada().await;
    let request = owned(Expiration::After(Duration::from_micros(1)));
    world.other.create_key(&world.root, &request).await.unwrap();
    world
}

impl World {
    /// Has somebody else delete `ada` before the next change is made.
    fn expect_deletion(&self) {
        let (other, root) = (Arc::clone(&self.other), self.root.clone());
        self.between.expect(Before::Commit, async move {
            other.delete_principal(&root, &named(ADA)).await.unwrap();
        });
    }

    async fn delete(&self) -> Option<AdminError> {
        let outcome = self.admin.delete_principal(&self.root, &named(ADA)).await;
        assert!(self.between.has_happened());
        outcome.err()
    }
}

#[track_caller]
fn is_gone(outcome: Option<AdminError>) {
    assert!(matches!(&outcome, Some(AdminError::NotFound(name)) if name == ADA), "{outcome:?}");
}

#[track_caller]
fn has_live_keys(outcome: Option<AdminError>) {
    let refused = matches!(&outcome, Some(AdminError::PrincipalHasLiveKeys(name)) if name == ADA);
    assert!(refused, "{outcome:?}");
}

#[tokio::test]
async fn an_owner_that_is_given_a_key_before_the_deletion_is_written_stays() {
    let world = with_ada().await;
    let (other, root) = (Arc::clone(&world.other), world.root.clone());
    world.between.expect(Before::Commit, async move {
        other.create_key(&root, &owned(Expiration::Never)).await.unwrap();
    });
    has_live_keys(world.delete().await);
}

#[tokio::test]
async fn the_keys_of_others_do_not_keep_an_owner() {
    let world = with_expired_key().await;
    let (other, root) = (Arc::clone(&world.other), world.root.clone());
    world.between.expect(Before::Commit, async move {
        other.create_key(&root, &creation("of-nobody", "")).await.unwrap();
    });
    assert!(world.delete().await.is_none());
    assert_eq!(world.commits(), 1, "it rests on no key but those of its own");
}

#[tokio::test]
async fn an_owner_whose_expired_key_is_prolonged_before_the_deletion_is_written_stays() {
    let world = with_expired_key().await;
    let (other, root) = (Arc::clone(&world.other), world.root.clone());
    world.between.expect(Before::Commit, async move {
        other.update_key(&root, &prolonging()).await.unwrap();
    });
    has_live_keys(world.delete().await);
}

#[tokio::test]
async fn no_key_is_made_whose_owner_is_deleted_before_it_is_written() {
    let world = with_ada().await;
    world.expect_deletion();
    let outcome = world.admin.create_key(&world.root, &owned(Expiration::Never)).await;
    assert!(world.between.has_happened());
    is_gone(outcome.err());
}

#[tokio::test]
async fn no_key_is_minted_whose_owner_is_deleted_before_it_is_written() {
    let world = with_ada().await;
    world.other.create_key(&world.root, &creation("minter", "")).await.unwrap();
    world.expect_deletion();
    let request = CreateKey { minting_key: MINTER.into(), ..owned(Expiration::Never) };
    let outcome = world.admin.create_key(&world.root, &request).await;
    assert!(world.between.has_happened());
    is_gone(outcome.err());
}

#[tokio::test]
async fn no_key_is_prolonged_whose_owner_is_deleted_before_it_is_written() {
    let world = with_expired_key().await;
    world.expect_deletion();
    let outcome = world.admin.update_key(&world.root, &prolonging()).await;
    assert!(world.between.has_happened());
    is_gone(outcome.err());
}

#[tokio::test]
async fn no_key_gets_a_secret_whose_owner_is_deleted_before_it_is_written() {
    let world = with_expired_key().await;
    world.expect_deletion();
    let request = RotateKey { named: named(KEY), ..RotateKey::default() };
    let outcome = world.admin.rotate_key(&world.root, &request).await;
    assert!(world.between.has_happened());
    is_gone(outcome.err());
}

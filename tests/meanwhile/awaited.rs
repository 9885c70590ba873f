//! Which changes a use case waits for until they are in force everywhere.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    admin::{
        Admin, AdminError, BatchCreateKeys, BatchRevokeKeys, CreateResource, Intent, Mask,
        UpdateResource, WorkspaceDraft,
    },
    cache::{Announced, Coordinator},
    clock::SystemClock,
    domain::{
        event::Revision,
        ports::{Change, Records, StoreError},
        time::Moment,
    },
};
use ring::rand::SystemRandom;

use crate::{World, creation};

/// Notes what is waited for.
#[derive(Default)]
struct Waits {
    asked: Mutex<Vec<(Revision, Option<Moment>)>>,
    /// Whether it takes too long.
    in_vain: Mutex<bool>,
}

#[async_trait]
impl Coordinator for Waits {
    async fn commit_all(
        self: Arc<Self>,
        records: Arc<dyn Records>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError> {
        records.commit_all(changes).await
    }

    async fn in_force(&self, revision: Revision, until: Option<Moment>) -> Result<(), StoreError> {
        self.asked.lock().unwrap().push((revision, until));
        if *self.in_vain.lock().unwrap() {
            return Err(StoreError::NotInForce { revision, within: Duration::from_secs(5) });
        }
        Ok(())
    }
}

struct Waiting {
    world: World,
    admin: Admin,
    waits: Arc<Waits>,
}

impl Waiting {
    async fn new() -> Self {
        let world = World::under(&["read"]).await;
        let waits = Arc::<Waits>::default();
        let records = Announced::new(Arc::clone(&world.between) as _, Arc::clone(&waits) as _);
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemRandom::new()));
        let keyring = Arc::clone(&world.keyring);
        let admin = Admin::new(Arc::new(records), clock, keyring, entropy);
        Self { world, admin, waits }
    }

    /// Gives the workspace a title; its revision then.
    async fn rename(&self, title: &str, intent: Intent) -> Result<Revision, AdminError> {
        let update = UpdateResource {
            name: "workspaces/acme".into(),
            etag: String::new(),
            draft: WorkspaceDraft { title: title.into(), ..WorkspaceDraft::default() },
            mask: Mask::new(vec!["display_name".into()]),
            intent,
        };
        let root = self.world.root.clone().until(UNTIL);
        self.admin.update_workspace(&root, &update).await.map(|changed| changed.record.revision)
    }

    /// With keys of these ids.
    async fn with_keys(ids: &[&str]) -> Self {
        let waiting = Self::new().await;
        for id in ids {
            let request = creation(id, "");
            waiting.world.other.create_key(&waiting.world.root, &request).await.unwrap();
        }
        waiting
    }

    /// Ends keys together; their revisions then.
    async fn revoke(&self, ids: &[&str], intent: Intent) -> Result<Vec<Revision>, AdminError> {
        let names = ids.iter().map(|id| format!("workspaces/acme/keys/{id}")).collect();
        let request = BatchRevokeKeys { parent: "workspaces/acme".into(), names, intent };
        let root = self.world.root.clone().until(UNTIL);
        let keys = self.admin.batch_revoke_keys(&root, &request).await?;
        Ok(keys.iter().map(|record| record.key.revision).collect())
    }

    /// What was waited for since the last look.
    fn asked(&self) -> Vec<(Revision, Option<Moment>)> {
        std::mem::take(&mut *self.waits.asked.lock().unwrap())
    }
}

const UNTIL: Moment = Moment::from_start(Duration::from_secs(1_234));

fn request(number: u8) -> Intent {
    let request_id = uuid::Builder::from_random_bytes([number; 16]).into_uuid().to_string();
    Intent { request_id, ..Intent::default() }
}

#[tokio::test]
async fn a_change_waits_until_it_is_in_force_and_no_longer_than_its_caller() {
    let waiting = Waiting::new().await;
    let revision = waiting.rename("one", Intent::default()).await.unwrap();
    assert_eq!(waiting.asked(), [(revision, Some(UNTIL))]);
}

#[tokio::test]
async fn what_is_so_already_is_waited_for_by_whoever_asks_for_it_again() {
    let waiting = Waiting::new().await;
    let revision = waiting.rename("one", Intent::default()).await.unwrap();
    waiting.asked();
    for intent in [Intent::default(), request(1)] {
        assert_eq!(waiting.rename("one", intent).await.unwrap(), revision);
        assert_eq!(waiting.asked(), [(revision, Some(UNTIL))]);
    }
}

#[tokio::test]
async fn a_repeated_request_waits_for_its_own_change_whatever_came_after() {
    let waiting = Waiting::new().await;
    let first = waiting.rename("one", request(1)).await.unwrap();
    let second = waiting.rename("two", request(2)).await.unwrap();
    waiting.asked();
    assert_eq!(waiting.rename("one", request(1)).await.unwrap(), second);
    assert_eq!(waiting.asked(), [(first, Some(UNTIL))]);
}

#[tokio::test]
async fn a_change_that_is_not_in_force_in_time_is_made_once_and_says_so() {
    let waiting = Waiting::new().await;
    *waiting.waits.in_vain.lock().unwrap() = true;
    let mut told = None;
    for _ in 0..2 {
        let outcome = waiting.rename("one", request(1)).await;
        let Err(AdminError::Store(StoreError::NotInForce { revision, .. })) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(*told.get_or_insert(revision), revision);
        assert_eq!(waiting.asked(), [(revision, Some(UNTIL))]);
    }
    *waiting.waits.in_vain.lock().unwrap() = false;
    assert_eq!(waiting.rename("one", request(1)).await.unwrap(), told.unwrap());
}

#[tokio::test]
async fn what_is_new_or_only_checked_waits_for_nobody() {
    let waiting = Waiting::new().await;
    let draft = WorkspaceDraft { policy: "policies/acme".into(), ..WorkspaceDraft::default() };
    let creation = CreateResource { id: "new".into(), draft, intent: Intent::default() };
    waiting.admin.create_workspace(&waiting.world.root, &creation).await.unwrap();
    let check = Intent { validate_only: true, ..Intent::default() };
    waiting.rename("one", check.clone()).await.unwrap();
    waiting.rename("", check).await.unwrap();
    assert_eq!(waiting.asked(), []);
}

#[tokio::test]
async fn keys_that_are_ended_together_are_waited_for_once_until_the_last_is_in_force() {
    let waiting = Waiting::with_keys(&["a", "b", "c", "d"]).await;
    let ended = waiting.revoke(&["a"], Intent::default()).await.unwrap();
    assert_eq!(waiting.asked(), [(ended[0], Some(UNTIL))]);
    // One that has ended before stands last, and is not the one to wait for.
    let revisions = waiting.revoke(&["d", "b", "c", "a"], Intent::default()).await.unwrap();
    let [first, second, last, earlier] = revisions[..] else { panic!("{revisions:?}") };
    assert_eq!((first.next(), second.next(), earlier), (second, last, ended[0]));
    assert_eq!(waiting.asked(), [(last, Some(UNTIL))]);
}

#[tokio::test]
async fn who_ends_keys_again_that_have_ended_waits_for_the_newest_of_them() {
    let waiting = Waiting::with_keys(&["a", "b", "c"]).await;
    let revisions = waiting.revoke(&["a", "b", "c"], Intent::default()).await.unwrap();
    waiting.asked();
    for (intent, ids) in [(Intent::default(), ["b", "c", "a"]), (request(1), ["c", "a", "b"])] {
        waiting.revoke(&ids, intent).await.unwrap();
        assert_eq!(waiting.asked(), [(revisions[2], Some(UNTIL))], "{ids:?}");
    }
    waiting.revoke(&["b", "a"], request(2)).await.unwrap();
    assert_eq!(waiting.asked(), [(revisions[1], Some(UNTIL))]);
}

#[tokio::test]
async fn who_repeats_the_ending_of_keys_waits_for_the_last_of_them_whatever_came_after() {
    let waiting = Waiting::with_keys(&["a", "b"]).await;
    let revisions = waiting.revoke(&["a", "b"], request(1)).await.unwrap();
    waiting.rename("later", Intent::default()).await.unwrap();
    waiting.asked();
    assert_eq!(waiting.revoke(&["a", "b"], request(1)).await.unwrap(), revisions);
    assert_eq!(waiting.asked(), [(revisions[1], Some(UNTIL))]);
}

#[tokio::test]
async fn keys_whose_end_is_not_in_force_in_time_are_ended_once_and_that_is_said() {
    let waiting = Waiting::with_keys(&["a", "b"]).await;
    *waiting.waits.in_vain.lock().unwrap() = true;
    let mut told = None;
    for _ in 0..2 {
        let outcome = waiting.revoke(&["a", "b"], request(1)).await;
        let Err(AdminError::Store(StoreError::NotInForce { revision, .. })) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(*told.get_or_insert(revision), revision);
    }
    *waiting.waits.in_vain.lock().unwrap() = false;
    let revisions = waiting.revoke(&["a", "b"], request(1)).await.unwrap();
    assert_eq!(revisions.last(), told.as_ref());
}

#[tokio::test]
async fn keys_that_are_made_together_and_ends_that_are_only_checked_wait_for_nobody() {
    let waiting = Waiting::with_keys(&["a"]).await;
    let request = BatchCreateKeys {
        parent: "workspaces/acme".into(),
        requests: vec![creation("b", ""), creation("c", "")],
        intent: Intent::default(),
    };
    waiting
        .admin
        .batch_create_keys(&waiting.world.root, &request, tokio::task::yield_now)
        .await
        .unwrap();
    let check = Intent { validate_only: true, ..Intent::default() };
    waiting.revoke(&["a", "b"], check).await.unwrap();
    assert_eq!(waiting.asked(), []);
}

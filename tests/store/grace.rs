//! Rotation with a grace: from a moment on the old secret works on no replica, and until then it
//! works on all, whether they answer from memory or not.

use std::time::Duration;

use keyward::{
    admin::{
        AdminError, CreateKey, CreateResource, Intent, KeyDraft, Mask, Named, PolicyDraft,
        RotateKey, UpdatePolicy, UpdateResource, WorkspaceDraft,
    },
    domain::{
        decision::Denial,
        key::Expiration,
        policy::{Policy, RotationRule},
        ports::{Clock as _, Records as _},
        time::Timestamp,
    },
};

use crate::{
    database::Database,
    mutations,
    replicas::Deployment,
    sample::{key_name, policy},
};

const TICK: Duration = Duration::from_micros(1);
/// How long a machine that is busy may take for a few steps.
const PATIENCE: Duration = Duration::from_secs(60);
const DEFAULT: Duration = Duration::from_secs(90);
const MOST: Duration = Duration::from_hours(24);

/// A key, and all secrets that it ever had, the newest last.
struct World {
    deployment: Deployment,
    secrets: Vec<String>,
}

fn rules(rotation: RotationRule) -> PolicyDraft {
    PolicyDraft { policy: Policy { rotation, ..policy() }, ..PolicyDraft::default() }
}

fn grace(default_grace: Option<Duration>, max_grace: Option<Duration>) -> RotationRule {
    RotationRule { default_grace, max_grace, due_after: None }
}

impl World {
    async fn new(database: &impl Database) -> Self {
        let deployment = Deployment::new(database).await;
        let (admin, root) = (&deployment.replicas[0].admin, &deployment.root);
        let intent = Intent::default;
        let draft = rules(grace(Some(DEFAULT), Some(MOST)));
        let request = CreateResource { id: "web".into(), draft, intent: intent() };
        admin.create_policy(root, &request).await.unwrap();
        let draft = WorkspaceDraft { policy: "policies/web".into(), ..WorkspaceDraft::default() };
        let request = CreateResource { id: "acme".into(), draft, intent: intent() };
        admin.create_workspace(root, &request).await.unwrap();
        let request = CreateKey {
            parent: "workspaces/acme".into(),
            id: "ci".into(),
            draft: KeyDraft {
                expiration: Expiration::Never,
                ..mutations::draft("ci", "", "sites:read")
            },
            presets: vec![],
            minting_key: String::new(),
            intent: intent(),
        };
        let secret = admin.create_key(root, &request).await.unwrap().secret.unwrap();
        Self { deployment, secrets: vec![secret.reveal()] }
    }

    /// Puts another rule into the policy.
    async fn rule(&self, rotation: RotationRule) {
        let update = UpdateResource {
            name: "policies/web".into(),
            etag: String::new(),
            draft: rules(rotation),
            mask: Mask::All,
            intent: Intent::default(),
        };
        let Deployment { replicas, root, .. } = &self.deployment;
        let update = UpdatePolicy { update, force: false };
        replicas[1].admin.update_policy(root, &update).await.unwrap();
    }

    /// Rotates on the replica of this number.
    async fn rotate(
        &mut self,
        replica: usize,
        grace: Option<Duration>,
    ) -> Result<Timestamp, AdminError> {
        let Deployment { replicas, root, dial, .. } = &self.deployment;
        let request = RotateKey { named: named(), grace, unread: vec![] };
        let issued = replicas[replica].admin.rotate_key(root, &request).await?;
        self.secrets.push(issued.secret.unwrap().reveal());
        Ok(dial.now())
    }

    /// From when on no secret but the newest works.
    async fn end(&self) -> Timestamp {
        let record = self.deployment.store.key(&key_name("ci")).await.unwrap().unwrap();
        record.secrets.iter().filter_map(|secret| secret.replaced).max().unwrap()
    }

    /// Which of the secrets work, the oldest first: the same on each replica, from memory and not.
    async fn check(&self, expected: &[Option<Denial>]) {
        let Deployment { replicas, root, .. } = &self.deployment;
        for (number, replica) in replicas.iter().enumerate() {
            for (secret, expected) in self.secrets.iter().zip(expected) {
                let place = format!("replica {number}: {:?}", &secret[..12]);
                assert_eq!(replica.ask_anew(root, secret).await, *expected, "{place}, anew");
                // What was loaded before the replica had read the log that far does not count.
                let from_memory = async {
                    let hits = replica.hits();
                    while replica.hits() == hits {
                        assert_eq!(replica.ask(root, secret).await, *expected, "{place}");
                    }
                };
                tokio::time::timeout(PATIENCE, from_memory).await.unwrap();
            }
        }
        assert_eq!(self.secrets.len(), expected.len());
    }

    /// One tick before, at, and after this moment: the last secret but one works until then, and
    /// others do not change.
    async fn check_around(&self, end: Timestamp, others: &[Option<Denial>]) {
        let all = |old| [others, &[old, None]].concat();
        let at = |micros| Timestamp::from_micros(end.micros() + micros);
        self.check(&all(None)).await;
        for (moment, old) in [(at(-1), None), (at(0), OVER), (at(1), OVER)] {
            self.deployment.turn_to(moment).await;
            self.check(&all(old)).await;
        }
    }
}

/// A secret that no longer works is none.
const OVER: Option<Denial> = Some(Denial::InvalidKey);

fn named() -> Named {
    Named { name: "workspaces/acme/keys/ci".into(), ..Named::default() }
}

pub(crate) async fn both_secrets_work_until_the_grace_ends_and_the_old_one_never_after_it(
    database: &impl Database,
) {
    let mut world = World::new(database).await;
    // What is asked for, the default, the most, and as little as there is.
    let cases = [
        (Some(Duration::from_secs(60)), Duration::from_secs(60)),
        (None, DEFAULT),
        (Some(MOST), MOST),
        (Some(TICK), TICK),
    ];
    for (number, (asked, expected)) in cases.into_iter().enumerate() {
        let older = vec![OVER; number];
        let rotated = world.rotate(number % 3, asked).await.unwrap();
        let end = world.end().await;
        assert_eq!(Some(end), rotated.after(expected));
        world.check_around(end, &older).await;
    }
    world.deployment.end().await;
}

pub(crate) async fn without_a_grace_the_old_secret_stops_at_once(database: &impl Database) {
    let mut world = World::new(database).await;
    world.check(&[None]).await;
    world.rotate(0, Some(Duration::ZERO)).await.unwrap();
    world.check(&[OVER, None]).await;
    // Nor does the policy give any where it says nothing.
    world.rule(grace(None, Some(MOST))).await;
    world.rotate(1, None).await.unwrap();
    world.check(&[OVER, OVER, None]).await;
    world.rule(grace(None, None)).await;
    world.rotate(2, None).await.unwrap();
    world.check(&[OVER, OVER, OVER, None]).await;
    world.deployment.end().await;
}

pub(crate) async fn rotated_during_a_grace_a_key_has_two_secrets_at_the_most(
    database: &impl Database,
) {
    let mut world = World::new(database).await;
    world.rotate(0, Some(MOST)).await.unwrap();
    world.check(&[None, None]).await;
    let later = world.deployment.dial.now().after(TICK).unwrap();
    world.deployment.turn_to(later).await;
    world.rotate(1, Some(DEFAULT)).await.unwrap();
    world.check(&[OVER, None, None]).await;
    // Also in the very moment of the one before.
    world.rotate(2, Some(DEFAULT)).await.unwrap();
    let end = world.end().await;
    world.check_around(end, &[OVER, OVER]).await;
    world.deployment.end().await;
}

pub(crate) async fn revoking_during_a_grace_ends_both_secrets_at_once(database: &impl Database) {
    const REVOKED: Option<Denial> = Some(Denial::Revoked);
    let mut world = World::new(database).await;
    world.rotate(0, Some(MOST)).await.unwrap();
    world.check(&[None, None]).await;
    let end = world.end().await;
    let Deployment { replicas, root, .. } = &world.deployment;
    replicas[2].admin.revoke_key(root, &named()).await.unwrap();
    world.check(&[REVOKED, REVOKED]).await;
    world.deployment.turn_to(end).await;
    world.check(&[OVER, REVOKED]).await;
    world.deployment.end().await;
}

pub(crate) async fn a_grace_is_no_longer_than_the_policy_allows_now(database: &impl Database) {
    let mut world = World::new(database).await;
    let refused = |outcome: Result<Timestamp, AdminError>| {
        let Err(AdminError::Invalid(faults)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(faults.iter().map(|fault| &*fault.field).collect::<Vec<_>>(), ["grace"]);
    };
    refused(world.rotate(0, Some(MOST + TICK)).await);
    world.rotate(0, Some(MOST)).await.unwrap();
    let end = world.end().await;
    // What was promised stays so.
    world.rule(grace(None, Some(DEFAULT))).await;
    for replica in 0..3 {
        refused(world.rotate(replica, Some(DEFAULT + TICK)).await);
    }
    world.check_around(end, &[]).await;
    world.deployment.end().await;
}

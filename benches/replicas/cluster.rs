//! Real processes on one database.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use keyward::proto;
use prost_types::FieldMask;
use sea_orm::ConnectionTrait as _;

use crate::{
    caller::Caller,
    fresh::Fresh,
    postgres::Server,
    process::{Deployment, Serving},
    sample::Sample,
};

const WORKSPACE: &str = "workspaces/bench";

/// A change that is made at the same time by many.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Of a new key, which nobody waits for.
    Create,
    /// Of one that may be cached.
    Update,
}

/// So many programs.
pub(crate) struct Cluster {
    // Dropped in this order.
    servings: Vec<Serving>,
    callers: Vec<Caller>,
    secret: String,
    next: usize,
    _deployment: Deployment,
    database: Fresh,
}

impl Cluster {
    pub(crate) async fn start(server: &Server, replicas: usize, more: &[(&str, &str)]) -> Self {
        let database = Fresh::on(server.url.clone()).await;
        let url = database.url();
        let mut settings = vec![
            ("database.url", &*url),
            ("database.migrate_on_start", "true"),
            ("log.level", "error"),
        ];
        settings.extend(more);
        let deployment = Deployment::new(&settings);
        let secret = deployment.bootstrap();
        let (mut servings, mut callers) = (Vec::new(), Vec::new());
        for _ in 0..replicas {
            let serving = deployment.serve().await;
            callers.push(Caller::connect(serving.address, &secret).await);
            servings.push(serving);
        }
        let policy = proto::Policy {
            display_name: "Bench".to_owned(),
            scopes: vec![proto::Scope { name: "docs:read".to_owned(), ..Default::default() }],
            key_types: vec![proto::KeyType {
                name: "live".to_owned(),
                prefix: "bench_live".to_owned(),
                is_default: true,
                ..Default::default()
            }],
            ..Default::default()
        };
        let request = proto::CreatePolicyRequest {
            policy_id: "bench".to_owned(),
            policy: Some(policy),
            ..Default::default()
        };
        callers[0].admin.create_policy(request).await.unwrap();
        let request = proto::CreateWorkspaceRequest {
            workspace_id: "bench".to_owned(),
            workspace: Some(proto::Workspace {
                policy: "policies/bench".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        callers[0].admin.create_workspace(request).await.unwrap();
        Self { servings, callers, secret, next: 0, _deployment: deployment, database }
    }

    /// Stops one of them, as if its machine hung.
    pub(crate) fn pause(&self, place: usize) {
        let id = self.servings[place].id().to_string();
        assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    }

    fn names(&mut self, count: usize) -> Vec<String> {
        let names = (self.next..self.next + count).map(|number| format!("k{number}")).collect();
        self.next += count;
        names
    }

    /// Revokes keys that every replica has cached, one after another.
    pub(crate) async fn revokes(&mut self, rounds: usize, count: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        for _ in 0..rounds {
            let mut times = Vec::new();
            for id in self.names(count) {
                create(&mut self.callers[0], &id).await;
                let request = proto::RevokeKeyRequest {
                    name: format!("{WORKSPACE}/keys/{id}"),
                    ..Default::default()
                };
                let begun = Instant::now();
                self.callers[0].admin.revoke_key(request).await.unwrap();
                times.push(begun.elapsed());
            }
            samples.push(Sample(times));
        }
        samples
    }

    /// How many changes are made in a second by so many at once.
    pub(crate) async fn rates(
        &mut self,
        rounds: usize,
        kind: Kind,
        callers: usize,
        each: usize,
    ) -> Vec<f64> {
        let mut rates = Vec::new();
        // The first round only fills the tables. Then the server is told how full they are, as it
        // finds out by itself within a minute: plans for empty tables are of no use.
        for round in 0..=rounds {
            let names = self.names(callers * each);
            let mut who = Vec::new();
            for place in 0..callers {
                let serving = &self.servings[place % self.servings.len()];
                who.push(Caller::connect(serving.address, &self.secret).await);
            }
            if let Kind::Update = kind {
                join_all(names.chunks(each).zip(&who).map(|(names, caller)| async move {
                    let mut caller = caller.clone();
                    for id in names {
                        create(&mut caller, id).await;
                    }
                }))
                .await;
            }
            if round > 0 {
                self.database.connect().await.execute_unprepared("ANALYZE").await.unwrap();
            }
            let begun = Instant::now();
            join_all(names.chunks(each).zip(who).map(|(names, mut caller)| async move {
                for id in names {
                    match kind {
                        Kind::Create => _ = create(&mut caller, id).await,
                        Kind::Update => update(&mut caller, id).await,
                    }
                }
            }))
            .await;
            if round > 0 {
                rates.push(rate(names.len(), begun.elapsed()));
            }
        }
        rates
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

async fn create(caller: &mut Caller, id: &str) -> String {
    let request = proto::CreateKeyRequest {
        parent: WORKSPACE.to_owned(),
        key_id: id.to_owned(),
        key: Some(proto::Key {
            display_name: id.to_owned(),
            grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
            ..Default::default()
        }),
        ..Default::default()
    };
    caller.admin.create_key(request).await.unwrap().into_inner().secret
}

async fn update(caller: &mut Caller, id: &str) {
    let request = proto::UpdateKeyRequest {
        key: Some(proto::Key {
            name: format!("{WORKSPACE}/keys/{id}"),
            display_name: format!("{id}, renamed"),
            ..Default::default()
        }),
        update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    caller.admin.update_key(request).await.unwrap();
}

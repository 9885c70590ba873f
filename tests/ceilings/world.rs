//! Programs that serve, with keys that have limits.

use std::{sync::Arc, time::Duration};

use keyward::proto::{
    self, BatchCreateKeysRequest, CreateKeyRequest, CreatePolicyRequest, CreateWorkspaceRequest,
};
use tonic::Code;

use crate::{
    caller::Caller,
    fresh::Fresh,
    process::{Deployment, Serving},
    spans::Rate,
};

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(1);
/// How many keys share a ceiling.
const KEYS: usize = 1_000;

/// The limit of a key; of some of it more comes back in a tenth of a second than one.
const OF_KEY: Rate = Rate { burst: 60, quota: 60, window: WINDOW };
/// The limit of all keys of a workspace.
const OF_ALL: Rate = Rate { burst: 150, quota: 120, window: WINDOW };

/// Programs on one database.
pub(crate) struct World {
    pub(crate) roots: Vec<Caller>,
    made: usize,
    _servings: Vec<Serving>,
    _deployment: Deployment,
    _database: Option<Fresh>,
}

/// Keys that share a limit.
pub(crate) struct Target {
    pub(crate) secrets: Arc<[String]>,
    pub(crate) rate: Rate,
}

impl World {
    /// So many replicas on PostgreSQL and Redis.
    pub(crate) async fn on_redis(replicas: usize) -> Self {
        let database = Fresh::new().await;
        let (url, redis) = (database.url(), std::env::var("KEYWARD_TEST_REDIS").unwrap());
        let settings = [
            ("database.url", &*url),
            ("database.migrate_on_start", "true"),
            ("limits.redis_url", &*redis),
            ("limits.redis_timeout_ms", "60000"),
            ("limits.without_redis", "refuse"),
        ];
        let mut world = Self::start(&settings, replicas, Some(database)).await;
        world.reach_redis().await;
        world
    }

    /// One process that owns a file.
    pub(crate) async fn on_a_file() -> Self {
        Self::start(&[], 1, None).await
    }

    async fn start(settings: &[(&str, &str)], replicas: usize, database: Option<Fresh>) -> Self {
        let deployment = Deployment::new(settings);
        let secret = deployment.bootstrap();
        let (mut servings, mut roots) = (Vec::new(), Vec::new());
        for _ in 0..replicas {
            let serving = deployment.serve().await;
            roots.push(Caller::connect(serving.address, &secret).await);
            servings.push(serving);
        }
        let mut world = Self {
            roots,
            made: 0,
            _servings: servings,
            _deployment: deployment,
            _database: database,
        };
        world.policy().await;
        world
    }

    fn root(&mut self) -> &mut Caller {
        self.roots.first_mut().unwrap()
    }

    async fn policy(&mut self) {
        let limit = |rate: Rate| proto::RateLimit {
            name: "all".to_owned(),
            quota: rate.quota.try_into().unwrap(),
            burst: rate.burst.try_into().unwrap(),
            window: Some(rate.window.try_into().unwrap()),
            ..Default::default()
        };
        let plan = |name: &str| proto::Plan { name: name.to_owned(), ..Default::default() };
        let plans = vec![
            proto::Plan { key_limits: vec![limit(OF_KEY)], ..plan("key") },
            proto::Plan { workspace_limits: vec![limit(OF_ALL)], ..plan("all") },
        ];
        let live = proto::KeyType {
            name: "live".to_owned(),
            prefix: "web_live".to_owned(),
            is_default: true,
            ..Default::default()
        };
        let scope = proto::Scope { name: "docs:read".to_owned(), ..Default::default() };
        let policy = proto::Policy {
            display_name: "Web".to_owned(),
            scopes: vec![scope],
            key_types: vec![live],
            plans,
            ..Default::default()
        };
        let request = CreatePolicyRequest {
            policy_id: "web".to_owned(),
            policy: Some(policy),
            ..Default::default()
        };
        self.root().admin.create_policy(request).await.unwrap();
    }

    /// So many keys of a new workspace on this plan.
    async fn keys(&mut self, plan: &str, count: usize) -> Arc<[String]> {
        self.made += 1;
        let id = format!("w{}-{}", self.made, uuid::Uuid::new_v4());
        let workspace = proto::Workspace {
            policy: "policies/web".to_owned(),
            plan: plan.to_owned(),
            ..Default::default()
        };
        let request = CreateWorkspaceRequest {
            workspace_id: id.clone(),
            workspace: Some(workspace),
            ..Default::default()
        };
        self.root().admin.create_workspace(request).await.unwrap();
        let grant = proto::Grant { scope: "docs:read".to_owned(), ..Default::default() };
        let key = proto::Key {
            display_name: "a key".to_owned(),
            grants: vec![grant],
            ..Default::default()
        };
        let each = CreateKeyRequest { key: Some(key), ..Default::default() };
        let request = BatchCreateKeysRequest {
            parent: format!("workspaces/{id}"),
            requests: vec![each; count],
            ..Default::default()
        };
        let answer = self.root().admin.batch_create_keys(request).await.unwrap().into_inner();
        answer.responses.into_iter().map(|response| response.secret).collect()
    }

    /// A key with a limit of its own, and a thousand with one for all of them.
    pub(crate) async fn targets(&mut self) -> [Target; 2] {
        let (own, all) = (self.keys("key", 1).await, self.keys("all", KEYS).await);
        [Target { secrets: own, rate: OF_KEY }, Target { secrets: all, rate: OF_ALL }]
    }

    /// Waits until every replica has reached Redis.
    async fn reach_redis(&mut self) {
        let secrets = self.keys("key", 1).await;
        let secret = secrets.first().unwrap();
        for root in &mut self.roots {
            let coming = async {
                loop {
                    let request =
                        proto::IntrospectRequest { secret: secret.clone(), ..Default::default() };
                    match root.introspect.introspect(request).await {
                        Ok(_) => return,
                        Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
                    }
                }
            };
            tokio::time::timeout(LONG, coming).await.unwrap();
        }
    }
}

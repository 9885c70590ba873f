//! A database that is lost while the program serves.

use std::time::Duration;

use futures_util::future::join_all;
use keyward::proto;
use tonic::Code;

use crate::{
    LONG,
    caller::Caller,
    failover::until_it_can,
    fresh::Fresh,
    policy,
    postgres::Server,
    process::{Deployment, Serving},
    without_lease,
};

/// How often a server is asked whether it has healed.
const INTERVAL: Duration = Duration::from_millis(20);
/// More calls than there are connections.
const MANY: usize = 24;

struct Lost {
    // Dropped in this order: the program, its database, the server.
    _serving: Serving,
    deployment: Deployment,
    root: Caller,
    secret: String,
    _database: Fresh,
    server: Server,
}

impl Lost {
    async fn new() -> Self {
        let server = Server::start();
        let database = Fresh::on(server.url.clone()).await;
        let deployment = Deployment::new(&[
            ("database.url", &database.url()),
            ("database.migrate_on_start", "true"),
            ("database.acquire_timeout_ms", "500"),
            ("database.statement_timeout_ms", "500"),
            ("replicas.lease_ms", "1000"),
            ("log.level", "error"),
        ]);
        let secret = deployment.bootstrap();
        let serving = deployment.serve().await;
        let root = Caller::connect(serving.address, &secret).await;
        let request = proto::CreatePolicyRequest {
            policy_id: "web".to_owned(),
            policy: Some(policy()),
            request_id: "01990e0c-7b6f-7000-8000-000000000001".to_owned(),
            ..Default::default()
        };
        // On a busy machine the database may be too slow for that at first.
        until_it_can(async || root.clone().admin.create_policy(request.clone()).await).await;
        until_it_can(async || create(root.clone(), "before".to_owned()).await).await;
        Self { _serving: serving, deployment, root, secret, _database: database, server }
    }

    /// Makes a workspace, under a request id of its own.
    async fn create(
        &mut self,
        id: &str,
    ) -> Result<tonic::Response<proto::CreateWorkspaceResponse>, tonic::Status> {
        create(self.root.clone(), id.to_owned()).await
    }

    /// Waits until the lease is over, up to when questions are answered from memory. Then asks and
    /// changes at once, more than there is room for, and is refused each time.
    async fn is_unavailable(&mut self, round: &str) {
        let lease = async {
            let mut interval = tokio::time::interval(INTERVAL);
            loop {
                interval.tick().await;
                let secret = self.secret.clone();
                let request = proto::IntrospectRequest { secret, ..Default::default() };
                match self.root.introspect.introspect(request).await {
                    Ok(answer) => assert!(answer.into_inner().active),
                    Err(status) => {
                        break assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                    }
                }
            }
        };
        tokio::time::timeout(LONG, lease).await.unwrap();
        let asked = (0..MANY).map(|_| {
            let (mut root, secret) = (self.root.clone(), self.secret.clone());
            async move {
                let request = proto::IntrospectRequest { secret, ..Default::default() };
                root.introspect.introspect(request).await
            }
        });
        let changed =
            (0..MANY).map(|number| create(self.root.clone(), format!("{round}-{number}")));
        let (asked, changed) = tokio::time::timeout(
            LONG,
            futures_util::future::join(join_all(asked), join_all(changed)),
        )
        .await
        .unwrap();
        asked.into_iter().for_each(without_lease);
        changed.into_iter().for_each(without_lease);
    }

    /// Waits until it is as before; then what was asked for meanwhile is made once, when it is
    /// asked for again.
    async fn heals(&mut self, round: &str) {
        let healed = async {
            let mut interval = tokio::time::interval(INTERVAL);
            loop {
                interval.tick().await;
                let request = proto::GetWorkspaceRequest { name: "workspaces/before".to_owned() };
                match self.root.admin.get_workspace(request).await {
                    Ok(_) => break,
                    Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
                }
            }
        };
        tokio::time::timeout(LONG, healed).await.unwrap();
        for number in 0..MANY {
            let id = format!("{round}-{number}");
            let again = async {
                let mut interval = tokio::time::interval(INTERVAL);
                loop {
                    interval.tick().await;
                    match self.create(&id).await {
                        Ok(_) => break,
                        Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
                    }
                }
            };
            tokio::time::timeout(LONG, again).await.unwrap();
        }
    }

    /// Sees to it that each change is in the log, and once.
    fn check(&self, rounds: usize) {
        let ran = self.deployment.run(&["events", "verify"]);
        let said = String::from_utf8(ran.stdout).unwrap();
        // The built-in policy and workspace, the first key, `web` and `before`.
        let expected = format!("{} events, unbroken.", 5 + rounds * MANY);
        assert!(said.starts_with(&expected), "{said}, and not {expected}");
    }
}

async fn create(
    mut root: Caller,
    id: String,
) -> Result<tonic::Response<proto::CreateWorkspaceResponse>, tonic::Status> {
    let bytes = id.bytes().chain([0; 16]).take(16).collect::<Vec<_>>().try_into().unwrap();
    let request = proto::CreateWorkspaceRequest {
        workspace_id: id,
        workspace: Some(proto::Workspace {
            policy: "policies/web".to_owned(),
            ..Default::default()
        }),
        request_id: uuid::Builder::from_random_bytes(bytes).into_uuid().to_string(),
        ..Default::default()
    };
    root.admin.create_workspace(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_is_unavailable_and_heals() {
    let mut lost = Lost::new().await;
    for round in ["one", "two"] {
        lost.server.pause();
        lost.is_unavailable(round).await;
        lost.server.resume();
        lost.heals(round).await;
    }
    lost.check(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_is_unavailable_and_heals_when_it_is_back() {
    let mut lost = Lost::new().await;
    for round in ["one", "two"] {
        lost.server.kill();
        lost.is_unavailable(round).await;
        lost.server.start_again();
        lost.heals(round).await;
    }
    lost.check(2);
}

//! A deployment with a product in it, and thieves of its parts.

use std::{fs, process::Command};

use keyward::proto::{self, DenyReason};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use tonic::Code;

use crate::{
    caller::Caller,
    process::{Deployment, Serving},
};

pub(crate) const DATABASE: &str = "keyward.db";
pub(crate) const KEYRING: &str = "keyward.keyring";

/// A program and its first caller.
pub(crate) struct World {
    pub(crate) deployment: Deployment,
    pub(crate) root: String,
}

fn grants(scopes: &[&str]) -> Vec<proto::Grant> {
    let grant = |scope: &&str| proto::Grant { scope: (*scope).to_owned(), ..Default::default() };
    scopes.iter().map(grant).collect()
}

pub(crate) fn policy() -> proto::Policy {
    let scope = |name: &str| proto::Scope { name: name.to_owned(), ..Default::default() };
    proto::Policy {
        scopes: vec![scope("docs:read"), scope("docs:write")],
        key_types: vec![proto::KeyType {
            name: "live".to_owned(),
            prefix: "web_live".to_owned(),
            is_default: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

impl World {
    /// With a policy and the workspaces `acme` and `other`. It does not run.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with these settings.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let deployment = Deployment::new(settings);
        let root = deployment.bootstrap();
        let world = Self { deployment, root };
        let mut serving = world.deployment.serve().await;
        let mut caller = world.caller(&serving).await;
        let request = proto::CreatePolicyRequest {
            policy_id: "web".to_owned(),
            policy: Some(policy()),
            ..Default::default()
        };
        caller.admin.create_policy(request).await.unwrap();
        for workspace in ["acme", "other"] {
            let made = proto::Workspace { policy: "policies/web".to_owned(), ..Default::default() };
            let request = proto::CreateWorkspaceRequest {
                workspace_id: workspace.to_owned(),
                workspace: Some(made),
                ..Default::default()
            };
            caller.admin.create_workspace(request).await.unwrap();
        }
        end(&mut serving);
        world
    }

    pub(crate) async fn caller(&self, serving: &Serving) -> Caller {
        Caller::connect(serving.address, &self.root).await
    }

    /// What writes the database beside the program.
    pub(crate) async fn database(&self) -> DatabaseConnection {
        let path = self.deployment.file(DATABASE);
        Database::connect(format!("sqlite://{}", path.display())).await.unwrap()
    }

    /// Changes so many rows in the database.
    #[track_caller]
    pub(crate) fn verified(&self) -> String {
        let output = self.deployment.run(&["events", "verify"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Has a thief's deployment get a copy of this file.
    pub(crate) fn steal(&self, file: &str, thief: &Deployment) {
        fs::copy(self.deployment.file(file), thief.file(file)).unwrap();
    }
}

/// Asks the program to end, and waits for it: all is in the database file then.
pub(crate) fn end(serving: &mut Serving) {
    let told = Command::new("kill").arg(serving.id().to_string()).status().unwrap();
    assert!(told.success());
    serving.end();
}

/// Makes a key and returns its secret.
pub(crate) async fn mint(
    caller: &mut Caller,
    workspace: &str,
    id: &str,
    scopes: &[&str],
) -> String {
    let key =
        proto::Key { display_name: id.to_owned(), grants: grants(scopes), ..Default::default() };
    let request = proto::CreateKeyRequest {
        parent: format!("workspaces/{workspace}"),
        key_id: id.to_owned(),
        key: Some(key),
        ..Default::default()
    };
    caller.admin.create_key(request).await.unwrap().into_inner().secret
}

pub(crate) async fn revoke(caller: &mut Caller, name: &str) {
    let request = proto::RevokeKeyRequest { name: name.to_owned(), ..Default::default() };
    caller.admin.revoke_key(request).await.unwrap();
}

/// Asks whether a secret may do this.
pub(crate) async fn ask(
    caller: &mut Caller,
    secret: &str,
    scope: &str,
) -> proto::IntrospectResponse {
    let required = if scope.is_empty() { Vec::new() } else { vec![scope.to_owned()] };
    let question = proto::IntrospectRequest {
        secret: secret.to_owned(),
        required_scopes: required,
        ..Default::default()
    };
    caller.introspect.introspect(question).await.unwrap().into_inner()
}

/// Whether a secret may do this, of a key of this name.
#[track_caller]
pub(crate) fn allowed(answer: &proto::IntrospectResponse, key: &str) {
    assert_eq!(answer.decision(), proto::Decision::Allow, "{answer:?}");
    assert_eq!(answer.key, key, "{answer:?}");
}

/// Sees to it that nothing is known of a secret: neither as one that is asked about, nor as a caller's.
pub(crate) async fn unknown(serving: &Serving, caller: &mut Caller, secret: &str) {
    let answer = ask(caller, secret, "").await;
    assert!(!answer.active && answer.key.is_empty(), "{answer:?}");
    assert_eq!(answer.reason(), DenyReason::InvalidKey, "{answer:?}");
    let mut stranger = Caller::connect(serving.address, secret).await;
    let asked = stranger.introspect.introspect(proto::IntrospectRequest::default()).await;
    assert_eq!(asked.unwrap_err().code(), Code::Unauthenticated);
}

/// Runs a change of the database; it must change so many rows.
pub(crate) async fn execute(database: &DatabaseConnection, sql: &str, rows: u64) {
    let changed = database.execute_unprepared(sql).await.unwrap().rows_affected();
    assert_eq!(changed, rows, "{sql}");
}

/// A column of a query, of texts.
pub(crate) async fn column(database: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(DbBackend::Sqlite, sql.to_owned());
    let rows = database.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

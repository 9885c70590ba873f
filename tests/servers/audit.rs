//! Two programs on one database that share the file of a checkpoint, and the end of principals.

use std::process::Command;

use keyward::proto;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::{LONG, caller::Caller, fresh::Fresh, furnish, process::Deployment};

/// How often a key is made on one program while its owner is deleted on the other.
const ROUNDS: usize = 10;

/// Makes a principal, and gives its name.
async fn principal(root: &mut Caller, id: &str) -> String {
    let request = proto::CreatePrincipalRequest {
        parent: "workspaces/acme".to_owned(),
        principal_id: id.to_owned(),
        principal: Some(proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: "writer".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    root.admin.create_principal(request).await.unwrap().into_inner().principal.unwrap().name
}

fn key_of(principal: &str) -> proto::CreateKeyRequest {
    proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key: Some(proto::Key {
            display_name: "ci".to_owned(),
            principal: principal.to_owned(),
            grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Asks again as long as it cannot be told, such as while a lease is late.
async fn told<T>(
    mut ask: impl AsyncFnMut() -> Result<Response<T>, Status>,
) -> Result<Response<T>, Status> {
    let asking = async {
        loop {
            match ask().await {
                Err(status) if status.code() == Code::Unavailable => {
                    tokio::task::yield_now().await;
                }
                answer => return answer,
            }
        }
    };
    tokio::time::timeout(LONG, asking).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_deleted_on_one_is_gone_on_the_other_and_never_leaves_a_live_key() {
    let database = Fresh::new().await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("log.level", "warn"),
    ]);
    let secret = deployment.bootstrap();
    let servings = [deployment.serve().await, deployment.serve().await];
    let mut one = Caller::connect(servings[0].address, &secret).await;
    let mut other = Caller::connect(servings[1].address, &secret).await;
    furnish(&mut one, "acme").await;
    let mut deletions = 0;
    for round in 0..ROUNDS {
        let name = principal(&mut one, &format!("p{round}")).await;
        // What is asked again is made once.
        let request_id = || uuid::Uuid::new_v4().to_string();
        let delete = proto::DeletePrincipalRequest {
            name: name.clone(),
            request_id: request_id(),
            ..Default::default()
        };
        let create = proto::CreateKeyRequest { request_id: request_id(), ..key_of(&name) };
        let deleting = told(async || one.admin.delete_principal(delete.clone()).await);
        let making = told(async || other.admin.create_key(create.clone()).await);
        // Half of the time the deletion is over before the key is asked for.
        let (deleted, made) = if round % 2 == 0 {
            (deleting.await, making.await)
        } else {
            tokio::join!(deleting, making)
        };
        assert_ne!(deleted.is_ok(), made.is_ok(), "{deleted:?} {made:?}");
        match deleted {
            Ok(_) => {
                deletions += 1;
                assert_eq!(made.unwrap_err().code(), Code::NotFound);
                let get = proto::GetPrincipalRequest { name };
                let found = told(async || other.admin.get_principal(get.clone()).await).await;
                assert_eq!(found.unwrap_err().code(), Code::NotFound);
            }
            Err(status) => {
                let reason = status.get_details_error_info().unwrap().reason;
                assert_eq!(reason, "PRINCIPAL_HAS_LIVE_KEYS");
            }
        }
    }
    assert!(deletions >= ROUNDS / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_go_on_from_each_others_checkpoint_and_the_log_is_verified_meanwhile() {
    let database = Fresh::new().await;
    let shared = tempfile::tempdir().unwrap();
    let file = shared.path().join("log.checkpoint");
    let file = file.to_str().unwrap();
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("audit.checkpoint_file", file),
        ("audit.checkpoint_interval_s", "1"),
    ]);
    let secret = deployment.bootstrap();
    let mut servings = [deployment.serve().await, deployment.serve().await];
    let mut callers = Vec::new();
    for serving in &servings {
        callers.push(Caller::connect(serving.address, &secret).await);
    }
    furnish(&mut callers[0], "acme").await;
    for round in 0..10 {
        principal(&mut callers[round % 2], &format!("p{round}")).await;
    }
    for serving in &mut servings {
        let end = Command::new("kill").args(["-TERM", &serving.id().to_string()]).status();
        assert!(end.unwrap().success());
        serving.end();
        // The other goes on, or both have ended: the checkpoint holds.
        let verified = deployment.run(&["events", "verify", "--checkpoint", file]);
        assert!(verified.status.success(), "{verified:?}");
        let said = String::from_utf8(verified.stdout).unwrap();
        let count = said.split_once(" events, unbroken. ").unwrap().0;
        assert!(said.contains(&format!("at revision {count}, signed ")), "{said}");
    }
    let log = deployment.log();
    assert!(log.matches("a checkpoint was signed").count() >= 4, "{log}");
    assert!(!log.contains("no checkpoint was signed"), "{log}");
}

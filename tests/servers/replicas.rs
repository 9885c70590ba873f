//! Two programs on one database: what one has done when it returns is in force on the other.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use keyward::proto;
use prost_types::FieldMask;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::{caller::Caller, fresh::Fresh, furnish, policy, process::Deployment};

const SCOPE: &str = "docs:write";
/// How often each change is made, each time of a record of its own.
const ROUNDS: usize = 5;
/// Clients of each of the two that ask all the time.
const CLIENTS: usize = 2;
/// How many answers each client has before the change, and after it.
const ANSWERS: usize = 10;

/// Changes that take the scope from a key.
#[derive(Clone, Copy, Debug)]
enum Change {
    Revoke,
    RevokeTogether,
    Rotate,
    Narrow,
    Suspend,
    Disable,
    Lower,
    Policy,
}

/// A question: when it was asked and answered, and whether with ALLOW.
struct Answer {
    asked: Instant,
    answered: Instant,
    allowed: bool,
}

/// Asks whether the secret has the scope, until some time after the change.
async fn hammer(
    address: SocketAddr,
    caller_secret: String,
    secret: String,
    warm: mpsc::UnboundedSender<()>,
    changed: Arc<AtomicBool>,
) -> Vec<Answer> {
    let mut caller = Caller::connect(address, &caller_secret).await;
    let mut answers = Vec::new();
    let mut left = ANSWERS;
    while left > 0 {
        if changed.load(Ordering::SeqCst) {
            left -= 1;
        }
        let request = proto::IntrospectRequest {
            secret: secret.clone(),
            required_scopes: vec![SCOPE.to_owned()],
            ..Default::default()
        };
        let asked = Instant::now();
        let answer = caller.introspect.introspect(request).await.unwrap().into_inner();
        let allowed = answer.decision() == proto::Decision::Allow;
        answers.push(Answer { asked, answered: Instant::now(), allowed });
        let _ = warm.send(());
    }
    answers
}

async fn are_warm(mut answers: UnboundedReceiver<()>) -> UnboundedReceiver<()> {
    for _ in 0..2 * CLIENTS * ANSWERS {
        answers.recv().await.unwrap();
    }
    answers
}

/// Makes a policy, a workspace, a principal and its key, all of this name; gives the secret.
pub(crate) async fn with_key(root: &mut Caller, id: &str) -> String {
    furnish(root, id).await;
    let request = proto::CreatePrincipalRequest {
        parent: format!("workspaces/{id}"),
        principal_id: id.to_owned(),
        principal: Some(proto::Principal {
            kind: proto::PrincipalKind::User.into(),
            role: "writer".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    root.admin.create_principal(request).await.unwrap();
    let key = proto::Key {
        display_name: id.to_owned(),
        principal: format!("workspaces/{id}/principals/{id}"),
        grants: vec![proto::Grant { scope: SCOPE.to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let request = proto::CreateKeyRequest {
        parent: format!("workspaces/{id}"),
        key_id: id.to_owned(),
        key: Some(key),
        ..Default::default()
    };
    root.admin.create_key(request).await.unwrap().into_inner().secret
}

/// Asks for another key of the workspace of this name.
fn another(id: &str, other: &str) -> proto::CreateKeyRequest {
    let grants = vec![proto::Grant { scope: SCOPE.to_owned(), ..Default::default() }];
    let key = proto::Key { display_name: other.to_owned(), grants, ..Default::default() };
    let key_id = format!("{id}-{other}");
    proto::CreateKeyRequest { key_id, key: Some(key), ..Default::default() }
}

async fn make(root: &mut Caller, change: Change, id: &str) {
    let key = format!("workspaces/{id}/keys/{id}");
    let principal = format!("workspaces/{id}/principals/{id}");
    let mask = |path: &str| Some(FieldMask { paths: vec![path.to_owned()] });
    match change {
        Change::Revoke => {
            let request = proto::RevokeKeyRequest { name: key, ..Default::default() };
            root.admin.revoke_key(request).await.unwrap();
        }
        Change::RevokeTogether => {
            // Among others, and neither the first nor the last.
            let [before, after] = [format!("{key}-before"), format!("{key}-after")];
            let request = proto::BatchCreateKeysRequest {
                parent: format!("workspaces/{id}"),
                requests: ["before", "after"].map(|other| another(id, other)).to_vec(),
                ..Default::default()
            };
            root.admin.batch_create_keys(request).await.unwrap();
            let request = proto::BatchRevokeKeysRequest {
                parent: format!("workspaces/{id}"),
                names: vec![before, key, after],
                ..Default::default()
            };
            root.admin.batch_revoke_keys(request).await.unwrap();
        }
        Change::Rotate => {
            let request = proto::RotateKeyRequest { name: key, ..Default::default() };
            root.admin.rotate_key(request).await.unwrap();
        }
        Change::Narrow => {
            let grants = vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }];
            let request = proto::UpdateKeyRequest {
                key: Some(proto::Key { name: key, grants, ..Default::default() }),
                update_mask: mask("grants"),
                ..Default::default()
            };
            root.admin.update_key(request).await.unwrap();
        }
        Change::Suspend => {
            let name = format!("workspaces/{id}");
            let request = proto::SuspendWorkspaceRequest { name, ..Default::default() };
            root.admin.suspend_workspace(request).await.unwrap();
        }
        Change::Disable => {
            let request = proto::DisablePrincipalRequest { name: principal, ..Default::default() };
            root.admin.disable_principal(request).await.unwrap();
        }
        Change::Lower => {
            let role = "reader".to_owned();
            let request = proto::UpdatePrincipalRequest {
                principal: Some(proto::Principal { name: principal, role, ..Default::default() }),
                update_mask: mask("role"),
                ..Default::default()
            };
            root.admin.update_principal(request).await.unwrap();
        }
        Change::Policy => {
            let mut narrower = proto::Policy { name: format!("policies/{id}"), ..policy() };
            narrower.roles[0].scopes = vec!["docs:read".to_owned()];
            let request = proto::UpdatePolicyRequest {
                policy: Some(narrower),
                update_mask: mask("roles"),
                force: true,
                ..Default::default()
            };
            root.admin.update_policy(request).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_one_has_made_is_in_force_on_the_other() {
    let database = Fresh::new().await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("log.level", "warn"),
    ]);
    let root_secret = deployment.bootstrap();
    let mut servings = [deployment.serve().await, deployment.serve().await];
    let mut roots = Vec::new();
    for serving in &servings {
        roots.push(Caller::connect(serving.address, &root_secret).await);
    }
    let changes = [
        Change::Revoke,
        Change::RevokeTogether,
        Change::Rotate,
        Change::Narrow,
        Change::Suspend,
        Change::Disable,
        Change::Lower,
        Change::Policy,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for round in 0..ROUNDS {
            let id = format!("c{number}-{round}");
            let root = &mut roots[round % 2];
            let secret = with_key(root, &id).await;
            let changed = Arc::new(AtomicBool::new(false));
            let (warm, warmed) = mpsc::unbounded_channel();
            let mut tasks = Vec::new();
            for serving in &servings {
                for _ in 0..CLIENTS {
                    tasks.push(tokio::spawn(hammer(
                        serving.address,
                        root_secret.clone(),
                        secret.clone(),
                        warm.clone(),
                        Arc::clone(&changed),
                    )));
                }
            }
            // Held until the end, so that nobody fails to tell.
            let _warmed = are_warm(warmed).await;
            let begun = Instant::now();
            make(root, change, &id).await;
            let returned = Instant::now();
            changed.store(true, Ordering::SeqCst);
            let mut later = 0;
            for task in tasks {
                for Answer { asked, answered, allowed } in task.await.unwrap() {
                    if asked > returned {
                        later += 1;
                        assert!(!allowed, "{change:?} was made, and the key still has the scope");
                    } else if answered < begun {
                        assert!(allowed, "{change:?} was not begun");
                    }
                }
            }
            assert!(later >= 2 * CLIENTS * (ANSWERS - 1), "{later} were asked afterwards");
        }
    }
    // What one leaves, the other goes on with.
    servings[0].kill();
    let secret = with_key(&mut roots[1], "after").await;
    let request = proto::IntrospectRequest { secret, ..Default::default() };
    assert!(roots[1].introspect.introspect(request).await.unwrap().into_inner().active);
    let verified = deployment.run(&["events", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

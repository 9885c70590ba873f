//! Programs that are waited for: one that hangs, one that leaves, and one that goes on without
//! its database.

use std::{process::Command, time::Duration};

use keyward::proto;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorInfo, StatusExt as _};

use crate::{
    LONG,
    caller::Caller,
    fresh::Fresh,
    furnish,
    postgres::Server,
    process::{Deployment, Serving},
};

const INTERVAL: Duration = Duration::from_millis(20);
/// So long that a busy machine renews in time. Who hangs is waited for a quarter longer.
const LEASE: &str = "10000";
/// How long somebody waits for a change who does not wait for who hangs.
const IMPATIENT: Duration = Duration::from_secs(1);
/// How often they ask where a busy machine takes that long for the answer: three such, all together,
/// are over before nobody waits any more for who hangs.
const TRIES: usize = 4;
/// Enough for a change that waits for nobody, on a machine that is busy; and less than who hangs
/// is waited for.
const AT_ONCE: Duration = Duration::from_secs(6);

struct Pair {
    servings: [Serving; 2],
    roots: [Caller; 2],
    deployment: Deployment,
    database: Fresh,
}

async fn pair() -> Pair {
    pair_of(&[("replicas.lease_ms", LEASE)]).await
}

/// With these settings beside the usual ones.
async fn pair_of(settings: &[(&str, &str)]) -> Pair {
    let database = Fresh::new().await;
    let url = database.url();
    let usual =
        [("database.url", &*url), ("database.migrate_on_start", "true"), ("log.level", "warn")];
    let deployment = Deployment::new(&[&usual[..], settings].concat());
    let secret = deployment.bootstrap();
    let servings = [deployment.serve().await, deployment.serve().await];
    let mut roots = [
        Caller::connect(servings[0].address, &secret).await,
        Caller::connect(servings[1].address, &secret).await,
    ];
    furnish(&mut roots[0], "web").await;
    Pair { servings, roots, deployment, database }
}

pub(crate) fn creation(id: &str) -> proto::CreateKeyRequest {
    proto::CreateKeyRequest {
        parent: "workspaces/web".to_owned(),
        key_id: id.to_owned(),
        key: Some(proto::Key {
            display_name: id.to_owned(),
            grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Makes a key, and gives its secret.
async fn create(root: &mut Caller, id: &str) -> String {
    root.admin.create_key(creation(id)).await.unwrap().into_inner().secret
}

pub(crate) fn revocation(id: &str, request_id: &str) -> proto::RevokeKeyRequest {
    proto::RevokeKeyRequest {
        name: format!("workspaces/web/keys/{id}"),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

pub(crate) async fn ask(
    root: &mut Caller,
    secret: &str,
) -> Result<proto::IntrospectResponse, Status> {
    let request = proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() };
    root.introspect.introspect(request).await.map(tonic::Response::into_inner)
}

/// What somebody is told who revokes a key and does not wait for who hangs.
async fn not_yet_in_force(root: &mut Caller, id: &str, request_id: &str) -> ErrorInfo {
    for _ in 0..TRIES {
        let mut impatient = Request::new(revocation(id, request_id));
        impatient.set_timeout(IMPATIENT);
        let status = root.admin.revoke_key(impatient).await.unwrap_err();
        let details = status.get_details_error_info();
        if let Some(details) = details.filter(|it| it.reason == "CHANGE_NOT_YET_IN_FORCE") {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
            return details;
        }
        // All of the time went by: before the change was made, or before its answer was here.
        let is_late = matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded);
        assert!(is_late, "{status:?}");
    }
    panic!("{TRIES} times it was not told in time");
}

fn signal(serving: &Serving, signal: &str) {
    let id = serving.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

async fn count(database: &Fresh, sql: &str) -> usize {
    use sea_orm::ConnectionTrait as _;
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    database.connect().await.query_all_raw(statement).await.unwrap().len()
}

async fn rows(pair: &Pair) -> usize {
    count(&pair.database, "SELECT id FROM replicas").await
}

/// Waits until a replica has applied every change, and so keeps what it reads.
async fn is_up_to_date(database: &Fresh) {
    let sql = "SELECT replicas.id FROM replicas, counter WHERE applied = revision";
    let waiting = async {
        let mut interval = tokio::time::interval(INTERVAL);
        while count(database, sql).await == 0 {
            interval.tick().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_hangs_is_waited_for_once_and_begins_anew() {
    let mut pair = pair().await;
    let [one, two] =
        [create(&mut pair.roots[0], "one").await, create(&mut pair.roots[0], "two").await];
    for secret in [&one, &two] {
        assert!(ask(&mut pair.roots[1], secret).await.unwrap().active);
    }
    signal(&pair.servings[1], "-STOP");
    // Its caller does not wait so long, and is told all that it must know.
    let request_id = "01990e0c-7b6f-7000-8000-000000000001";
    let details = not_yet_in_force(&mut pair.roots[0], "one", request_id).await;
    let within: u64 = details.metadata["within_ms"].parse().unwrap();
    assert!((1..=12_500).contains(&within), "{details:?}");
    // It was made. Who asks again, with the id or without, waits for the rest.
    for request_id in [request_id, ""] {
        let again = not_yet_in_force(&mut pair.roots[0], "one", request_id).await;
        assert_eq!(again.metadata["revision"], details.metadata["revision"], "{request_id:?}");
    }
    let revoked = pair.roots[0].admin.revoke_key(revocation("one", request_id)).await.unwrap();
    assert_eq!(revoked.into_inner().revision.to_string(), details.metadata["revision"]);
    // From now on nobody waits for it.
    assert_eq!(rows(&pair).await, 1);
    let mut impatient = Request::new(revocation("two", ""));
    impatient.set_timeout(AT_ONCE);
    pair.roots[0].admin.revoke_key(impatient).await.unwrap();
    // When it goes on, it answers nothing that it has in memory.
    signal(&pair.servings[1], "-CONT");
    let anew = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            match ask(&mut pair.roots[1], &one).await {
                Ok(answer) => break answer,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
        }
    };
    let answer = tokio::time::timeout(LONG, anew).await.unwrap();
    assert_eq!(answer.reason(), proto::DenyReason::Revoked);
    assert_eq!(ask(&mut pair.roots[1], &two).await.unwrap().reason(), proto::DenyReason::Revoked);
    assert_eq!(rows(&pair).await, 2);
    assert!(pair.deployment.log().contains("starting anew: the row of this replica is gone"));
}

/// How many keys are revoked.
async fn revoked(pair: &Pair) -> i64 {
    use sea_orm::ConnectionTrait as _;
    let sql = "SELECT count(*) AS revoked FROM keys WHERE revoke_time IS NOT NULL";
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    let row = pair.database.connect().await.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "revoked").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_changes_wait_for_a_program_that_hangs_records_can_be_read() {
    // The last one waits for its turn as long as the test takes, and all wait for who hangs.
    let mut pair = pair_of(&[
        ("replicas.lease_ms", "60000"),
        ("server.admin_wait_ms", "60000"),
        ("server.deadline_max_ms", "120000"),
    ])
    .await;
    // One more than are carried out at once.
    let names: Vec<_> = (0..65).map(|number| format!("k{number}")).collect();
    for name in &names {
        create(&mut pair.roots[0], name).await;
    }
    signal(&pair.servings[1], "-STOP");
    let mut waiting = tokio::task::JoinSet::new();
    for name in names {
        let mut root = pair.roots[0].clone();
        waiting.spawn(async move { root.admin.revoke_key(revocation(&name, "")).await });
    }
    let made = async {
        let mut interval = tokio::time::interval(INTERVAL);
        while revoked(&pair).await < 64 {
            interval.tick().await;
        }
    };
    tokio::time::timeout(LONG, made).await.unwrap();
    let mut impatient =
        Request::new(proto::GetKeyRequest { name: "workspaces/web/keys/k0".to_owned() });
    impatient.set_timeout(Duration::from_secs(20));
    pair.roots[0].admin.get_key(impatient).await.unwrap();
    assert!(waiting.try_join_next().is_none(), "they wait all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_leaves_is_waited_for_by_nobody() {
    let mut pair = pair().await;
    create(&mut pair.roots[0], "one").await;
    assert_eq!(rows(&pair).await, 2);
    signal(&pair.servings[1], "-TERM");
    pair.servings[1].end();
    assert_eq!(rows(&pair).await, 1);
    let mut impatient = Request::new(revocation("one", ""));
    impatient.set_timeout(AT_ONCE);
    pair.roots[0].admin.revoke_key(impatient).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_its_setting_a_program_goes_on_without_its_database_and_says_since_when() {
    let server = Server::start();
    let database = Fresh::on(server.url.clone()).await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("replicas.lease_ms", "4000"),
        ("replicas.bounded_stale_ms", "10000"),
        ("log.level", "error"),
    ]);
    let secret = deployment.bootstrap();
    let serving = deployment.serve().await;
    let mut root = Caller::connect(serving.address, &secret).await;
    furnish(&mut root, "web").await;
    let key = create(&mut root, "one").await;
    is_up_to_date(&database).await;
    // On a busy machine a lease may be over at any time, and is renewed.
    let fresh = async {
        loop {
            let asked = std::time::SystemTime::now();
            let answer = ask(&mut root, &key).await.unwrap();
            assert!(answer.active);
            if answer.stale_since.is_none() {
                break asked;
            }
        }
    };
    let asked = tokio::time::timeout(LONG, fresh).await.unwrap();
    server.pause();
    let lost = std::time::SystemTime::now();
    let mut stale = Vec::new();
    let over = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            match ask(&mut root, &key).await {
                Ok(answer) => {
                    assert!(answer.active);
                    stale.extend(answer.stale_since);
                }
                Err(status) => break assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
        }
    };
    tokio::time::timeout(LONG, over).await.unwrap();
    let first = stale.first().unwrap();
    // The clock of the database is that of this machine.
    let since = std::time::SystemTime::try_from(*first).unwrap();
    assert!(since > asked - Duration::from_millis(100), "{since:?} {asked:?}");
    assert!(since < lost + Duration::from_millis(4_300), "{since:?} {lost:?}");
    let apart = |other: &prost_types::Timestamp| {
        let other = std::time::SystemTime::try_from(*other).unwrap();
        other.duration_since(since).unwrap_or_else(|error| error.duration())
    };
    assert!(stale.iter().all(|other| apart(other) < Duration::from_millis(10)), "{stale:?}");
    server.resume();
    assert!(deployment.run(&["events", "verify"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_its_setting_a_program_listens_for_changes_or_looks_for_them() {
    for (doorbell, listeners) in [("true", 1), ("false", 0)] {
        let database = Fresh::new().await;
        let deployment = Deployment::new(&[
            ("database.url", &database.url()),
            ("database.migrate_on_start", "true"),
            ("replicas.doorbell", doorbell),
            ("log.level", "warn"),
        ]);
        let secret = deployment.bootstrap();
        let serving = deployment.serve().await;
        let mut root = Caller::connect(serving.address, &secret).await;
        furnish(&mut root, "web").await;
        // It has rung and was heard, or was found.
        is_up_to_date(&database).await;
        let sql = "SELECT pid FROM pg_stat_activity WHERE query ILIKE 'listen%' \
            AND datname = current_database()";
        let listening = async {
            let mut interval = tokio::time::interval(INTERVAL);
            while count(&database, sql).await != listeners {
                interval.tick().await;
            }
        };
        tokio::time::timeout(LONG, listening).await.unwrap();
    }
}

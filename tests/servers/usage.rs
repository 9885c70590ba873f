//! Three programs on one database count the calls of one key, and one of them is started anew.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use keyward::proto;
use prost_types::Timestamp;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::{
    caller::Caller,
    fresh::Fresh,
    process::{Deployment, Serving},
    replicas::furnish,
};

/// Calls of one client.
const CALLS: i64 = 200;
const CLIENTS: usize = 3;

/// Asks from several clients at once.
async fn ask(serving: &Serving, root_secret: &str, secret: &str) {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut caller = Caller::connect(serving.address, root_secret).await;
        let secret = secret.to_owned();
        clients.push(tokio::spawn(async move {
            for _ in 0..CALLS {
                let request =
                    proto::IntrospectRequest { secret: secret.clone(), ..Default::default() };
                assert!(caller.introspect.introspect(request).await.unwrap().into_inner().active);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
}

fn terminate(mut serving: Serving) {
    let kill = format!("kill -TERM {}", serving.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    serving.end();
}

fn in_seconds(seconds: i64) -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Some(Timestamp { seconds: i64::try_from(now).unwrap() + seconds, nanos: 0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_equal_calls_over_three_programs_and_a_restart_by_sigterm() {
    let database = Fresh::new().await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("log.level", "warn"),
    ]);
    let root_secret = deployment.bootstrap();
    // One writes all the time, the others not before they end.
    let interval = |ms: &str| vec![("KEYWARD__USAGE__FLUSH_INTERVAL_MS".to_owned(), ms.to_owned())];
    let start = async |ms| deployment.start_with(ServingStatus::Serving, &interval(ms)).await;
    let [one, two, three] = [start("10").await, start("3600000").await, start("3600000").await];
    let mut root = Caller::connect(one.address, &root_secret).await;
    let secret = furnish(&mut root, "counted").await;

    let all = [&one, &two, &three].map(|serving| ask(serving, &root_secret, &secret));
    futures_util::future::join_all(all).await;
    terminate(three);
    let three = start("3600000").await;
    let all = [&one, &two, &three].map(|serving| ask(serving, &root_secret, &secret));
    futures_util::future::join_all(all).await;
    for serving in [one, two, three] {
        terminate(serving);
    }

    let reader = deployment.serve().await;
    let mut root = Caller::connect(reader.address, &root_secret).await;
    let expected = 6 * CALLS * i64::try_from(CLIENTS).unwrap();
    for name in ["workspaces/counted", "workspaces/counted/keys/counted"] {
        let request = proto::GetUsageRequest {
            name: name.to_owned(),
            start_time: in_seconds(-7_200),
            end_time: in_seconds(3_600),
            ..Default::default()
        };
        let usage = root.admin.get_usage(request).await.unwrap().into_inner();
        let counts = usage.points.iter().flat_map(|point| &point.counts);
        assert_eq!(counts.map(|count| count.calls).sum::<i64>(), expected, "{usage:?}");
    }
}

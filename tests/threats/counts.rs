//! Who reads and writes Redis has the counts of the limits, and no other part of a decision.

use keyward::proto::{
    self, Decision,
    DenyReason::{self, InsufficientScope, InvalidKey, RateLimited, Revoked, Unspecified},
};
use redis::{aio::MultiplexedConnection, cmd};
use tonic::Code;

use crate::{
    LONG,
    caller::Caller,
    fresh::Fresh,
    metrics_reader::Metrics,
    process::Serving,
    redis_server::Server,
    world::{World, end, mint, policy, revoke, unknown},
};

/// So much comes at once, and nothing back while the test runs.
const QUOTA: u64 = 12;

/// What a thief writes in the place of a count: first what exhausts a limit, and then what may do anything to it.
const FORGED: [&[&str]; 10] = [
    &["HSET", "{}", "used", "12000000", "at", "9000000000000000"],
    &["HSET", "{}", "used", "-9000000000000000", "at", "0"],
    &["HSET", "{}", "used", "-1e308", "at", "9e300"],
    &["HSET", "{}", "used", "1e308", "at", "-9e300"],
    &["HSET", "{}", "used", "nan", "at", "nan"],
    &["HSET", "{}", "used", "-inf", "at", "inf"],
    &["HSET", "{}", "used", "0x7fffffffffffffff", "at", ""],
    &["HSET", "{}", "used", "active", "at", "DECISION_ALLOW"],
    &["SET", "{}", "workspaces/system/keys/bootstrap"],
    &["RPUSH", "{}", "4294967295", "4294967295"],
];

/// What a caller is told of a secret that is to do this.
async fn asked(
    root: &mut Caller,
    secret: &str,
    scope: &str,
) -> Result<proto::IntrospectResponse, Code> {
    let question = proto::IntrospectRequest {
        secret: secret.to_owned(),
        required_scopes: vec![scope.to_owned()],
        ..Default::default()
    };
    let answer = root.introspect.introspect(question).await;
    answer.map(tonic::Response::into_inner).map_err(|status| status.code())
}

/// How many questions about this key pass, until its limit is exhausted.
async fn passed(root: &mut Caller, secret: &str) -> u64 {
    let mut passed = 0;
    loop {
        let answer = asked(root, secret, "docs:read").await.unwrap();
        match answer.reason() {
            Unspecified => passed += 1,
            RateLimited => return passed,
            other => panic!("{other:?}"),
        }
    }
}

/// A workspace whose keys have a limit each.
async fn metered(root: &mut Caller) {
    let window = Some(prost_types::Duration { seconds: 366 * 24 * 3_600, nanos: 0 });
    let quota = i64::try_from(QUOTA).unwrap();
    let limit = proto::RateLimit { name: "all".into(), quota, window, ..Default::default() };
    let plan =
        proto::Plan { name: "limited".into(), key_limits: vec![limit], ..Default::default() };
    let policy = proto::Policy { plans: vec![plan], ..policy() };
    let request = proto::CreatePolicyRequest {
        policy_id: "metered".to_owned(),
        policy: Some(policy),
        ..Default::default()
    };
    root.admin.create_policy(request).await.unwrap();
    let workspace = proto::Workspace {
        policy: "policies/metered".to_owned(),
        plan: "limited".to_owned(),
        ..Default::default()
    };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: "metered".to_owned(),
        workspace: Some(workspace),
        ..Default::default()
    };
    root.admin.create_workspace(request).await.unwrap();
}

/// Starts the program, and waits until it has reached Redis.
async fn serve(world: &World) -> Serving {
    let serving = world.deployment.serve().await;
    let reaching = async {
        while Metrics::of(serving.metrics).value("keyward_limits_redis_up") < 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, reaching).await.expect("Redis is there");
    serving
}

/// All that Redis holds, as texts.
async fn held(thief: &mut MultiplexedConnection) -> Vec<String> {
    let mut all: Vec<String> = cmd("KEYS").arg("*").query_async(thief).await.unwrap();
    for entry in all.clone() {
        let values: Vec<String> = cmd("HGETALL").arg(entry).query_async(thief).await.unwrap();
        all.extend(values);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_redis_resets_and_exhausts_limits_and_decides_nothing_else() {
    let redis = Server::new();
    let url = redis.ctl("start");
    // What has a file to itself counts in memory.
    let database = Fresh::new().await;
    let database_url = database.url();
    let settings = [
        ("database.url", &*database_url),
        ("database.migrate_on_start", "true"),
        ("limits.redis_url", &*url),
        ("limits.without_redis", "refuse"),
        ("limits.redis_timeout_ms", "60000"),
    ];
    let world = World::with(&settings).await;
    let mut serving = serve(&world).await;
    let mut root = world.caller(&serving).await;
    metered(&mut root).await;
    let client = redis::Client::open(&*url).unwrap();
    // On a busy machine it may take longer than is usual.
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(LONG))
        .set_response_timeout(Some(LONG));
    let mut thief = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();

    // What is there tells whose limits there are, and is no secret.
    let spent = mint(&mut root, "metered", "spent", &["docs:read"]).await;
    assert_eq!(passed(&mut root, &spent).await, QUOTA);
    let all = held(&mut thief).await;
    assert!(all.iter().any(|text| text.contains("metered") && text.contains("spent")), "{all:?}");
    for text in &all {
        assert!(!text.contains(&spent[10..42]), "{text}");
        unknown(&serving, &mut root, text).await;
    }

    // What is forgotten can be used once more, by whoever asks Redis anew.
    assert_eq!(passed(&mut root, &spent).await, 0);
    let () = cmd("FLUSHALL").query_async(&mut thief).await.unwrap();
    end(&mut serving);
    let serving = serve(&world).await;
    let mut root = world.caller(&serving).await;
    assert_eq!(passed(&mut root, &spent).await, QUOTA, "a limit that was reset");

    // Well formed, and by nobody's signing key.
    let nobodys = World::new().await.root;
    let place = all.iter().find(|text| text.contains("spent")).unwrap();
    let forge = async |thief: &mut MultiplexedConnection, id: &str, forged: &[&str]| {
        let mut command = cmd(forged[0]);
        command.arg(place.replace("spent", id));
        command.arg(&forged[2..]);
        let () = command.query_async(thief).await.unwrap();
    };
    for (number, forged) in FORGED.into_iter().enumerate() {
        let id = format!("key{number}");
        let gone = format!("gone{number}");
        let secret = mint(&mut root, "metered", &id, &["docs:read"]).await;
        let revoked = mint(&mut root, "metered", &gone, &["docs:read"]).await;
        revoke(&mut root, &format!("workspaces/metered/keys/{gone}")).await;
        for id in [&id, &gone] {
            forge(&mut thief, id, forged).await;
        }
        for _ in 0..2 * QUOTA {
            // Whose it is and what it may do is as ever; only whether it comes too often is not.
            let told = match asked(&mut root, &secret, "docs:read").await {
                Ok(answer) => {
                    assert_eq!(answer.key, format!("workspaces/metered/keys/{id}"), "{forged:?}");
                    let is_allowed = answer.decision() == Decision::Allow;
                    assert_eq!(is_allowed, answer.reason() == Unspecified, "{forged:?}");
                    assert!(is_allowed || answer.reason() == RateLimited, "{forged:?}: {answer:?}");
                    Ok(answer.reason())
                }
                Err(code) => Err(code),
            };
            assert!(matches!(told, Ok(_) | Err(Code::Unavailable)), "{forged:?}: {told:?}");
            if number == 0 {
                assert_eq!(told, Ok(RateLimited), "a limit that was exhausted");
            }
            let never = [
                (&secret, "docs:write", InsufficientScope, &*id),
                (&revoked, "docs:read", Revoked, &*gone),
                (&nobodys, "docs:read", InvalidKey, ""),
            ];
            for (secret, scope, expected, of) in never {
                denied(&mut root, secret, scope, expected, of).await;
            }
        }
        unknown(&serving, &mut root, &nobodys).await;
    }
}

/// Sees to it that a secret is refused for this reason. Of a key that has a limit, that may be what refuses it, or
/// cannot be told; of any other it is not even asked.
async fn denied(root: &mut Caller, secret: &str, scope: &str, expected: DenyReason, id: &str) {
    let is_limited = expected == InsufficientScope;
    match asked(root, secret, scope).await {
        Ok(answer) => {
            assert_eq!(answer.decision(), Decision::Deny, "{answer:?}");
            let is_expected = answer.reason() == expected;
            assert!(is_expected || is_limited && answer.reason() == RateLimited, "{answer:?}");
            let is_its_own = answer.key.is_empty() || answer.key.ends_with(&format!("/keys/{id}"));
            assert!(is_its_own, "{answer:?}");
        }
        Err(code) => assert_eq!((code, is_limited), (Code::Unavailable, true), "{expected:?}"),
    }
}

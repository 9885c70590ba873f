//! All systems in one server: what is of one is nothing to another.

mod policies;

use keyward::proto;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    harness::{Caller, Server, grants, refused, strings},
    scenario::{INVALID, Verdict, ask, failures, key, row},
    support::{SYSTEMS, all_systems, policy},
};

/// A key of one of the systems.
#[derive(Debug)]
struct Sample {
    system: &'static str,
    /// A scope that it holds.
    scope: &'static str,
    secret: String,
}

/// A server with a key of the same id in the workspace of each system.
async fn samples() -> (Server, Caller, Vec<Sample>) {
    let (server, mut root) = all_systems().await;
    let owner = root.create_principal("managed-dev", "ada", "owner").await.name;
    let mut samples = Vec::new();
    for (system, scope, principal) in [
        ("aerovy", "write", ""),
        ("fsckmsft", "read:tasks", ""),
        ("managed-dev", "sites:read", &*owner),
        ("newport", "read:all", ""),
    ] {
        let key = proto::Key {
            display_name: "sample".into(),
            principal: principal.into(),
            grants: grants(&[scope]),
            ..Default::default()
        };
        let secret = root.create_key(system, "sample", key).await.secret;
        samples.push(Sample { system, scope, secret });
    }
    assert!(samples.iter().map(|sample| sample.system).eq(SYSTEMS));
    (server, root, samples)
}

#[tokio::test]
async fn a_backend_of_one_system_knows_the_keys_of_its_own_alone() {
    let (server, _root, samples) = samples().await;
    for backend in &samples {
        let bound = format!("workspaces/{}", backend.system);
        let mut caller = server.caller(&["introspect"], &[&bound]).await;
        let nothing = caller.ask("nothing of ours", &[backend.scope], "").await;
        INVALID.check(&nothing, backend.system);
        for key in &samples {
            let at = format!("a key of {} at {}", key.system, backend.system);
            let answer = caller.ask(&key.secret, &[backend.scope], "").await;
            if key.system == backend.system {
                Verdict::Allowed.check(&answer, &at);
                assert_eq!(answer.workspace, bound);
            } else {
                assert_eq!(answer, nothing, "{at}");
            }
        }
    }
}

#[tokio::test]
async fn an_operator_of_one_system_finds_the_keys_of_its_own_alone() {
    let (server, _root, samples) = samples().await;
    for operator in &samples {
        let bound = format!("workspaces/{}", operator.system);
        let mut caller = server.caller(&["*"], &[&bound]).await;
        for key in &samples {
            let name = format!("workspaces/{}/keys/sample", key.system);
            let found = caller.admin.get_key(proto::GetKeyRequest { name: name.clone() }).await;
            let request = proto::RotateKeyRequest {
                name,
                validate_only: true,
                ..proto::RotateKeyRequest::default()
            };
            let rotated = caller.admin.rotate_key(request).await;
            if key.system == operator.system {
                assert_eq!(found.unwrap().into_inner().display_name, "sample");
                rotated.unwrap();
            } else {
                refused(found, Code::NotFound, "RESOURCE_NOT_FOUND");
                refused(rotated, Code::NotFound, "RESOURCE_NOT_FOUND");
            }
        }
    }
}

#[tokio::test]
async fn a_scope_of_another_system_is_the_backends_mistake_and_the_nearest_is_named() {
    let (_server, mut root, samples) = samples().await;
    for (system, scope, nearest) in [
        ("aerovy", "write:all", "write"),
        ("aerovy", "read:tasks", ""),
        ("aerovy", "sites:read", ""),
        ("fsckmsft", "read:all", ""),
        ("fsckmsft", "read", ""),
        ("fsckmsft", "keys:write", ""),
        ("fsckmsft", "*", ""),
        ("managed-dev", "admin", ""),
        ("managed-dev", "read:tasks", ""),
        ("managed-dev", "write:all", ""),
        ("newport", "read:tasks", "read:all"),
        ("newport", "write", ""),
        ("newport", "sites:write", ""),
    ] {
        let sample = samples.iter().find(|sample| sample.system == system).unwrap();
        let request = proto::IntrospectRequest {
            secret: sample.secret.clone(),
            required_scopes: strings(&[sample.scope, scope]),
            ..Default::default()
        };
        let outcome = root.introspect.introspect(request).await;
        let status = refused(outcome, Code::InvalidArgument, "UNKNOWN_SCOPE");
        let metadata = status.get_details_error_info().unwrap().metadata;
        let told = |name: &str| metadata.get(name).map_or("", String::as_str);
        assert_eq!((told("scope"), told("nearest")), (scope, nearest), "at {system}");
    }
}

#[tokio::test]
async fn the_secret_says_whose_it_is() {
    let prefixes: Vec<(&str, proto::KeyType)> = SYSTEMS
        .into_iter()
        .flat_map(|system| policy(system).key_types.into_iter().map(move |kind| (system, kind)))
        .collect();
    for (system, kind) in &prefixes {
        let same = prefixes.iter().filter(|(_, other)| other.prefix.starts_with(&kind.prefix));
        assert_eq!(same.count(), 1, "{} of {system} begins another", kind.prefix);
    }
    let (_server, mut root, samples) = samples().await;
    for sample in &samples {
        let of = |(system, kind): &(&'static str, proto::KeyType)| {
            sample.secret.starts_with(&format!("{}_", kind.prefix)).then_some(*system)
        };
        let told: Vec<_> = prefixes.iter().filter_map(of).collect();
        assert_eq!(told, [sample.system]);
        // It is signed with the rest: a key cannot be dressed as another system's.
        let (system, body) = (sample.system, sample.secret.rsplit('_').next().unwrap());
        for (_, kind) in prefixes.iter().filter(|(other, _)| other != &system) {
            let dressed = format!("{}_{body}", kind.prefix);
            INVALID.check(&root.ask(&dressed, &[], "").await, &kind.prefix);
        }
    }
}

#[tokio::test]
async fn the_same_scope_means_in_each_system_what_its_policy_says() {
    let (_server, mut root) = all_systems().await;
    for (system, scopes, verdict) in [
        ("aerovy", &["read", "write"][..], Verdict::Lacks(&["read", "write"])),
        ("fsckmsft", &["read:tasks", "write:tasks"], Verdict::Allowed),
        ("newport", &["read:all", "write:all"], Verdict::Allowed),
    ] {
        let key = proto::Key {
            display_name: "admin".into(),
            grants: grants(&["admin"]),
            ..Default::default()
        };
        let secret = root.create_key(system, "admin", key).await.secret;
        verdict.check(&root.ask(&secret, scopes, "").await, system);
    }
}

#[tokio::test]
async fn every_row_is_played_and_each_that_does_not_hold_is_told_with_its_sentence() {
    let made = || key().may(&["read:tasks"]).made();
    let rows = vec![
        row("the first is wrong", [made(), ask(&["read:tasks"]).gives(Verdict::Missing)]),
        row("the second is right", [made(), ask(&["read:tasks"]).gives(Verdict::Allowed)]),
        row("the third is wrong", [made(), made()]),
    ];
    let failures = failures("fsckmsft", rows).await;
    let told = |place: usize, text| failures[place].contains(text);
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(told(0, "the first is wrong") && told(0, "step 2"), "{failures:?}");
    assert!(told(0, "InvalidKey"), "{failures:?}");
    assert!(told(1, "the third is wrong") && told(1, "two keys of one title"), "{failures:?}");
}

//! What is not given is taken for "all", "any" or "never".
//!
//! - OpenFGA, CVE-2026-55689: a check without an object passed.
//! - ZITADEL, GHSA-wxg7-w2v3-w38g: where an instance could not be told, none was asked for.
//!
//! Here the absence of an end, a workspace, a client's address, a resource, an owner or a caller
//! never widens anything, and a setting that is empty is refused. The rest of it: clients without
//! an address in `tests/api/introspect/clients.rs`, callers without credentials in
//! `tests/api/callers/credentials.rs`, minting in `minting_a_broader_key`.

use std::time::{SystemTime, UNIX_EPOCH};

use keyward::proto::{self, DenyReason, IntrospectRequest, key::Expiration};
use prost_types::{Duration, FieldMask, Timestamp};
use tonic::Code;

use crate::{
    authority::Authority,
    callers::raw::{call, framed, rpcs, send},
    process::Deployment,
    support::{Caller, grants, policy, reader, strings},
    ways::{WAYS, Ways, is_allowed, question},
    world::Store,
};

on_each_store!(
    a_message_that_says_nothing_changes_nothing_and_is_answered_by_lists_alone,
    what_a_question_does_not_say_opens_nothing,
    no_form_of_an_end_gets_past_the_longest_that_a_policy_allows,
    a_list_without_a_parent_shows_a_bound_caller_nothing_of_others,
    who_sends_no_authorization_is_nobody_whatever_else_is_sent,
);

/// What is answered to who names nothing: what lists all that the caller may know of, and a
/// question about no secret, which is denied.
const ANSWERED: [&str; 5] =
    ["Introspect", "ListEvents", "ListPolicies", "ListWorkspaces", "StreamIntrospect"];

async fn a_message_that_says_nothing_changes_nothing_and_is_answered_by_lists_alone(store: Store) {
    let (server, mut root) = store.with_workspaces().await;
    let head = root.head().await;
    let channel = server.channel().await;
    let mut answered = Vec::new();
    for rpc in rpcs() {
        let reply = call(&channel, &rpc, &server.root_secret, &[]).await;
        match reply.status().code() {
            Code::Ok => answered.push(rpc.method),
            code => {
                // A secret that is none is found nowhere.
                let expected = if rpc.method == "IdentifyKey" {
                    Code::NotFound
                } else {
                    Code::InvalidArgument
                };
                assert_eq!(code, expected, "{}", rpc.method);
            }
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, ANSWERED);
    assert_eq!(root.head().await, head);
}

async fn what_a_question_does_not_say_opens_nothing(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    let confined = root.create_principal("acme", "confined", "owner").await;
    let confined = proto::Principal { confined_to: strings(&["sites/1"]), ..confined };
    let request =
        proto::UpdatePrincipalRequest { principal: Some(confined.clone()), ..Default::default() };
    root.admin.update_principal(request).await.unwrap();
    let on_one = proto::Grant { scope: "sites:read".to_owned(), resource: "sites/1".to_owned() };
    let keys = [
        ("a network", proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..reader() }),
        ("every network", proto::Key { allowed_cidrs: strings(&["*"]), ..reader() }),
        ("a constraint", proto::Key { constraint: strings(&["sites/1"]), ..reader() }),
        ("a confined owner", proto::Key { principal: confined.name, ..reader() }),
        ("a grant on a resource", proto::Key { grants: vec![on_one], ..reader() }),
    ];
    let mut ways = Ways::new(root.clone()).await;
    for (what, key) in keys {
        let secret = root.create_key("acme", "", key).await.secret;
        let said = IntrospectRequest {
            client_ip: "192.0.2.1".to_owned(),
            ..question(&secret, &["sites:read"], "sites/1")
        };
        let of_client = what.ends_with("network");
        let unsaid = if of_client {
            IntrospectRequest { client_ip: String::new(), ..said.clone() }
        } else {
            IntrospectRequest { resource: String::new(), ..said.clone() }
        };
        for way in WAYS {
            assert!(is_allowed(&ways.ask(way, &said).await.unwrap()), "{what}, {way:?}");
            let answer = ways.ask(way, &unsaid).await.unwrap();
            assert!(!is_allowed(&answer), "{what}, {way:?}: {answer:?}");
        }
    }
    // Nor does the absence of the secret.
    for way in WAYS {
        let answer = ways.ask(way, &question("", &[], "")).await.unwrap();
        assert_eq!(answer.reason(), DenyReason::InvalidKey, "{way:?}");
    }
}

const HOUR: i64 = 3_600;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// Every way to say, or not to say, when a key ends.
fn ends() -> Vec<Option<Expiration>> {
    let ttl = |seconds, nanos| Some(Expiration::Ttl(Duration { seconds, nanos }));
    let at = |seconds, nanos| Some(Expiration::ExpireTime(Timestamp { seconds, nanos }));
    vec![
        None,
        Some(Expiration::NeverExpires(true)),
        Some(Expiration::NeverExpires(false)),
        ttl(0, 0),
        ttl(-1, 0),
        ttl(HOUR, 1),
        ttl(HOUR - 1, 999_999_999),
        ttl(HOUR, 0),
        ttl(i64::MAX, 0),
        ttl(i64::MAX, i32::MAX),
        ttl(1, i32::MAX),
        at(0, 0),
        at(now() + HOUR + 120, 0),
        at(now() + HOUR - 120, 0),
        at(253_402_300_799, 999_999_999),
        at(i64::MAX, 0),
    ]
}

/// The ends of the keys of the workspace, which are all of them no later than an hour from now.
async fn all_end_within_an_hour(root: &mut Caller, parent: &str, what: &str) -> usize {
    let request = proto::ListKeysRequest {
        parent: parent.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let keys = root.admin.list_keys(request).await.unwrap().into_inner().keys;
    for key in &keys {
        let Some(Expiration::ExpireTime(end)) = &key.expiration else {
            panic!("{what}: a key without an end: {key:?}");
        };
        assert!(end.seconds <= now() + HOUR + 1, "{what}: {end:?}");
    }
    keys.len()
}

async fn no_form_of_an_end_gets_past_the_longest_that_a_policy_allows(store: Store) {
    let server = store.server().await;
    let mut root = server.root().await;
    for required in [false, true] {
        let id = format!("brief-{required}");
        let max_ttl = Some(Duration { seconds: HOUR, nanos: 0 });
        let expiry = Some(proto::ExpiryRule { default_ttl: None, max_ttl, required });
        root.create_policy(&id, proto::Policy { expiry, ..policy() }).await;
        root.create_workspace(&id, &format!("policies/{id}")).await;
        ends_of(&mut root, &id).await;
    }
}

/// Makes and changes keys of the workspace with every end.
async fn ends_of(root: &mut Caller, workspace: &str) {
    let parent = format!("workspaces/{workspace}");
    let ttl = Some(Expiration::Ttl(Duration { seconds: 60, nanos: 0 }));
    root.create_key(workspace, "kept", proto::Key { expiration: ttl, ..reader() }).await;
    let masks: [&[&str]; 7] = [
        &[],
        &["*"],
        &["expire_time"],
        &["ttl"],
        &["never_expires"],
        &["never_expires", "ttl"],
        &["display_name", "expire_time"],
    ];
    let (mut made, mut changed) = (0, 0);
    for expiration in ends() {
        let what = format!("{parent}: {expiration:?}");
        let key = proto::Key { expiration, ..reader() };
        let one = proto::CreateKeyRequest {
            parent: parent.clone(),
            key: Some(key),
            ..Default::default()
        };
        let several = proto::BatchCreateKeysRequest {
            parent: parent.clone(),
            requests: vec![one.clone()],
            ..Default::default()
        };
        made += usize::from(root.admin.create_key(one).await.is_ok());
        made += usize::from(root.admin.batch_create_keys(several).await.is_ok());
        for mask in masks {
            let kept = proto::Key { name: format!("{parent}/keys/kept"), ..reader() };
            let request = proto::UpdateKeyRequest {
                key: Some(proto::Key { expiration, ..kept }),
                update_mask: Some(FieldMask { paths: strings(mask) }),
                ..Default::default()
            };
            changed += usize::from(root.admin.update_key(request).await.is_ok());
        }
        all_end_within_an_hour(root, &parent, &what).await;
    }
    let listed = all_end_within_an_hour(root, &parent, "all").await;
    assert!(made > 4 && changed > 10, "{made} were made, {changed} changed");
    assert!(listed > 4, "{listed} of {made} are listed");
}

async fn a_list_without_a_parent_shows_a_bound_caller_nothing_of_others(store: Store) {
    let (server, mut root) = store.with_workspaces().await;
    root.create_key("other", "hidden", reader()).await;
    // Bound by its constraint, by the resources of its grants, or by its owner.
    let owner = root.create_principal("system", "bound", "").await;
    let owner = proto::Principal { confined_to: strings(&["workspaces/acme"]), ..owner };
    let request =
        proto::UpdatePrincipalRequest { principal: Some(owner.clone()), ..Default::default() };
    root.admin.update_principal(request).await.unwrap();
    let operator = proto::Key { grants: grants(&["*"]), ..reader() };
    let on = proto::Grant { scope: "*".to_owned(), resource: "workspaces/acme/**".to_owned() };
    for key in [
        proto::Key { constraint: strings(&["workspaces/acme"]), ..operator.clone() },
        proto::Key { principal: owner.name.clone(), ..operator.clone() },
        proto::Key { grants: vec![on.clone()], ..operator.clone() },
    ] {
        let secret = root.create_key("system", "", key).await.secret;
        let mut bound = server.caller_with(Some(&secret)).await;
        let admin = &mut bound.admin;
        let all = admin.list_workspaces(proto::ListWorkspacesRequest::default()).await.unwrap();
        let names: Vec<_> = all.into_inner().workspaces.into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["workspaces/acme"]);
        let all = admin.list_policies(proto::ListPoliciesRequest::default()).await.unwrap();
        assert_eq!(all.into_inner().policies, []);
        for parent in ["", "workspaces/-", "workspaces/*", "workspaces/", "workspaces"] {
            let parent = parent.to_owned();
            let events = proto::ListEventsRequest { parent: parent.clone(), ..Default::default() };
            assert!(admin.list_events(events).await.is_err(), "events of {parent:?}");
            let keys = proto::ListKeysRequest { parent: parent.clone(), ..Default::default() };
            assert!(admin.list_keys(keys).await.is_err(), "keys of {parent:?}");
            let owners =
                proto::ListPrincipalsRequest { parent: parent.clone(), ..Default::default() };
            assert!(admin.list_principals(owners).await.is_err(), "owners of {parent:?}");
            let made =
                proto::CreateKeyRequest { parent, key: Some(reader()), ..Default::default() };
            assert!(admin.create_key(made).await.is_err());
        }
    }
}

async fn who_sends_no_authorization_is_nobody_whatever_else_is_sent(store: Store) {
    let server = store.server().await;
    let channel = server.channel().await;
    let secret = &server.root_secret;
    let bearer = format!("Bearer {secret}");
    let cookie = format!("authorization={secret}");
    for (name, value) in [
        ("authorization", ""),
        ("authorization", secret),
        ("authorization", "Bearer"),
        ("authorization", "Bearer null"),
        ("authorization", "Bearer undefined"),
        ("proxy-authorization", &bearer),
        ("x-authorization", &bearer),
        ("authorization-bin", &bearer),
        ("x-api-key", secret),
        ("cookie", &cookie),
        ("x-forwarded-client-cert", "URI=spiffe://acme/ops"),
        ("x-forwarded-user", "system"),
        ("x-keyward-workspace", "system"),
    ] {
        for rpc in rpcs() {
            let mut headers = http::HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let with_query = format!("{}?access_token={secret}", rpc.path());
            // With a query it is no method at all.
            for (path, expected) in
                [(rpc.path(), Code::Unauthenticated), (with_query, Code::Unimplemented)]
            {
                let reply = send(&channel, &path, headers.clone(), framed(&[])).await;
                let code = reply.status().code();
                assert_eq!(code, expected, "{name}: {value:?} at {}", rpc.method);
                assert!(reply.body.is_empty());
            }
        }
    }
}

#[test]
fn settings_of_who_may_call_that_are_empty_refuse_to_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let deployment = Deployment::new(&[]);
    let authority = Authority::new("servers");
    let issued = authority.server();
    let files = [
        ("tls.crt", issued.certificate.as_str()),
        ("tls.key", &issued.key),
        ("ca.crt", &authority.pem),
        ("empty", ""),
        ("no-scopes", "[[callers]]\nidentity = \"dns:a\"\nscopes = []\nworkspaces = \"*\"\n"),
        ("unsaid-scopes", "[[callers]]\nidentity = \"dns:a\"\nworkspaces = \"*\"\n"),
        ("no-workspaces", "[[callers]]\nidentity = \"dns:a\"\nscopes = [\"*\"]\nworkspaces = []\n"),
        ("unsaid-workspaces", "[[callers]]\nidentity = \"dns:a\"\nscopes = [\"*\"]\n"),
        ("no-identity", "[[callers]]\nidentity = \"\"\nscopes = [\"*\"]\nworkspaces = \"*\"\n"),
        ("unsaid-identity", "[[callers]]\nscopes = [\"*\"]\nworkspaces = \"*\"\n"),
    ];
    for (name, text) in files {
        std::fs::write(deployment.file(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(deployment.file(name), mode).unwrap();
    }
    let file = |name: &str| deployment.file(name).to_str().unwrap().to_owned();
    let whole = [
        ("tls.certificate_file", file("tls.crt")),
        ("tls.private_key_file", file("tls.key")),
        ("tls.client_ca_file", file("ca.crt")),
    ];
    let mut cases = vec![
        ("keyring.path", file("empty"), &whole[..0]),
        ("keyring.path", String::new(), &whole[..0]),
        ("database.path", String::new(), &whole[..0]),
        ("server.listen", String::new(), &whole[..0]),
        ("tls.client_certificates", "optional".to_owned(), &whole[..2]),
        ("tls.client_certificates", "required".to_owned(), &whole[..2]),
        ("tls.client_ca_file", file("empty"), &whole[..2]),
    ];
    cases.extend(files[4..].iter().map(|(name, _)| ("tls.callers_file", file(name), &whole[..])));
    for (setting, value, beside) in cases {
        let given = beside.iter().map(|(name, value)| (*name, value.as_str()));
        let given: Vec<_> = given.chain([(setting, value.as_str())]).collect();
        let output = crate::half_a_tls_configuration::served(&deployment, &given);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{setting} = {value:?}: {said}");
        assert!(said.contains(setting) || said.contains(&value), "{setting} = {value:?}: {said}");
    }
}

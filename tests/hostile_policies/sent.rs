//! What is wrong with a policy is wrong in the same words when it is sent.

use std::{sync::mpsc, time::Duration};

use keyward::{
    admin::Bootstrapped,
    app::App,
    back::Back,
    config::Settings,
    proto::{self, key_admin_client::KeyAdminClient},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use crate::attack::{lines, read, with};

/// A running server and the secret of a caller that may do everything.
struct Server {
    address: String,
    secret: String,
    shutdown: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.database.path = directory.path().join("keyward.db");
        settings.keyring.path = directory.path().join("keyward.keyring");
        settings.server.listen = "127.0.0.1:0".parse().unwrap();
        let shutdown = CancellationToken::new();
        let (sender, receiver) = mpsc::channel();
        let ending = shutdown.clone();
        std::thread::spawn(move || {
            let (runtime, back) = Back::start(2).unwrap();
            runtime.block_on(async {
                let app = App::open(&settings, back).await.unwrap();
                let Bootstrapped::Minted(_, secret) = app.admin().bootstrap(false).await.unwrap()
                else {
                    panic!("a new database was bootstrapped before");
                };
                let listener = keyward::app::listen(&settings).await.unwrap();
                let address = format!("http://{}", listener.local_addr().unwrap());
                sender.send((address, secret.reveal())).unwrap();
                let _ = app.serve(listener, &settings, ending).await.unwrap();
            });
            let _ = runtime.shutdown(Duration::from_secs(10));
            drop(directory);
        });
        let (address, secret) = receiver.recv().expect("the server starts");
        Self { address, secret, shutdown }
    }

    async fn client(&self) -> KeyAdminClient<Channel> {
        KeyAdminClient::new(
            Endpoint::from_shared(self.address.clone()).unwrap().connect().await.unwrap(),
        )
    }

    /// What is said of a policy, each with its field, without `policy.`, in order.
    async fn refuses(&self, policy: proto::Policy) -> Vec<String> {
        let request = proto::CreatePolicyRequest {
            policy_id: "acme".to_owned(),
            policy: Some(policy),
            ..Default::default()
        };
        let mut request = Request::new(request);
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {}", self.secret).parse().unwrap());
        let status = self.client().await.create_policy(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let said = violations.into_iter().map(|violation| {
            let field =
                violation.field.strip_prefix("policy.").unwrap_or(&violation.field).to_owned();
            format!("{field}: {}", violation.description)
        });
        let mut said: Vec<String> = said.collect();
        said.sort_unstable();
        said
    }
}

fn span(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn limited(quota: i64, window: i64) -> Vec<proto::Plan> {
    let limit =
        proto::RateLimit { name: "l".into(), quota, window: span(window), ..Default::default() };
    vec![proto::Plan { name: "p".into(), key_limits: vec![limit], ..Default::default() }]
}

fn scope(name: &str, implies: &[&str]) -> proto::Scope {
    let implies = implies.iter().map(|text| (*text).to_owned()).collect();
    proto::Scope { name: name.into(), implies, ..Default::default() }
}

fn role(name: &str, scopes: &[&str]) -> proto::Role {
    let scopes = scopes.iter().map(|text| (*text).to_owned()).collect();
    proto::Role { name: name.into(), scopes, ..Default::default() }
}

fn key_type(name: &str, prefix: &str) -> proto::KeyType {
    proto::KeyType { name: name.into(), prefix: prefix.into(), ..Default::default() }
}

type Change = fn(&mut proto::Policy);

/// What is written behind the sound policy, and the same done to its message.
const ROWS: [(&str, Change); 16] = [
    ("display_name: \"\\u202Ea\"\n", |policy| policy.display_name = "\u{202E}a".into()),
    ("roles: [{ name: r }, { name: r }]\n", |policy| {
        policy.roles = vec![role("r", &[]), role("r", &[])];
    }),
    ("roles: [{ name: \"r r\" }]\n", |policy| policy.roles = vec![role("r r", &[])]),
    ("roles: [{ name: r, scopes: [\"a:raed\", \"b*\", \"**\"] }]\n", |policy| {
        policy.roles = vec![role("r", &["a:raed", "b*", "**"])];
    }),
    ("presets: [{ name: p, scopes: [] }]\n", |policy| {
        policy.presets = vec![proto::Preset { name: "p".into(), ..Default::default() }];
    }),
    ("implications: [{ scope: \"a:read\", implies: [\"{x}{x}\"] }]\n", |policy| {
        policy.implications =
            vec![proto::Implication { scope: "a:read".into(), implies: vec!["{x}{x}".into()] }];
    }),
    ("implications: [{ scope: \"{x}:w\", implies: [\"{x}\"] }]\n", |policy| {
        policy.implications =
            vec![proto::Implication { scope: "{x}:w".into(), implies: vec!["{x}".into()] }];
    }),
    ("resources: { separator: \"::\" }\n", |policy| {
        policy.resources =
            Some(proto::ResourceGrammar { separator: "::".into(), ..Default::default() });
    }),
    ("resources: { separator: a }\n", |policy| {
        policy.resources =
            Some(proto::ResourceGrammar { separator: "a".into(), ..Default::default() });
    }),
    ("resources: { types: [{ name: a/b }] }\n", |policy| {
        policy.resources = Some(proto::ResourceGrammar {
            types: vec![proto::ResourceType { name: "a/b".into(), ..Default::default() }],
            ..Default::default()
        });
    }),
    ("expiry: { default_ttl: 2s, max_ttl: 1s }\n", |policy| {
        policy.expiry = Some(proto::ExpiryRule {
            default_ttl: span(2),
            max_ttl: span(1),
            ..Default::default()
        });
    }),
    ("expiry: { default_ttl: -1s }\n", |policy| {
        policy.expiry = Some(proto::ExpiryRule { default_ttl: span(-1), ..Default::default() });
    }),
    ("rotation: { default_grace: 2s, max_grace: 1s }\n", |policy| {
        policy.rotation = Some(proto::RotationRule {
            default_grace: span(2),
            max_grace: span(1),
            ..Default::default()
        });
    }),
    ("plans: [{ name: p, key_limits: [{ name: l, quota: 0, window: 0s }] }]\n", |policy| {
        policy.plans = limited(0, 0);
    }),
    ("plans: [{ name: p, key_limits: [{ name: l, quota: -1, window: 1s }] }]\n", |policy| {
        policy.plans = limited(-1, 1);
    }),
    (
        "plans: [{ name: p, key_limits: [{ name: l, quota: 10000000000, window: 1s }] }]\n",
        |policy| policy.plans = limited(10_000_000_000, 1),
    ),
];

/// Whole files, and the scopes and types of key of the same.
fn files() -> Vec<(String, proto::Policy)> {
    let sound = || read(with("").as_bytes()).unwrap().message;
    let of_scopes = |scopes: Vec<proto::Scope>| proto::Policy { scopes, ..sound() };
    let of_types = |key_types: Vec<proto::KeyType>| proto::Policy { key_types, ..sound() };
    let mut files: Vec<(String, proto::Policy)> = ROWS
        .iter()
        .map(|(more, change)| {
            let mut policy = sound();
            change(&mut policy);
            (with(more), policy)
        })
        .collect();
    files.extend([
        (
            crate::attack::scopes("  - { name: a, implies: [b] }\n  - { name: b, implies: [a] }\n"),
            of_scopes(vec![scope("a", &["b"]), scope("b", &["a"])]),
        ),
        (
            crate::attack::scopes("  - { name: a }\n  - { name: a }\n"),
            of_scopes(vec![scope("a", &[]), scope("a", &[])]),
        ),
        (
            crate::attack::key_types("  - { name: t, prefix: aa }\n  - { name: u, prefix: aab }\n"),
            of_types(vec![key_type("t", "aa"), key_type("u", "aab")]),
        ),
    ]);
    files
}

#[tokio::test]
async fn a_policy_that_is_sent_has_the_faults_of_its_file() {
    let server = Server::start();
    for (file, policy) in files() {
        let faults = read(file.as_bytes()).unwrap_err();
        let in_file = lines(&faults)
            .into_iter()
            .map(|line| line.splitn(3, ':').nth(2).unwrap().trim_start().to_owned());
        let mut in_file: Vec<String> = in_file.collect();
        in_file.sort_unstable();
        assert_eq!(server.refuses(policy).await, in_file, "{file}");
    }
}

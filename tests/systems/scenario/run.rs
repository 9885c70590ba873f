//! Carries rows out against a server.

use std::{any::Any, collections::HashMap, sync::Arc};

use keyward::proto::{self, key::Expiration};
use prost::Message as _;
use prost_types::FieldMask;
use tonic::Status;

use super::{
    Act, Ask, Mint, Refusal, Row, Step, Told,
    key::{Life, now},
};
use crate::{
    harness::{Caller, Server, strings},
    support,
};

/// The title of a key that is given none.
const ONLY: &str = "key";
/// How far a life may be from what is expected, in seconds.
const LIFE_TOLERANCE: i64 = 60;

/// Shows that each row holds under the policy of this name, with all systems side by side.
pub(crate) async fn check(policy: &'static str, rows: Vec<Row>) {
    let count = rows.len();
    let failures = failures(policy, rows).await;
    let failed = failures.len();
    assert!(failed == 0, "{failed} of {count} rows do not hold:\n\n{}\n", failures.join("\n\n"));
}

/// Plays all rows and tells of each that does not hold: its sentence, the step, and why.
pub(crate) async fn failures(policy: &'static str, rows: Vec<Row>) -> Vec<String> {
    let (server, mut root) = support::all_systems().await;
    let server = Arc::new(server);
    root.create_workspace("elsewhere", &format!("policies/{policy}")).await;
    let mut failures = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let workspace = format!("row-{number}");
        root.create_workspace(&workspace, &format!("policies/{policy}")).await;
        let world = World {
            server: Arc::clone(&server),
            root: root.clone(),
            policy,
            workspace,
            keys: HashMap::new(),
        };
        let says = row.says;
        // In a task of its own, so that its panic ends this row alone.
        if let Err(error) = tokio::spawn(world.play(row)).await {
            let why = error.try_into_panic().map_or_else(|error| error.to_string(), text);
            failures.push(format!("{says:?}\n{why}"));
        }
    }
    failures
}

/// What a panic says.
fn text(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or_else(String::new, ToString::to_string),
    }
}

/// A key that was made.
struct Made {
    name: String,
    /// Its secrets, the newest first.
    secrets: Vec<String>,
}

/// What a row sees.
struct World {
    server: Arc<Server>,
    root: Caller,
    policy: &'static str,
    workspace: String,
    keys: HashMap<&'static str, Made>,
}

fn title(title: &'static str) -> &'static str {
    if title.is_empty() { ONLY } else { title }
}

impl World {
    async fn play(mut self, row: Row) {
        for (step, number) in row.steps.into_iter().zip(1..) {
            self.step(step, &format!("step {number} of {:?}", row.says)).await;
        }
    }

    async fn step(&mut self, step: Step, at: &str) {
        match step {
            Step::Owner { id, kind, role, confined } => self.own(id, kind, role, confined).await,
            Step::Made(mint) => self.make(*mint, at).await,
            Step::Refused(mint, why) => {
                let head = self.root.head().await;
                let outcome = self.root.admin.create_key(self.creation(&mint)).await;
                why.check(&outcome.expect_err(at), at);
                assert_eq!(self.root.head().await, head, "{at}: something was changed");
            }
            Step::Asked(ask, verdict) => verdict.check(&self.answer(&ask).await, at),
            Step::May { key, scopes } => {
                let answer = self.answer(&Ask { key, ..Ask::default() }).await;
                assert_eq!(answer.effective_scopes, scopes, "{at}");
            }
            Step::Edited { key, fields, to } => self.edit(key, fields, &to, at).await,
            Step::Kept { key, fields, to, why } => self.keep(key, fields, &to, why, at).await,
            Step::NotRotated { key, grace, why } => {
                let head = self.root.head().await;
                why.check(&self.rotate(key, Some(grace)).await.expect_err(at), at);
                assert_eq!(self.root.head().await, head, "{at}: something was changed");
            }
            Step::Act(act) => self.act(act).await,
            Step::Listed { states, query, titles } => {
                let states = states.iter().map(|state| i32::from(*state)).collect();
                let keys = self.list(proto::ListKeysRequest {
                    states,
                    query: query.to_owned(),
                    ..proto::ListKeysRequest::default()
                });
                let found: Vec<_> = keys.await.into_iter().map(|key| key.display_name).collect();
                assert_eq!(found, titles, "{at}");
            }
            Step::Stands { key, state } => assert_eq!(self.read(key).await.state(), state, "{at}"),
            Step::Holds { key, scopes } => {
                let grants = self.read(key).await.grants;
                assert!(grants.iter().all(|grant| grant.resource.is_empty()), "{at}: {grants:?}");
                let mut held: Vec<_> = grants.into_iter().map(|grant| grant.scope).collect();
                held.sort_unstable();
                assert_eq!(held, scopes, "{at}");
            }
            Step::Hidden { key } => self.hidden(key, at).await,
            Step::Logged { key } => self.logged(key, at).await,
        }
    }

    fn parent(&self) -> String {
        format!("workspaces/{}", self.workspace)
    }

    fn owner(&self, id: &str) -> String {
        format!("{}/principals/{id}", self.parent())
    }

    fn made(&self, key: &'static str) -> &Made {
        self.keys.get(title(key)).unwrap_or_else(|| panic!("no key {key:?} was made"))
    }

    fn creation(&self, mint: &Mint) -> proto::CreateKeyRequest {
        let owner = if mint.owner.is_empty() { String::new() } else { self.owner(mint.owner) };
        let minting_key = match mint.minting_key {
            "" => String::new(),
            key => self.made(key).name.clone(),
        };
        proto::CreateKeyRequest {
            parent: mint.workspace.map_or_else(|| self.parent(), |id| format!("workspaces/{id}")),
            key: Some(proto::Key {
                display_name: title(mint.title).to_owned(),
                principal: owner,
                ..mint.body.clone()
            }),
            presets: mint.presets.clone(),
            minting_key,
            request_id: crate::harness::request_id(),
            ..proto::CreateKeyRequest::default()
        }
    }

    async fn make(&mut self, mint: Mint, at: &str) {
        let request = self.creation(&mint);
        let outcome = self.root.admin.create_key(request.clone()).await;
        let answer = outcome.unwrap_or_else(|status| panic!("{at}: {status:?}")).into_inner();
        let key = answer.key.unwrap();
        if let Some(prefix) = mint.prefix {
            assert!(answer.secret.starts_with(&format!("{prefix}_")), "{at}: {prefix}");
        }
        warned(mint.warnings.as_deref(), &answer.warnings, at);
        lives(mint.life, &key, at);
        // Once: the same request again answers the same key and no secret.
        let again = self.root.admin.create_key(request).await.unwrap().into_inner();
        assert_eq!((again.key.unwrap().name, again.secret.as_str()), (key.name.clone(), ""));
        let made = Made { name: key.name, secrets: vec![answer.secret] };
        let earlier = self.keys.insert(title(mint.title), made);
        assert!(earlier.is_none(), "{at}: two keys of one title");
    }

    async fn own(&mut self, id: &str, kind: proto::PrincipalKind, role: &str, confined: &str) {
        let confined_to = if confined.is_empty() { vec![] } else { strings(&[confined]) };
        let principal = proto::Principal {
            kind: kind.into(),
            role: role.to_owned(),
            confined_to,
            ..Default::default()
        };
        let request = proto::CreatePrincipalRequest {
            parent: self.parent(),
            principal_id: id.to_owned(),
            principal: Some(principal),
            ..Default::default()
        };
        self.root.admin.create_principal(request).await.unwrap();
    }

    async fn answer(&mut self, ask: &Ask) -> proto::IntrospectResponse {
        let secret = match &ask.secret {
            Some(text) => text.clone(),
            None => self.made(ask.key).secrets.get(ask.ago).cloned().expect("it was rotated"),
        };
        let secret = ask.altered.map_or_else(|| secret.clone(), |alter| alter(&secret));
        let request = proto::IntrospectRequest {
            secret,
            client_ip: ask.client.to_owned(),
            required_scopes: strings(ask.required),
            resource: ask.resource.to_owned(),
            ..Default::default()
        };
        let mut backend = if ask.elsewhere {
            self.server.caller(&["introspect"], &["workspaces/elsewhere"]).await
        } else {
            self.root.clone()
        };
        let answer = backend.introspect.introspect(request).await.unwrap().into_inner();
        // A key answers for its own workspace and for no other.
        let of = if answer.key.is_empty() { String::new() } else { self.parent() };
        assert_eq!(answer.workspace, of);
        answer
    }

    fn update(
        &self,
        key: &'static str,
        fields: &[&str],
        to: &Mint,
        validate_only: bool,
    ) -> proto::UpdateKeyRequest {
        let name = self.made(key).name.clone();
        let body = to.body.clone();
        proto::UpdateKeyRequest {
            key: Some(proto::Key { name, display_name: to.title.to_owned(), ..body }),
            update_mask: Some(FieldMask { paths: strings(fields) }),
            validate_only,
            ..Default::default()
        }
    }

    async fn edit(&mut self, key: &'static str, fields: &[&str], to: &Mint, at: &str) {
        let before = self.read(key).await;
        for validate_only in [true, false] {
            assert_eq!(self.read(key).await, before, "{at}: a check changes nothing");
            let update = self.update(key, fields, to, validate_only);
            let outcome = self.root.admin.update_key(update).await;
            let answer = outcome.unwrap_or_else(|status| panic!("{at}: {status:?}")).into_inner();
            warned(to.warnings.as_deref(), &answer.warnings, at);
            lives(to.life, &answer.key.unwrap(), at);
        }
        assert_ne!(self.read(key).await, before, "{at}: nothing was changed");
    }

    async fn keep(
        &mut self,
        key: &'static str,
        fields: &[&str],
        to: &Mint,
        why: Refusal,
        at: &str,
    ) {
        let head = self.root.head().await;
        let update = self.update(key, fields, to, false);
        let outcome = self.root.admin.update_key(update).await;
        why.check(&outcome.expect_err(at), at);
        assert_eq!(self.root.head().await, head, "{at}: something was changed");
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Revoke(key) => {
                let name = self.made(key).name.clone();
                let request = proto::RevokeKeyRequest { name, ..Default::default() };
                self.root.admin.revoke_key(request).await.unwrap();
            }
            Act::Rotate(key) => self.rotate(key, None).await.unwrap(),
            Act::RotateWith(key, grace) => self.rotate(key, Some(grace)).await.unwrap(),
            Act::Role(id, role) => {
                let principal = proto::Principal {
                    name: self.owner(id),
                    role: role.to_owned(),
                    ..Default::default()
                };
                let request = proto::UpdatePrincipalRequest {
                    principal: Some(principal),
                    ..Default::default()
                };
                self.root.admin.update_principal(request).await.unwrap();
            }
            Act::Disable(id) => {
                let name = self.owner(id);
                let request = proto::DisablePrincipalRequest { name, ..Default::default() };
                self.root.admin.disable_principal(request).await.unwrap();
            }
            Act::Preset(name, scopes) => {
                let mut policy = support::policy(self.policy);
                policy.name = format!("policies/{}", self.policy);
                let preset = policy.presets.iter_mut().find(|preset| preset.name == name);
                preset.unwrap().scopes = strings(scopes);
                let request = proto::UpdatePolicyRequest {
                    policy: Some(policy),
                    update_mask: Some(FieldMask { paths: strings(&["presets"]) }),
                    ..Default::default()
                };
                self.root.admin.update_policy(request).await.unwrap();
            }
        }
    }

    /// Rotates a key, with a grace in seconds where one is given.
    async fn rotate(&mut self, key: &'static str, grace: Option<i64>) -> Result<(), Status> {
        let name = self.made(key).name.clone();
        let grace = grace.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        let request = proto::RotateKeyRequest { name, grace, ..Default::default() };
        let answer = self.root.admin.rotate_key(request).await?.into_inner();
        self.keys.get_mut(title(key)).unwrap().secrets.insert(0, answer.secret);
        Ok(())
    }

    async fn read(&mut self, key: &'static str) -> proto::Key {
        let request = proto::GetKeyRequest { name: self.made(key).name.clone() };
        self.root.admin.get_key(request).await.unwrap().into_inner()
    }

    async fn list(&mut self, request: proto::ListKeysRequest) -> Vec<proto::Key> {
        let request = proto::ListKeysRequest { parent: self.parent(), ..request };
        self.root.admin.list_keys(request).await.unwrap().into_inner().keys
    }

    async fn events(&mut self) -> proto::ListEventsResponse {
        let request = proto::ListEventsRequest {
            parent: self.parent(),
            page_size: 1_000,
            ..Default::default()
        };
        self.root.admin.list_events(request).await.unwrap().into_inner()
    }

    async fn hidden(&mut self, key: &'static str, at: &str) {
        let secret = self.made(key).secrets[0].clone();
        let listed = self.list(proto::ListKeysRequest::default()).await;
        let mut answers: Vec<_> = listed.iter().map(prost::Message::encode_to_vec).collect();
        answers.push(self.read(key).await.encode_to_vec());
        answers.push(self.answer(&Ask { key, ..Ask::default() }).await.encode_to_vec());
        answers.push(self.events().await.encode_to_vec());
        for answer in answers {
            let shown = answer.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!shown, "{at}: the secret is shown again");
        }
    }

    async fn logged(&mut self, key: &'static str, at: &str) {
        let name = self.made(key).name.clone();
        let newest = self.events().await.events.pop().unwrap();
        assert_eq!(newest.subject, name, "{at}");
        assert!(newest.after_json.contains(title(key)), "{at}: {}", newest.after_json);
    }
}

#[track_caller]
fn warned(expected: Option<&[Told]>, warnings: &[proto::Warning], at: &str) {
    let Some(expected) = expected else { return };
    let told: Vec<_> =
        warnings.iter().map(|warning| (warning.code(), warning.field.as_str())).collect();
    assert_eq!(told, expected, "{at}");
}

#[track_caller]
fn lives(expected: Option<Life>, key: &proto::Key, at: &str) {
    match (expected, &key.expiration) {
        (None, _) => {}
        (Some(Life::Unending), end) => {
            assert_eq!(*end, Some(Expiration::NeverExpires(true)), "{at}");
        }
        (Some(Life::Seconds(life)), Some(Expiration::ExpireTime(end))) => {
            let off = end.seconds - now() - life;
            assert!(off.abs() <= LIFE_TOLERANCE, "{at}: {off} seconds off");
        }
        (Some(Life::Seconds(_)), end) => panic!("{at}: it ends {end:?}"),
    }
}

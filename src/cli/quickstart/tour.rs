//! The requests that a backend receives, one after another, with what becomes of each.

use ring::rand::SystemRandom;

use super::{
    clients::{Clients, refused},
    page::{self, ALLOW, Outcome, Row},
};
use crate::{
    cli::{Failure, failure},
    domain::secret::{KeyVersion, Keyring, Prefix, SigningKey},
    proto::{self, Decision, DenyReason},
};

/// The challenge of every key that does not work (RFC 6750).
const INVALID_TOKEN: &str = r#"WWW-Authenticate: Bearer error="invalid_token""#;
/// The challenge where the scope is missing.
const INSUFFICIENT_SCOPE: &str =
    r#"WWW-Authenticate: Bearer error="insufficient_scope", scope="notes:delete""#;

/// What works, from which the other requests differ.
const USUAL: Row = Row {
    scope: "notes:read",
    resource: "teams/red/notes/7",
    client: "203.0.113.9",
    secret: "first",
};

/// Sends requests and counts those that came out wrong.
struct Tour<'a> {
    clients: &'a mut Clients,
    steps: usize,
    wrong: usize,
}

/// Shows what becomes of requests with the secret of the key, also after the key is
/// rotated and revoked. Says whether all came out as they should.
pub(super) async fn run(clients: &mut Clients, key: &str, secret: String) -> Result<bool, Failure> {
    page::heading("Clients send requests, and their backend asks the service Introspect");
    page::columns();
    let mut tour = Tour { clients, steps: 0, wrong: 0 };
    let first = secret;
    tour.step(USUAL, &first, allowed()).await?;
    let row = Row { scope: "notes:delete", ..USUAL };
    tour.step(row, &first, denied(DenyReason::InsufficientScope, 403, &[INSUFFICIENT_SCOPE]))
        .await?;
    let row = Row { client: "198.51.100.4", ..USUAL };
    tour.step(row, &first, denied(DenyReason::IpNotAllowed, 403, &[])).await?;
    let row = Row { resource: "teams/blue/notes/7", ..USUAL };
    tour.step(row, &first, denied(DenyReason::NotFound, 404, &[])).await?;

    let second = tour.rotate(key).await?;
    page::new_secret("RotateKey", "the second secret is", &second);
    tour.step(USUAL, &first, denied(DenyReason::InvalidKey, 401, &[INVALID_TOKEN])).await?;
    let row = Row { secret: "second", ..USUAL };
    tour.step(row, &second, allowed()).await?;

    tour.revoke(key).await?;
    page::change("RevokeKey", "the key ends, for ever");
    tour.step(row, &second, denied(DenyReason::Revoked, 401, &[INVALID_TOKEN])).await?;

    page::change("A forgery", "well formed, with a correct checksum, but signed by another key");
    let row = Row { secret: "forged", ..USUAL };
    tour.step(row, &forged()?, denied(DenyReason::InvalidKey, 401, &[INVALID_TOKEN])).await?;

    page::verdict(tour.steps, tour.wrong);
    Ok(tour.wrong == 0)
}

impl Tour<'_> {
    async fn step(&mut self, row: Row, secret: &str, expected: Outcome) -> Result<(), Failure> {
        let request = proto::IntrospectRequest {
            secret: secret.to_owned(),
            client_ip: row.client.to_owned(),
            required_scopes: vec![row.scope.to_owned()],
            resource: row.resource.to_owned(),
            ..Default::default()
        };
        let answer = self.clients.introspect.introspect(request).await;
        let found = outcome(&answer.map_err(refused("Introspect"))?.into_inner());
        self.steps += 1;
        self.wrong += usize::from(found != expected);
        page::step(&row, &USUAL, &found, &expected);
        Ok(())
    }

    async fn rotate(&mut self, key: &str) -> Result<String, Failure> {
        let request = proto::RotateKeyRequest { name: key.to_owned(), ..Default::default() };
        let rotated = self.clients.admin.rotate_key(request).await.map_err(refused("RotateKey"))?;
        Ok(rotated.into_inner().secret)
    }

    async fn revoke(&mut self, key: &str) -> Result<(), Failure> {
        let request = proto::RevokeKeyRequest { name: key.to_owned(), ..Default::default() };
        self.clients.admin.revoke_key(request).await.map_err(refused("RevokeKey"))?;
        Ok(())
    }
}

/// A secret that someone makes who knows the form but no signing key of the server.
fn forged() -> Result<String, Failure> {
    let signing_key = SigningKey::new(KeyVersion::FIRST, &[0; SigningKey::LEN]);
    let forger = Keyring::new(vec![signing_key], KeyVersion::FIRST)?;
    let minted = forger.mint(&Prefix::parse("demo")?, &SystemRandom::new());
    Ok(minted.map_err(failure)?.secret.reveal())
}

fn allowed() -> Outcome {
    Outcome { decision: ALLOW.to_owned(), status: 200, headers: Vec::new() }
}

fn denied(reason: DenyReason, status: i32, headers: &[&str]) -> Outcome {
    let headers = headers.iter().map(|header| (*header).to_owned()).collect();
    Outcome { decision: format!("DENY {}", name(reason)), status, headers }
}

fn outcome(answer: &proto::IntrospectResponse) -> Outcome {
    let decision = match answer.decision() {
        Decision::Allow => ALLOW.to_owned(),
        Decision::Deny => format!("DENY {}", name(answer.reason())),
        Decision::Unspecified => "no decision".to_owned(),
    };
    let proto::HttpAdvice { status, headers } = answer.http.clone().unwrap_or_default();
    let line = |proto::HttpHeader { name, value }| format!("{name}: {value}");
    Outcome { decision, status, headers: headers.into_iter().map(line).collect() }
}

fn name(reason: DenyReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("DENY_REASON_").unwrap_or(name)
}

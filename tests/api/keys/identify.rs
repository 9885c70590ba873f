//! `IdentifyKey`.

use keyward::proto::{self, IdentifyKeyRequest, IdentifyKeyResponse, KeyState, SecretState};
use tonic::{Code, Status};

use super::instant;
use crate::support::{Caller, Server, reader, refused, scope_missing};

fn request(secret: &str) -> IdentifyKeyRequest {
    IdentifyKeyRequest { secret: secret.to_owned() }
}

async fn identified(caller: &mut Caller, secret: &str) -> IdentifyKeyResponse {
    caller.admin.identify_key(request(secret)).await.unwrap().into_inner()
}

/// What a secret is answered that is not found: code, message and details.
async fn unknown(caller: &mut Caller, secret: &str) -> (Code, String, Vec<u8>) {
    let outcome = caller.admin.identify_key(request(secret)).await;
    let status: Status = refused(outcome, Code::NotFound, "RESOURCE_NOT_FOUND");
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

#[tokio::test]
async fn a_secret_is_told_whose_it_is_and_nothing_changes() {
    let (_server, mut root) = Server::with_workspaces().await;
    let made = root.create_key("acme", "ci", reader()).await;
    root.create_key("acme", "cd", reader()).await;
    let head = root.head().await;
    for _ in 0..2 {
        let answer = identified(&mut root, &made.secret).await;
        assert_eq!(answer.secret_state(), SecretState::Current);
        assert_eq!(answer.key, made.key);
    }
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn a_replaced_secret_is_still_told_whose_it_was() {
    let (_server, mut root) = Server::with_workspaces().await;
    let first = root.create_key("acme", "ci", reader()).await.secret;
    let rotate =
        proto::RotateKeyRequest { name: "workspaces/acme/keys/ci".into(), ..Default::default() };
    let second = root.admin.rotate_key(rotate.clone()).await.unwrap().into_inner();
    let third = root.admin.rotate_key(rotate).await.unwrap().into_inner();
    for (secret, state) in [
        (&first, SecretState::Replaced),
        (&second.secret, SecretState::Replaced),
        (&third.secret, SecretState::Current),
    ] {
        let answer = identified(&mut root, secret).await;
        assert_eq!(answer.secret_state(), state);
        assert_eq!(answer.key, third.key);
    }
}

#[tokio::test]
async fn revoked_and_expired_keys_are_told() {
    let (_server, mut root) = Server::with_workspaces().await;
    let ended = root.create_key("acme", "ended", reader()).await;
    let name = "workspaces/acme/keys/ended".to_owned();
    let revoke = proto::RevokeKeyRequest { name, ..Default::default() };
    root.admin.revoke_key(revoke).await.unwrap();
    let brief = proto::Key { expiration: instant(), ..reader() };
    let brief = root.create_key("acme", "brief", brief).await;
    for (secret, state) in [(&ended.secret, KeyState::Revoked), (&brief.secret, KeyState::Expired)]
    {
        let answer = identified(&mut root, secret).await;
        assert_eq!(answer.secret_state(), SecretState::Current);
        assert_eq!(answer.key.unwrap().state(), state);
    }
}

#[tokio::test]
async fn what_was_never_a_secret_here_and_what_one_may_not_know_of_are_answered_alike() {
    let mut keyring = None;
    let server = Server::start_with(|settings| keyring = Some(settings.keyring.path.clone())).await;
    let mut root = server.root().await;
    root.create_policy("acme", crate::support::policy()).await;
    root.create_workspace("acme", "policies/acme").await;
    root.create_workspace("other", "policies/acme").await;
    let known = root.create_key("acme", "ci", reader()).await.secret;
    let hidden = root.create_key("other", "ci", reader()).await.secret;
    let mut bound = server.caller(&["keys:read"], &["workspaces/acme"]).await;
    // Signed by this keyring, and in another database.
    let keyring = keyring.unwrap();
    let signing = std::fs::read(&keyring).unwrap();
    let twin = Server::start_with(|settings| settings.keyring.path = keyring.clone()).await;
    assert_eq!(std::fs::read(&keyring).unwrap(), signing);
    let unissued = twin.root_secret.clone();
    // Well formed, and signed by another keyring.
    let stranger = Server::start().await;
    let forged = stranger.root_secret.clone();

    assert_eq!(identified(&mut bound, &known).await.secret_state(), SecretState::Current);
    let expected = unknown(&mut bound, &hidden).await;
    let truncated = &known[..known.len() - 1];
    let (longer, huge) = (format!("{known}0"), "acme_live_".repeat(100_000));
    for secret in [
        &*unissued,
        &forged,
        "",
        "x",
        "acme_live_",
        truncated,
        &longer,
        &known.to_uppercase(),
        &format!(" {known}"),
        &format!("{known}\n"),
        &format!("Bearer {known}"),
        "\0",
        "é",
        &huge,
        &server.root_secret,
    ] {
        assert_eq!(unknown(&mut bound, secret).await, expected);
    }
    // Whoever may know of it is told; the others are as unknown to that caller.
    assert_eq!(identified(&mut root, &hidden).await.secret_state(), SecretState::Current);
    for secret in [&*unissued, &forged, "", truncated] {
        assert_eq!(unknown(&mut root, secret).await, expected);
    }
}

#[tokio::test]
async fn no_edit_of_one_character_is_the_secret() {
    let (_server, mut root) = Server::with_workspaces().await;
    let known = root.create_key("acme", "ci", reader()).await.secret;
    let expected = unknown(&mut root, "").await;
    for place in 0..known.len() {
        let mut edited = known.clone().into_bytes();
        edited[place] = if edited[place] == b'a' { b'b' } else { b'a' };
        let edited = String::from_utf8(edited).unwrap();
        assert_eq!(unknown(&mut root, &edited).await, expected, "at {place}");
    }
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_anything_is_looked_at() {
    let (server, mut root) = Server::with_workspaces().await;
    let known = root.create_key("acme", "ci", reader()).await.secret;
    let mut other = server.caller(&["introspect", "principals:write"], &[]).await;
    for secret in ["", &known] {
        scope_missing(other.admin.identify_key(request(secret)).await);
    }
}

//! `StreamIntrospect`.

mod bytes;
mod unread;

use std::time::Duration;

use futures_util::stream;
use keyward::proto::{
    DenyReason, IntrospectRequest, StreamIntrospectRequest, StreamIntrospectResponse,
    stream_introspect_response::Outcome,
};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use super::question;
use crate::{
    callers::minted::{revoke, rotate},
    support::{Caller, Server, grants, reader, refused, scope_missing, strings},
};

/// Far more than anything here takes: a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(60);

/// A stream on which questions are asked as a test likes.
struct Talk {
    /// None: there are no more questions.
    ask: Option<mpsc::UnboundedSender<StreamIntrospectRequest>>,
    answers: Streaming<StreamIntrospectResponse>,
}

impl Talk {
    async fn new(caller: &mut Caller) -> Self {
        Self::with(caller, None).await
    }

    async fn with(caller: &mut Caller, timeout: Option<Duration>) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        let questions = stream::unfold(asked, async |mut asked: mpsc::UnboundedReceiver<_>| {
            Some((asked.recv().await?, asked))
        });
        let mut request = tonic::Request::new(questions);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let answers = caller.introspect.stream_introspect(request).await.unwrap().into_inner();
        Self { ask: Some(ask), answers }
    }

    fn ask(&self, id: i64, request: IntrospectRequest) {
        let question = StreamIntrospectRequest { id, request: Some(request) };
        self.ask.as_ref().unwrap().send(question).unwrap();
    }

    async fn next(&mut self) -> Result<Option<StreamIntrospectResponse>, Status> {
        tokio::time::timeout(LONG, self.answers.message()).await.unwrap()
    }

    /// The next answer: its number, and why the request is denied.
    async fn answer(&mut self) -> (i64, DenyReason) {
        let StreamIntrospectResponse { id, outcome } = self.next().await.unwrap().unwrap();
        let Some(Outcome::Response(response)) = outcome else { panic!("{outcome:?}") };
        (id, response.reason())
    }

    /// The error of the next question: its number, code and reason.
    async fn error(&mut self) -> (i64, Code, String) {
        let StreamIntrospectResponse { id, outcome } = self.next().await.unwrap().unwrap();
        let Some(Outcome::Error(error)) = outcome else { panic!("{outcome:?}") };
        assert!(!error.message.is_empty());
        (id, Code::from(error.code), error.reason)
    }

    /// The end of the stream, which comes now.
    async fn end(&mut self) -> Status {
        let status = self.next().await.expect_err("the stream is to end with an error");
        assert_eq!(self.next().await.unwrap(), None);
        status
    }
}

#[track_caller]
fn ended(status: Status, code: Code, reason: &str) {
    refused(Err::<tonic::Response<()>, _>(status), code, reason);
}

#[tokio::test]
async fn each_answer_has_the_number_of_its_question_and_is_what_it_would_be_alone() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let mut talk = Talk::new(&mut root).await;
    let asked = [(7, &["sites:read"][..]), (-3, &["sites:write"]), (7, &[]), (i64::MAX, &[])];
    for (id, required) in asked {
        talk.ask(id, question(&secret, required));
        let given = talk.next().await.unwrap().unwrap();
        let alone = super::answer(&mut root, question(&secret, required)).await;
        assert_eq!(given, StreamIntrospectResponse { id, outcome: Some(Outcome::Response(alone)) });
    }
    talk.ask = None;
    assert_eq!(talk.next().await.unwrap(), None);
}

#[tokio::test]
async fn ten_thousand_questions_are_all_answered_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let mut talk = Talk::new(&mut root).await;
    for id in 0..10_000 {
        let text = if id % 2 == 0 { &*secret } else { "x" };
        talk.ask(id, question(text, &[]));
    }
    talk.ask = None;
    let mut answered = Vec::new();
    while let Some(StreamIntrospectResponse { id, outcome }) = talk.next().await.unwrap() {
        let Some(Outcome::Response(response)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(response.active, id % 2 == 0);
        answered.push(id);
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_an_outcome_and_the_stream_goes_on() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let mut talk = Talk::new(&mut root).await;
    let invalid = |id, reason: &str| (id, Code::InvalidArgument, reason.to_owned());
    talk.ask(1, IntrospectRequest { cost: -1, ..question(&secret, &[]) });
    assert_eq!(talk.error().await, invalid(1, "INVALID_FIELDS"));
    talk.ask(2, question(&secret, &["site:read"]));
    assert_eq!(talk.error().await, invalid(2, "UNKNOWN_SCOPE"));
    talk.ask(3, IntrospectRequest { resource: "a//b".into(), ..question(&secret, &[]) });
    assert_eq!(talk.error().await, invalid(3, "INVALID_FIELDS"));
    let nothing = StreamIntrospectRequest { id: 4, request: None };
    talk.ask.as_ref().unwrap().send(nothing).unwrap();
    assert_eq!(talk.error().await, invalid(4, "INVALID_FIELDS"));
    talk.ask(5, question(&secret, &["sites:read"]));
    assert_eq!(talk.answer().await, (5, DenyReason::Unspecified));
}

#[tokio::test]
async fn every_wrong_field_of_a_question_is_named() {
    let (_server, mut root) = Server::with_workspaces().await;
    let mut talk = Talk::new(&mut root).await;
    let wrong = IntrospectRequest { client_ip: "localhost".into(), cost: -1, ..question("x", &[]) };
    talk.ask(1, wrong);
    let StreamIntrospectResponse { outcome, .. } = talk.next().await.unwrap().unwrap();
    let Some(Outcome::Error(error)) = outcome else { panic!("{outcome:?}") };
    let fields: Vec<&str> = error.wrong_fields.iter().map(|wrong| &*wrong.field).collect();
    assert_eq!(fields, ["client_ip", "cost"]);
    assert_eq!(error.wrong_fields[1].description, "must not be negative");
    assert_eq!(error.retry_after, None);
}

#[tokio::test]
async fn what_changes_is_seen_by_the_next_question() {
    let (_server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let mut talk = Talk::new(&mut root).await;
    talk.ask(1, question(&secret, &[]));
    assert_eq!(talk.answer().await, (1, DenyReason::Unspecified));
    revoke(&mut root, "workspaces/acme/keys/ci").await;
    talk.ask(2, question(&secret, &[]));
    assert_eq!(talk.answer().await, (2, DenyReason::Revoked));
}

#[tokio::test]
async fn a_caller_that_was_revoked_is_answered_no_more() {
    let (server, mut root) = Server::with_workspaces().await;
    let secret = root.create_key("acme", "ci", reader()).await.secret;
    let backend = || proto_key(&["introspect"]);
    for (id, is_silent) in [("revoked", false), ("rotated", false), ("silent", true)] {
        let name = format!("workspaces/system/keys/{id}");
        let own = root.create_key("system", id, backend()).await.secret;
        let mut caller = server.caller_with(Some(&own)).await;
        let mut talk = Talk::new(&mut caller).await;
        talk.ask(1, question(&secret, &[]));
        assert_eq!(talk.answer().await, (1, DenyReason::Unspecified));
        match id {
            "rotated" => _ = rotate(&mut root, &name).await,
            _ => revoke(&mut root, &name).await,
        }
        if !is_silent {
            talk.ask(2, question(&secret, &[]));
        }
        ended(talk.end().await, Code::Unauthenticated, "CREDENTIALS_INVALID");
    }
}

#[tokio::test]
async fn a_caller_whose_scope_was_taken_is_answered_no_more() {
    let (server, mut root) = Server::with_workspaces().await;
    let own = root.create_key("system", "backend", proto_key(&["introspect"])).await.secret;
    let mut caller = server.caller_with(Some(&own)).await;
    let mut talk = Talk::new(&mut caller).await;
    talk.ask(1, question("x", &[]));
    assert_eq!(talk.answer().await, (1, DenyReason::InvalidKey));
    let key = keyward::proto::Key {
        name: "workspaces/system/keys/backend".into(),
        grants: grants(&["keys:read"]),
        ..Default::default()
    };
    let update = keyward::proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
    root.admin.update_key(update).await.unwrap();
    talk.ask(2, question("x", &[]));
    ended(talk.end().await, Code::PermissionDenied, "CALLER_SCOPE_MISSING");
}

fn proto_key(scopes: &[&str]) -> keyward::proto::Key {
    keyward::proto::Key { grants: grants(scopes), ..reader() }
}

#[tokio::test]
async fn a_bound_caller_is_told_nothing_of_keys_of_another_workspace() {
    let (server, mut root) = Server::with_workspaces().await;
    let theirs = root.create_key("other", "", reader()).await.secret;
    let mut bound = server.caller(&["introspect"], &["workspaces/acme"]).await;
    let mut talk = Talk::new(&mut bound).await;
    talk.ask(1, question(&theirs, &[]));
    assert_eq!(talk.answer().await, (1, DenyReason::InvalidKey));
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_before_it_asks() {
    let (server, _) = Server::with_workspaces().await;
    let mut reader = server.caller(&["keys:read"], &[]).await;
    let silent = stream::pending::<StreamIntrospectRequest>();
    scope_missing(reader.introspect.stream_introspect(silent).await);
    let key = keyward::proto::Key {
        allowed_cidrs: strings(&["192.0.2.0/24"]),
        ..proto_key(&["introspect"])
    };
    let own = server.root().await.create_key("system", "", key).await.secret;
    let mut elsewhere = server.caller_with(Some(&own)).await;
    let silent = stream::pending::<StreamIntrospectRequest>();
    let outcome = elsewhere.introspect.stream_introspect(silent).await;
    refused(outcome, Code::PermissionDenied, "CALLER_ADDRESS_NOT_ALLOWED");
}

#[tokio::test]
async fn a_stream_goes_on_beyond_the_longest_deadline_of_a_call() {
    let server = Server::start_with(|settings| settings.server.deadline_max_ms = 2_000).await;
    let mut root = server.root().await;
    let mut talk = Talk::new(&mut root).await;
    let begun = std::time::Instant::now();
    let mut id = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        id += 1;
        talk.ask(id, question("x", &[]));
        assert_eq!(talk.answer().await, (id, DenyReason::InvalidKey));
    }
}

#[tokio::test]
async fn a_stream_ends_when_the_time_is_over_that_its_caller_gave_it() {
    let server = Server::start().await;
    let mut root = server.root().await;
    let mut talk = Talk::with(&mut root, Some(Duration::from_secs(3))).await;
    ended(talk.end().await, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_key_that_has_its_share_of_streams_opens_no_more() {
    let server = Server::start_with(|settings| {
        settings.server.max_concurrent_streams = 1_000;
        settings.server.open_calls_target = 10_000;
    })
    .await;
    let mut root = server.root().await;
    let mut talks = Vec::new();
    for _ in 0..250 {
        talks.push(Talk::new(&mut root).await);
    }
    let silent = || stream::pending::<StreamIntrospectRequest>();
    let outcome = root.introspect.stream_introspect(silent()).await;
    refused(outcome, Code::ResourceExhausted, "TOO_MANY_IN_FLIGHT");
    let mut other = server.caller(&["introspect"], &[]).await;
    let mut talk = Talk::new(&mut other).await;
    talk.ask(1, question("x", &[]));
    assert_eq!(talk.answer().await, (1, DenyReason::InvalidKey));
    drop(talks);
    let free = async { while root.introspect.stream_introspect(silent()).await.is_err() {} };
    tokio::time::timeout(LONG, free).await.unwrap();
}

#[tokio::test]
async fn a_stream_is_not_read_beyond_a_message_that_is_none() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let rpc = crate::callers::raw::rpcs().into_iter().find(|rpc| rpc.method == "StreamIntrospect");
    let reply =
        crate::callers::raw::call(&channel, &rpc.unwrap(), &server.root_secret, b"\xff\xff").await;
    let status = reply.status();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.get_details_error_info().unwrap().reason, "MALFORMED_REQUEST");
}

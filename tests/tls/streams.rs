//! Calls that go on, and requests that are made again, by certificate.

use std::time::Duration;

use futures_util::stream;
use keyward::{
    config::ClientCertificates,
    proto::{self, introspect_client::IntrospectClient, key_admin_client::KeyAdminClient},
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming, transport::Channel};

use crate::{
    LONG,
    client::{Client, ask, make, reason},
    place::Place,
    server::Server,
    until,
};

const CHECKOUT: &str = "spiffe://acme.example/checkout";
const OPS: &str = "dns:ops.acme.example";

/// A stream of questions that goes on.
pub(crate) struct Questions {
    sender: mpsc::UnboundedSender<proto::StreamIntrospectRequest>,
    answers: Streaming<proto::StreamIntrospectResponse>,
}

impl Questions {
    pub(crate) async fn open(channel: &Channel) -> Self {
        let (sender, questions) = mpsc::unbounded_channel();
        let questions = stream::unfold(questions, async |mut questions| {
            let next: Option<proto::StreamIntrospectRequest> =
                mpsc::UnboundedReceiver::recv(&mut questions).await;
            Some((next?, questions))
        });
        let answers = IntrospectClient::new(channel.clone()).stream_introspect(questions).await;
        Self { sender, answers: answers.unwrap().into_inner() }
    }

    pub(crate) async fn ask(&mut self) -> Result<(), Status> {
        let request = Some(proto::IntrospectRequest::default());
        self.sender.send(proto::StreamIntrospectRequest { id: 1, request }).unwrap();
        self.answers.message().await.map(|answer| assert_eq!(answer.unwrap().id, 1))
    }

    /// Asks nothing more, and waits for the error that it ends with.
    pub(crate) async fn end(mut self) -> Status {
        let end = tokio::time::timeout(LONG, self.answers.message()).await;
        end.unwrap().unwrap_err()
    }
}

async fn server(place: &Place) -> Server {
    let required = ClientCertificates::Required;
    Server::start(|settings| place.know_callers(settings, required)).await
}

async fn connect(place: &Place, server: &Server, name: &str) -> Channel {
    let issued = place.clients.client(&[name]);
    Client::with(&place.authority.pem, &issued).channel(server.address).await.unwrap()
}

#[tokio::test]
async fn a_stream_ends_when_its_caller_is_taken_off_the_list_or_may_ask_no_more() {
    let place = Place::new();
    let may = (CHECKOUT, "[\"introspect\"]", "");
    let other = ("dns:other.example", "[\"*\"]", "");
    place.list(&[other]);
    let server = server(&place).await;
    for (round, (then, code, expected)) in (0..).zip([
        (&[other][..], tonic::Code::Unauthenticated, "CREDENTIALS_INVALID"),
        (
            &[(CHECKOUT, "[\"keys:read\"]", "")],
            tonic::Code::PermissionDenied,
            "CALLER_SCOPE_MISSING",
        ),
    ]) {
        place.list(&[may]);
        until("it is read", async || server.counted().callers.applied > 2 * round).await;
        let channel = connect(&place, &server, CHECKOUT).await;
        let mut silent = Questions::open(&channel).await;
        silent.ask().await.unwrap();
        let mut asks = Questions::open(&channel).await;
        asks.ask().await.unwrap();
        place.list(then);
        until("it is read", async || server.counted().callers.applied > 2 * round + 1).await;
        let refused = asks.ask().await.unwrap_err();
        // Without a question, too.
        for end in [refused, silent.end().await] {
            assert_eq!(end.code(), code, "{end:?}");
            assert_eq!(reason(Err(end)), expected);
        }
    }
}

#[tokio::test]
async fn a_stream_ends_when_the_certificate_of_its_connection_does() {
    let place = Place::new();
    place.list(&[(CHECKOUT, "[\"introspect\"]", "")]);
    let server = server(&place).await;
    let issued = place.clients.client_for(&[CHECKOUT], Duration::from_secs(15));
    let client = Client::with(&place.authority.pem, &issued);
    let channel = client.channel(server.address).await.unwrap();
    let mut silent = Questions::open(&channel).await;
    silent.ask().await.unwrap();
    let end = silent.end().await;
    assert_eq!(end.code(), tonic::Code::Unauthenticated, "{end:?}");
    assert_eq!(reason(Err(end)), "CREDENTIALS_INVALID");
}

/// Makes a workspace with this request.
async fn create(
    channel: &Channel,
    authorization: Option<&str>,
    (id, request_id, validate_only): (&str, &str, bool),
) -> Result<(), Status> {
    let mut request = tonic::Request::new(proto::CreateWorkspaceRequest {
        workspace_id: id.to_owned(),
        workspace: Some(proto::Workspace {
            policy: "policies/acme".to_owned(),
            ..Default::default()
        }),
        request_id: request_id.to_owned(),
        validate_only,
    });
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    KeyAdminClient::new(channel.clone()).create_workspace(request).await.map(|_| ())
}

/// How many events the log has of this subject.
async fn events(channel: &Channel, subject: &str) -> usize {
    let list = proto::ListEventsRequest { subject: subject.to_owned(), ..Default::default() };
    let list = KeyAdminClient::new(channel.clone()).list_events(list).await.unwrap();
    list.into_inner().events.len()
}

const REQUEST: &str = "7f0c8a1e-4c1e-4c55-9d4d-0d9b7a1f2c3d";

#[tokio::test]
async fn a_request_is_remembered_of_each_caller_apart() {
    let place = Place::new();
    place.list(&[(CHECKOUT, "[\"*\"]", ""), (OPS, "[\"*\"]", "")]);
    let server = server(&place).await;
    let root = format!("Bearer {}", server.root);
    let checkout = connect(&place, &server, CHECKOUT).await;
    let ops = connect(&place, &server, "ops.acme.example").await;
    make(&ops, None, "acme").await;
    // By its own name the second is the first; another's of the same name is another, which finds the name taken.
    for _ in 0..2 {
        create(&checkout, None, ("one", REQUEST, false)).await.unwrap();
    }
    for (channel, authorization) in [(&ops, None), (&checkout, Some(&*root))] {
        let taken = create(channel, authorization, ("one", REQUEST, false)).await.unwrap_err();
        assert_eq!(taken.code(), tonic::Code::AlreadyExists, "{taken:?}");
    }
    assert_eq!(events(&ops, "workspaces/one").await, 1);
    for (channel, authorization, id) in [(&ops, None, "two"), (&checkout, Some(&*root), "three")] {
        create(channel, authorization, (id, REQUEST, false)).await.unwrap();
    }

    // Whoever may do less is told nothing of what it did when it might do more.
    place.list(&[(CHECKOUT, "[\"introspect\"]", ""), (OPS, "[\"*\"]", "")]);
    until("it is read", async || server.counted().callers.applied >= 1).await;
    let refused = create(&checkout, None, ("one", REQUEST, false)).await;
    assert_eq!(reason(refused), "CALLER_SCOPE_MISSING");
}

#[tokio::test]
async fn a_check_by_certificate_changes_nothing() {
    let place = Place::new();
    place.list(&[(OPS, "[\"*\"]", "")]);
    let server = server(&place).await;
    let ops = connect(&place, &server, "ops.acme.example").await;
    make(&ops, None, "acme").await;
    let before = events(&ops, "").await;
    create(&ops, None, ("one", REQUEST, true)).await.unwrap();
    assert_eq!(events(&ops, "").await, before);
    create(&ops, None, ("one", REQUEST, false)).await.unwrap();
    assert_eq!(events(&ops, "").await, before + 1);
    ask(&ops, None).await.unwrap();
}

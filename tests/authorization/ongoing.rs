//! Streams and batches: each question is asked in the name of whoever the caller is by then, about what it reaches.

use futures_util::{StreamExt as _, future::BoxFuture, stream};
use keyward::proto::{
    self, DenyReason, IntrospectRequest, StreamIntrospectRequest, StreamIntrospectResponse,
    stream_introspect_response::Outcome,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::{
    minted::{disable, operator, revoke, rotate},
    on_each_database,
    support::{Caller, grants, reader, strings},
    world::{Kind, MALFORMED, OTHER, OWN, World},
};

on_each_database![
    no_question_of_a_stream_is_answered_to_who_may_not_ask_it_any_more,
    questions_about_another_tenant_are_answered_as_about_a_secret_that_is_none,
];

struct Talk {
    questions: UnboundedSender<StreamIntrospectRequest>,
    answers: Streaming<StreamIntrospectResponse>,
}

impl Talk {
    async fn begin(caller: &mut Caller) -> Self {
        let (questions, asked) = unbounded_channel();
        let asked = stream::unfold(asked, async |mut asked| Some((asked.recv().await?, asked)));
        let answers =
            caller.introspect.stream_introspect(asked.boxed()).await.unwrap().into_inner();
        Self { questions, answers }
    }

    /// The answer to a question, or why there is none, nor any more.
    async fn ask(&mut self, secret: &str) -> Result<proto::IntrospectResponse, Status> {
        let request = Some(about(secret, &[]));
        // Where it has ended, the answer tells why.
        let _ = self.questions.send(StreamIntrospectRequest { id: 1, request });
        match self.answers.message().await?.expect("it ends with a reason").outcome.unwrap() {
            Outcome::Response(answer) => Ok(answer),
            Outcome::Error(error) => panic!("{error:?}"),
        }
    }
}

fn about(secret: &str, scopes: &[&str]) -> IntrospectRequest {
    let required_scopes = strings(scopes);
    IntrospectRequest { secret: secret.to_owned(), required_scopes, ..Default::default() }
}

/// The caller's key, changed to this in the field.
fn changed<'a>(
    root: &'a mut Caller,
    id: &'a str,
    key: proto::Key,
    field: &'a str,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let key = proto::Key { name: format!("workspaces/system/keys/{id}"), ..key };
        let update_mask = Some(prost_types::FieldMask { paths: strings(&[field]) });
        let update = proto::UpdateKeyRequest { key: Some(key), update_mask, ..Default::default() };
        root.admin.update_key(update).await.unwrap();
    })
}

/// Takes from the caller of this name what it needs, in one of several ways.
async fn take(root: &mut Caller, id: &str) {
    let name = format!("workspaces/system/keys/{id}");
    match id {
        "revoked" => revoke(root, &name).await,
        "replaced" => _ = rotate(root, &name).await,
        "disabled" => disable(root, "workspaces/system/principals/ada").await,
        "without-scope" => {
            let less = proto::Key { grants: grants(&["keys:read"]), ..operator() };
            changed(root, id, less, "grants").await;
        }
        "elsewhere" => {
            let less = proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..operator() };
            changed(root, id, less, "allowed_cidrs").await;
        }
        "bound" => {
            let less = proto::Key { constraint: strings(&["workspaces/rival"]), ..operator() };
            changed(root, id, less, "constraint").await;
        }
        _ => panic!("{id}"),
    }
}

async fn no_question_of_a_stream_is_answered_to_who_may_not_ask_it_any_more(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let owner = world.root.create_principal("system", "ada", "").await.name;
    let asked = world.root.create_key(OWN, "", reader()).await.secret;
    for (id, reason) in [
        ("revoked", "CREDENTIALS_INVALID"),
        ("replaced", "CREDENTIALS_INVALID"),
        ("disabled", "CREDENTIALS_INVALID"),
        ("without-scope", "CALLER_SCOPE_MISSING"),
        ("elsewhere", "CALLER_ADDRESS_NOT_ALLOWED"),
        ("bound", ""),
    ] {
        let principal = if id == "disabled" { owner.clone() } else { String::new() };
        let key = proto::Key { principal, ..operator() };
        let secret = world.root.create_key("system", id, key).await.secret;
        let mut caller = Caller::on(world.plain.clone(), Some(&secret));
        let mut talk = Talk::begin(&mut caller).await;
        // Twice: the second time all of it is at hand.
        for _ in 0..2 {
            assert!(talk.ask(&asked).await.unwrap().active, "{id}");
        }
        take(&mut world.root, id).await;
        let outcome = talk.ask(&asked).await;
        if id == "bound" {
            assert_eq!(
                outcome.unwrap().reason(),
                DenyReason::InvalidKey,
                "it may ask, not of this"
            );
            continue;
        }
        let status = outcome.unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, reason, "{id}");
        let code = if reason == "CREDENTIALS_INVALID" {
            Code::Unauthenticated
        } else {
            Code::PermissionDenied
        };
        assert_eq!(status.code(), code, "{id}");
    }
}

async fn questions_about_another_tenant_are_answered_as_about_a_secret_that_is_none(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let mut states = Vec::new();
    for id in ["live", "ended", "limited"] {
        let allowed_cidrs = if id == "limited" { strings(&["192.0.2.0/24"]) } else { vec![] };
        let key = proto::Key { allowed_cidrs, ..reader() };
        states.push(world.root.create_key(OTHER, id, key).await.secret);
    }
    revoke(&mut world.root, &format!("workspaces/{OTHER}/keys/ended")).await;
    let ours = world.root.create_key(OWN, "", reader()).await.secret;
    let key = proto::Key { constraint: strings(&["workspaces/acme"]), ..operator() };
    let secret = world.mint(key).await;
    let mut bound = Caller::on(world.plain.clone(), Some(&secret));
    // Twice: the second time all of it is at hand. A scope that no policy has is no way to tell, either.
    for scopes in [&["sites:read"][..], &["no:such"]].repeat(2) {
        let none =
            bound.introspect.introspect(about(MALFORMED, scopes)).await.unwrap().into_inner();
        assert_eq!(none.reason(), DenyReason::InvalidKey);
        let requests: Vec<_> = states.iter().map(|secret| about(secret, scopes)).collect();
        for request in &requests {
            let alone = bound.introspect.introspect(request.clone()).await.unwrap().into_inner();
            assert_eq!(alone, none);
        }
        let batch = proto::BatchIntrospectRequest { requests: requests.clone() };
        let together = bound.introspect.batch_introspect(batch).await.unwrap().into_inner();
        assert_eq!(together.responses, vec![none.clone(); requests.len()]);
        let numbered = requests
            .iter()
            .map(|request| StreamIntrospectRequest { id: 7, request: Some(request.clone()) });
        let numbered: Vec<_> = numbered.collect();
        let count = numbered.len();
        let answers =
            bound.introspect.stream_introspect(stream::iter(numbered)).await.unwrap().into_inner();
        let answers: Vec<_> =
            answers.map(|answer| answer.unwrap().outcome.unwrap()).collect().await;
        assert_eq!(answers, vec![Outcome::Response(none); count]);
    }
    // Of its own tenant it is told all, also that a question makes no sense.
    assert!(bound.ask(&ours, &["sites:read"], "").await.active);
    let senseless = bound.introspect.introspect(about(&ours, &["no:such"])).await.unwrap_err();
    assert_eq!(senseless.code(), Code::InvalidArgument);
}

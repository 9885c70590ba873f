//! The same over the wire, in each way in which one may ask.

use futures_util::stream;
use keyward::proto::{
    self, DenyReason, IntrospectRequest, IntrospectResponse, IntrospectView,
    stream_introspect_response::Outcome,
};
use tonic::Code;

use crate::{
    caller::Caller,
    damage, forge,
    parts::{Parts, with_parts},
    random::{Random, seed},
};

/// Secrets of each kind: as many of both as a batch may have.
const EACH: usize = 500;
/// Those that callers call with: each has a connection.
const CALLERS: usize = 50;

/// What was asked of the database, and what of the cache that it did not have.
fn asked(parts: &Parts) -> (usize, u64, u64) {
    let counts = parts.cache.counts();
    (parts.keys.asked(), counts.loads, counts.misses)
}

fn question(secret: &str, view: IntrospectView) -> IntrospectRequest {
    let required_scopes = vec!["keys:read".to_owned()];
    let (secret, view) = (secret.to_owned(), view.into());
    IntrospectRequest { secret, required_scopes, view, ..Default::default() }
}

#[track_caller]
fn is_refused(answer: &IntrospectResponse, secret: &str) {
    assert_eq!(answer.reason(), DenyReason::InvalidKey, "{secret:?}");
    assert_eq!((answer.decision(), &*answer.key), (proto::Decision::Deny, ""));
}

#[test]
fn what_is_none_of_ours_costs_no_look_up_however_it_is_sent() {
    with_parts(async |parts| {
        let address = parts.serve().await;
        let mut caller = Caller::connect(address, &parts.root_secret).await;
        // From now on the caller itself is known.
        parts.root().await;
        let mut random = Random::new(seed("wire"));
        let damaged = (0..EACH).map(|_| damage(&parts.root_secret, &mut random));
        let mut secrets: Vec<String> = damaged.collect();
        secrets.extend((0..EACH).map(|number| forge(number, &mut random)));
        let before = asked(&parts);
        for view in [IntrospectView::Decision, IntrospectView::Full] {
            let questions = || secrets.iter().map(|secret| question(secret, view));
            for (secret, question) in secrets.iter().zip(questions()) {
                let answer = caller.introspect.introspect(question).await.unwrap();
                is_refused(answer.get_ref(), secret);
            }
            let batch = proto::BatchIntrospectRequest { requests: questions().collect() };
            let answers = caller.introspect.batch_introspect(batch).await.unwrap().into_inner();
            assert_eq!(answers.responses.len(), secrets.len());
            for (secret, answer) in secrets.iter().zip(&answers.responses) {
                is_refused(answer, secret);
            }
            streamed(&mut caller, &secrets, questions().collect()).await;
        }
        assert_eq!(asked(&parts), before);
        // That the count counts.
        assert_eq!(before, (1, 1, 1));
    });
}

async fn streamed(caller: &mut Caller, secrets: &[String], questions: Vec<IntrospectRequest>) {
    let questions = questions
        .into_iter()
        .zip(0..)
        .map(|(question, id)| proto::StreamIntrospectRequest { id, request: Some(question) });
    let questions: Vec<_> = questions.collect();
    let answers = caller.introspect.stream_introspect(stream::iter(questions)).await.unwrap();
    let (mut answers, mut count) = (answers.into_inner(), 0);
    while let Some(answer) = answers.message().await.unwrap() {
        let secret = &secrets[usize::try_from(answer.id).unwrap()];
        let Some(Outcome::Response(response)) = answer.outcome else {
            panic!("{secret:?}: {answer:?}");
        };
        is_refused(&response, secret);
        count += 1;
    }
    assert_eq!(count, secrets.len());
}

#[test]
fn callers_whose_secret_is_none_of_ours_cost_no_look_up() {
    with_parts(async |parts| {
        let address = parts.serve().await;
        let mut random = Random::new(seed("callers"));
        let before = asked(&parts);
        let forged = (0..CALLERS).map(|number| forge(number, &mut random));
        // Malformed in the checksum.
        let malformed = (0..CALLERS).map(|number| {
            let mut secret = parts.root_secret.clone();
            let last = secret.pop().unwrap();
            let other = (b'a' + u8::try_from(number % 26).unwrap()) as char;
            secret.push(if last == other { '0' } else { other });
            secret
        });
        for secret in forged.chain(malformed) {
            let mut caller = Caller::connect(address, &secret).await;
            let asking = question(&parts.root_secret, IntrospectView::Full);
            let refused = caller.introspect.introspect(asking).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
        }
        assert_eq!(asked(&parts), before);
    });
}

//! Questions in every form: one by one, in full and for the decision alone, in batches, in streams.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::stream;
use keyward::proto::{
    self, BatchIntrospectRequest, DenyReason, IntrospectView, StreamIntrospectRequest,
    stream_introspect_response::Outcome,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use crate::{
    asking::Asked,
    caller::Caller,
    load::World,
    random::Random,
    world::{Key, Secret},
};

/// How many questions a batch has.
const BATCH: usize = 16;
/// How many questions a short stream has.
const STREAM: usize = 24;
/// Between two questions of a stream that lasts.
const INTERVAL: Duration = Duration::from_millis(20);
/// Errors of one question that are no fault.
const ERRORS: [Code; 4] =
    [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::ResourceExhausted];

/// Questions of a stream that are not answered yet.
type Open = Arc<Mutex<HashMap<i64, Asked>>>;

/// A key and a secret of it: mostly the newest, now and then the one before.
pub(crate) fn pick(world: &World, random: &mut Random) -> (Arc<Key>, Arc<Secret>) {
    let tenant = &world.tenants[random.below(world.tenants.len())];
    let key = tenant.key(random.below(tenant.keys.read().unwrap().len()));
    let secrets = key.secrets.read().unwrap();
    let back = usize::from(random.below(4) == 0).min(secrets.len() - 1);
    let secret = Arc::clone(&secrets[secrets.len() - 1 - back]);
    drop(secrets);
    (key, secret)
}

fn asked(world: &World, random: &mut Random, view: IntrospectView) -> Asked {
    let (key, secret) = pick(world, random);
    Asked::now(&key, &secret, view)
}

pub(crate) async fn one(
    world: &World,
    mut caller: Caller,
    replica: usize,
    random: &mut Random,
    view: IntrospectView,
) -> Result<(), Status> {
    let asked = asked(world, random, view);
    let answer = caller.introspect.introspect(asked.request()).await?;
    asked.answered(&world.tally, replica, answer.get_ref());
    Ok(())
}

pub(crate) async fn batch(
    world: &World,
    mut caller: Caller,
    replica: usize,
    random: &mut Random,
) -> Result<(), Status> {
    let views = [IntrospectView::Full, IntrospectView::Decision];
    let asked: Vec<_> = (0..BATCH).map(|number| asked(world, random, views[number % 2])).collect();
    let requests = asked.iter().map(Asked::request).collect();
    let request = BatchIntrospectRequest { requests };
    let answers = caller.introspect.batch_introspect(request).await?.into_inner().responses;
    if answers.len() != asked.len() {
        world.tally.violation(format!("{} answers to {} questions", answers.len(), asked.len()));
    }
    for (asked, answer) in asked.into_iter().zip(&answers) {
        asked.answered(&world.tally, replica, answer);
    }
    Ok(())
}

/// One question of a stream, noted as it is sent.
fn next(world: &World, random: &mut Random, open: &Open, id: i64) -> StreamIntrospectRequest {
    let view = if id % 2 == 0 { IntrospectView::Full } else { IntrospectView::Decision };
    let asked = asked(world, random, view);
    let request = Some(asked.request());
    open.lock().unwrap().insert(id, asked);
    StreamIntrospectRequest { id, request }
}

/// A stream of some questions, all sent at once.
pub(crate) async fn stream(
    world: &Arc<World>,
    mut caller: Caller,
    replica: usize,
    mut random: Random,
) -> Result<(), Status> {
    let open = Open::default();
    let (of_world, of_open) = (Arc::clone(world), Arc::clone(&open));
    let questions = (0..STREAM as i64).map(move |id| next(&of_world, &mut random, &of_open, id));
    let questions = Request::new(stream::iter(questions));
    let answers = caller.introspect.stream_introspect(questions).await?.into_inner();
    read(world, replica, answers, &open).await?;
    let left = open.lock().unwrap().len();
    if left > 0 {
        world.tally.violation(format!("a stream ended well with {left} questions open"));
    }
    Ok(())
}

/// A stream that goes on until it is over or broken: then there is another.
pub(crate) async fn lasting(world: Arc<World>, replica: usize, seed: u64, over: CancellationToken) {
    let mut random = Random::new(seed);
    let mut interval = tokio::time::interval(INTERVAL);
    while !over.is_cancelled() {
        interval.tick().await;
        let Some(mut caller) = world.cluster.caller(replica) else { continue };
        let open = Open::default();
        let (of_world, of_open) = (Arc::clone(&world), Arc::clone(&open));
        let over = over.clone();
        let state = (Random::new(random.next()), tokio::time::interval(INTERVAL), 0);
        let questions = stream::unfold(state, move |(mut random, mut interval, id)| {
            let (world, open, over) = (Arc::clone(&of_world), Arc::clone(&of_open), over.clone());
            async move {
                interval.tick().await;
                let is_over = over.is_cancelled();
                (!is_over)
                    .then(|| (next(&world, &mut random, &open, id), (random, interval, id + 1)))
            }
        });
        let code = match caller.introspect.stream_introspect(Request::new(questions)).await {
            Ok(answers) => read(&world, replica, answers.into_inner(), &open).await,
            Err(status) => Err(status),
        };
        world.book.note("StreamIntrospect, lasting", &world.code(code), None);
    }
}

async fn read(
    world: &World,
    replica: usize,
    mut answers: tonic::Streaming<proto::StreamIntrospectResponse>,
    open: &Open,
) -> Result<(), Status> {
    while let Some(answer) = answers.message().await? {
        let asked = open.lock().unwrap().remove(&answer.id);
        let Some(asked) = asked else {
            world.tally.violation(format!("an answer to no question: {answer:?}"));
            continue;
        };
        match answer.outcome {
            Some(Outcome::Response(answer)) => {
                asked.answered(&world.tally, replica, &answer);
            }
            Some(Outcome::Error(error)) if ERRORS.contains(&Code::from_i32(error.code)) => {}
            other => world.tally.violation(format!("answered in a stream: {other:?}")),
        }
    }
    Ok(())
}

/// A secret that is none: a character of one is another.
pub(crate) async fn garbage(
    world: &World,
    mut caller: Caller,
    random: &mut Random,
) -> Result<(), Status> {
    let (_, secret) = pick(world, random);
    let mut text = secret.text.clone();
    let last = text.pop();
    text.push(if last == Some('0') { '1' } else { '0' });
    let request = proto::IntrospectRequest { secret: text, ..Default::default() };
    let answer = caller.introspect.introspect(request).await?.into_inner();
    if answer.reason() != DenyReason::InvalidKey || answer.active {
        world.tally.violation(format!("a secret that is none was answered {answer:?}"));
    }
    Ok(())
}

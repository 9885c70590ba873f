//! Who takes all the time there is: messages that never come or come byte by byte, and answers that
//! are not read or are read byte by byte (CVE-2019-9511, CVE-2019-9517).

use keyward::proto::{
    BatchIntrospectRequest, IntrospectRequest, IntrospectView, StreamIntrospectRequest,
};
use prost::Message as _;

use crate::{
    hpack::Head,
    paths::calls,
    stage::{Bounds, Ended, LEFT_OF_MUCH_MAX, Stage, Target, note},
    wire::{
        Abuser, CANCEL, DATA, END_STREAM, WINDOW_UPDATE, call, frame, framed, headers, settings,
    },
};

/// SETTINGS_INITIAL_WINDOW_SIZE.
const WINDOW: u16 = 4;
/// Connections of an abuser.
const CONNECTIONS: usize = 30;
/// Calls that each opens: as many as it is granted at the least.
const CALLS: usize = 16;
/// Connections that leave checks of health open: more checks than the server takes at once.
const CHECKING: usize = 90;

/// Thousands of calls whose message never comes, by callers and by strangers.
pub(crate) async fn without_message(target: Target, connections: usize) -> (Ended, Vec<Abuser>) {
    let mut ended = Ended::new();
    let mut open = Vec::new();
    let calls = calls(&target.secret);
    for number in 0..connections {
        let mut abuser = Abuser::connect(target.address).await;
        let is_known = number % 2 == 0;
        for turn in 0..CALLS {
            // Of checks there is a test of their own.
            let (path, body) = &calls[turn % 4];
            let secret = if is_known { &target.secret } else { "keyward_x" };
            let stream = abuser.stream();
            abuser.send(&headers(stream, 0, &Head::call(path, secret).block())).await;
            if turn % 3 == 0 {
                abuser.send(&frame(DATA, 0, stream, &body[..turn % 5])).await;
            }
        }
        let heard = abuser.seen().await;
        assert_eq!(heard.end(), None, "{heard:?}");
        note(&mut ended, if is_known { "kept open" } else { "refused" });
        open.push(abuser);
    }
    (ended, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_message_take_nobodys_place() {
    let stage = Stage::new(&[("server.deadline_max_ms", "10000")]).await;
    let target = stage.target();
    let abuse = async || {
        let (mut ended, open) = without_message(target, CONNECTIONS).await;
        // At their deadline they end; those of strangers were refused before.
        for (number, mut abuser) in open.into_iter().enumerate() {
            let heard = abuser
                .until(|heard| {
                    heard.calls.values().filter(|call| call.is_over()).count() >= CALLS - 4
                })
                .await;
            let of_strangers = heard.calls.values().filter(|call| call.grpc == Some(16)).count();
            assert_eq!(of_strangers, if number % 2 == 0 { 0 } else { CALLS }, "{heard:?}");
            let exceeded = heard.calls.values().filter(|call| call.grpc == Some(4)).count();
            *ended.entry("grpc-status 4".into()).or_default() += exceeded;
            *ended.entry("grpc-status 16".into()).or_default() += of_strangers;
        }
        ended
    };
    stage.abused("calls without a message", Bounds::USUAL, abuse).await;
}

/// Checks of health whose message never comes, or whose answer nobody takes.
pub(crate) async fn checks(target: Target) -> (Ended, Vec<Abuser>) {
    let mut ended = Ended::new();
    let mut open = Vec::new();
    let (path, body) = calls(&target.secret)[4].clone();
    let head = Head::call(path, "").without("authorization");
    for number in 0..CHECKING {
        let mut abuser = Abuser::with(target.address, &[(WINDOW, 0)]).await;
        for _ in 0..CALLS {
            let stream = abuser.stream();
            let frames = match number % 2 {
                0 => headers(stream, 0, &head.block()),
                _ => call(stream, &head, &body),
            };
            abuser.send(&frames).await;
        }
        abuser.seen().await;
        note(&mut ended, if number % 2 == 0 { "without a message" } else { "unread" });
        open.push(abuser);
    }
    (ended, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_that_strangers_leave_open_keep_nobody_from_asking_for_health() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    let abuse = async || {
        let (ended, _open) = checks(target.clone()).await;
        // While all of them are open.
        for _ in 0..100 {
            let mut other = Abuser::connect(target.address).await;
            let (path, body) = calls("")[4].clone();
            let head = Head::call(path, "").without("authorization");
            let (answer, heard) = other.ask(&head, &body).await;
            assert_eq!(answer.grpc, Some(0), "{heard:?}");
        }
        ended
    };
    stage
        .abused("checks left open", Bounds { left: LEFT_OF_MUCH_MAX, ..Bounds::USUAL }, abuse)
        .await;
}

/// Bodies and answers byte by byte, each byte when the one before was seen.
pub(crate) async fn byte_by_byte(target: Target) -> Ended {
    let mut ended = Ended::new();
    for (path, body) in calls(&target.secret) {
        let mut abuser = Abuser::with(target.address, &[(WINDOW, 0)]).await;
        let stream = abuser.stream();
        abuser.send(&headers(stream, 0, &Head::call(path, &target.secret).block())).await;
        for (place, byte) in body.iter().enumerate() {
            let end = if place + 1 == body.len() { END_STREAM } else { 0 };
            abuser.send(&frame(DATA, end, stream, &[*byte])).await;
            abuser.seen().await;
        }
        // What comes of the answer is what it takes of it.
        let mut taken = 0;
        loop {
            let heard = abuser
                .until(|heard| heard.of(stream).is_over() || heard.of(stream).bytes >= taken)
                .await;
            if heard.of(stream).is_over() {
                assert_eq!(heard.of(stream).grpc, Some(0), "{path}: {heard:?}");
                break;
            }
            assert_eq!(heard.of(stream).bytes, taken, "no more than was asked for");
            taken += 1;
            abuser.send(&frame(WINDOW_UPDATE, 0, stream, &1_u32.to_be_bytes())).await;
            abuser.seen().await;
        }
        note(&mut ended, "served");
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_byte_by_byte_is_served_and_holds_up_nobody_else() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("byte by byte", Bounds::USUAL, || byte_by_byte(target)).await;
}

/// A question whose answer says all there is to say.
fn detailed(secret: &str) -> IntrospectRequest {
    let view = IntrospectView::Full.into();
    IntrospectRequest { secret: secret.to_owned(), view, ..Default::default() }
}

/// Large answers that nobody takes, or of whose window somebody makes a toy.
pub(crate) async fn unread(target: Target) -> (Ended, Vec<Abuser>) {
    let mut ended = Ended::new();
    let mut open = Vec::new();
    let batch = BatchIntrospectRequest { requests: vec![detailed(&target.secret); 100] };
    let body = framed(&batch.encode_to_vec());
    let head = Head::call("/keyward.v1.Introspect/BatchIntrospect", &target.secret);
    for number in 0..CONNECTIONS {
        let mut abuser = Abuser::with(target.address, &[(WINDOW, 0)]).await;
        for _ in 0..CALLS {
            let stream = abuser.stream();
            abuser.send(&call(stream, &head, &body)).await;
        }
        if number % 3 == 0 {
            // Wide open and shut again, with all of them under way.
            let toy = [settings(&[(WINDOW, 1_000)]), settings(&[(WINDOW, 0)])].concat();
            abuser.send(&toy.repeat(200)).await;
        }
        abuser.seen().await;
        note(&mut ended, "left unread");
        open.push(abuser);
    }
    (ended, open)
}

/// Answers to 480 batches of 100 keys, some 100 kB each, which are there before anybody takes them.
const UNREAD_MAX: u64 = 96 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_are_cut_off_and_bounded() {
    let stage = Stage::new(&[("server.deadline_max_ms", "10000")]).await;
    let target = stage.target();
    let abuse = async || {
        let (mut ended, open) = unread(target).await;
        for mut abuser in open {
            let heard =
                abuser.until(|heard| heard.calls.values().all(super::wire::Answer::is_over)).await;
            let cut = heard.calls.values().filter(|call| call.reset.is_some()).count();
            assert_eq!(cut, CALLS, "{heard:?}");
            *ended.entry(format!("RST_STREAM {CANCEL}")).or_default() += cut;
        }
        ended
    };
    let bounds = Bounds { memory: UNREAD_MAX, left: LEFT_OF_MUCH_MAX };
    stage.abused("unread answers", bounds, abuse).await;
}

/// Streams of questions whose answers nobody takes.
pub(crate) async fn streams(target: Target) -> (Ended, Vec<Abuser>) {
    let mut ended = Ended::new();
    let mut open = Vec::new();
    let question = StreamIntrospectRequest { id: 1, request: Some(detailed(&target.secret)) };
    let question = framed(&question.encode_to_vec());
    let head = Head::call("/keyward.v1.Introspect/StreamIntrospect", &target.secret).block();
    // All that the windows of a stream and of a connection let in.
    let questions = question.repeat(16_000 / question.len());
    for _ in 0..10 {
        let mut abuser = Abuser::with(target.address, &[(WINDOW, 0)]).await;
        for _ in 0..10 {
            let stream = abuser.stream();
            abuser.send(&headers(stream, 0, &head)).await;
            abuser.send(&frame(DATA, 0, stream, &questions).repeat(20)).await;
        }
        let heard = abuser.seen().await;
        assert_eq!(heard.end(), None, "{heard:?}");
        assert!(heard.calls.values().all(|call| call.bytes == 0), "{heard:?}");
        note(&mut ended, "held back");
        open.push(abuser);
    }
    (ended, open)
}

/// 32 MB that a window lets in, of all of them, and answers that wait to be taken.
const STREAMS: Bounds = Bounds { memory: 96 << 20, left: LEFT_OF_MUCH_MAX };

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_answers_nobody_takes_is_not_read_on() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    let abuse = async || streams(target).await.0;
    stage.abused("unread streams", STREAMS, abuse).await;
}

/// Clients that read nothing, and questions of each whose answers are more than systems keep for a connection: some 10 KB
/// each.
const DEAF: usize = 5;
const QUESTIONS: usize = 4_000;

/// Reflection is open to everybody, and its streams have no deadline.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_off_the_line_at_all_is_hung_up_on() {
    let stage = Stage::new(&[
        ("server.max_connection_age_ms", "0"),
        ("server.keepalive_interval_ms", "3000"),
        ("server.keepalive_timeout_ms", "3000"),
    ])
    .await;
    let target = stage.target();
    // Field 4 is `file_containing_symbol`.
    let symbol = b"keyward.v1.KeyAdmin";
    let length = u8::try_from(symbol.len()).unwrap();
    let questions = framed(&[&[0x22, length], &symbol[..]].concat()).repeat(QUESTIONS);
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let ask = call(3, &Head::call(path, "").without("authorization"), &questions);
    let abuse = async || {
        let mut ended = Ended::new();
        let mut deaf = Vec::new();
        for _ in 0..DEAF {
            let mut abuser = Abuser::with(target.address, &[(WINDOW, 0x7fff_ffff)]).await;
            abuser.turn_deaf();
            let room = frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes());
            abuser.send(&[room, ask.clone()].concat()).await;
            deaf.push(abuser);
        }
        // That the server hangs up shows in its descriptors: who reads nothing is told nothing.
        stage.hung_up().await;
        *ended.entry("hung up on".into()).or_default() += deaf.len();
        ended
    };
    stage.abused("deaf clients", Bounds::USUAL, abuse).await;
}

//! Frames that cost their sender nothing: by the ten thousand, and read back or not.

use crate::{
    hpack::Head,
    paths::calls,
    stage::{Bounds, Ended, Stage, Target, note},
    wire::{
        Abuser, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
        FRAME_SIZE_ERROR, GO_AWAY, HEADERS, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
        REFUSED_STREAM, RESET, SETTINGS, WINDOW_UPDATE, call, frame, headers, reset, settings,
    },
};

/// Frames of a flood.
const FRAMES: usize = 30_000;
/// Calls that are opened and given up.
const RESETS: u32 = 5_000;
/// More calls than a connection may have reset by the server, and than it may have open.
const MANY: u32 = 2_000;
/// A type of frame that nobody knows.
const UNKNOWN: u8 = 0xfa;

fn closed(ended: &mut Ended, end: Option<u32>) {
    note(ended, end.map_or("closed".into(), |error| format!("GOAWAY {error}")));
}

/// Frames that a server must take, and answer or pass over: the connection goes on.
pub(crate) async fn idle(target: Target) -> Ended {
    let mut ended = Ended::new();
    let (path, body) = calls(&target.secret)[0].clone();
    for flood in [
        frame(PING, 0, 0, b"12345678"),
        settings(&[]),
        settings(&[(1, 0), (1, 4_096), (4, 0), (4, 65_535), (5, 16_384), (0xfafa, 7)]),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 255]),
        frame(UNKNOWN, 0xff, 0, &[0; 64]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
    ] {
        let mut abuser = Abuser::connect(target.address).await;
        abuser.send(&flood.repeat(FRAMES)).await;
        let heard = abuser.seen().await;
        assert_eq!(heard.end(), None, "{:?}: {:?}", &flood[..9], heard.away);
        let (answer, _) = abuser.ask(&Head::call(path, &target.secret), &body).await;
        assert_eq!(answer.grpc, Some(0));
        note(&mut ended, "served after");
    }
    ended
}

/// The same by whom reads none of the answers: the server reads no more of it either.
pub(crate) async fn unread(target: Target) -> Ended {
    let mut ended = Ended::new();
    for flood in [frame(PING, 0, 0, b"12345678"), settings(&[])] {
        let abuser = Abuser::connect(target.address).await;
        abuser.turn_deaf();
        let flood = flood.repeat(FRAMES);
        let mut sent = 0;
        // Until nothing fits for as long as others are answered many times.
        let mut full = 0;
        while full < 20 && sent < 1 << 28 {
            match abuser.send_what_fits(&flood) {
                0 => {
                    full += 1;
                    let mut other = Abuser::connect(target.address).await;
                    other.seen().await;
                }
                count => (sent, full) = (sent + count, 0),
            }
        }
        assert_eq!(full, 20, "it takes {sent} bytes, and more, of who reads nothing");
        note(&mut ended, "not read on");
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_frames_that_say_nothing_keeps_nobody_else_waiting() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("idle frames", Bounds::USUAL, || idle(target)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_no_answers_to_a_flood_is_not_read_either() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("unread floods", Bounds::USUAL, || unread(target)).await;
}

/// Frames of a call that bring nothing on.
async fn empty(target: Target) -> Ended {
    let mut ended = Ended::new();
    for (path, body) in calls(&target.secret) {
        for part in [frame(DATA, 0, 1, b""), frame(DATA, 8, 1, &[3, 0, 0, 0])] {
            let mut abuser = Abuser::connect(target.address).await;
            let block = Head::call(path, &target.secret).block();
            abuser.send(&headers(1, 0, &block)).await;
            abuser.send(&frame(DATA, 0, 1, &body[..3])).await;
            abuser.send(&part.repeat(FRAMES)).await;
            let end = abuser.closed().await;
            assert!(matches!(end, None | Some(ENHANCE_YOUR_CALM)), "{path}: {end:?}");
            closed(&mut ended, end);
        }
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_empty_parts_of_a_message_ends_its_connection() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("empty DATA", Bounds::USUAL, || empty(target)).await;
}

/// Calls opened and given up at once (CVE-2023-44487), with and without a message.
pub(crate) async fn given_up(target: Target) -> Ended {
    let mut ended = Ended::new();
    for (path, body) in calls(&target.secret) {
        let head = Head::call(path, &target.secret);
        for body in [None, Some(&body)] {
            let mut abuser = Abuser::connect(target.address).await;
            let flood = (0..RESETS).flat_map(|number| {
                let stream = 2 * number + 1;
                let opened = match body {
                    Some(body) => call(stream, &head, body),
                    None => headers(stream, 0, &head.block()),
                };
                [opened, reset(stream)].concat()
            });
            abuser.send(&flood.collect::<Vec<_>>()).await;
            let end = abuser.seen().await.end();
            // Either it was faster than all of them, or it has had enough.
            assert!(matches!(end, None | Some(None | Some(ENHANCE_YOUR_CALM))), "{end:?}");
            match end {
                Some(end) => closed(&mut ended, end),
                None => note(&mut ended, "kept up with"),
            }
        }
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_opened_and_given_up_without_a_pause_harm_nobody_else() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("rapid resets", Bounds::USUAL, || given_up(target)).await;
}

/// Connections that are ended as a flood, one after the other.
const ENDED: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn however_many_connections_end_as_floods_the_log_stays_short() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.address;
    let block = Head::call("/x", "").without("authorization").block();
    let flood = (0..MANY).flat_map(|number| {
        let stream = 2 * number + 1;
        [headers(stream, 0, &block), reset(stream)].concat()
    });
    let flood = flood.collect::<Vec<_>>();
    let abuse = async || {
        let mut ended = Ended::new();
        for _ in 0..ENDED {
            let mut abuser = Abuser::connect(address).await;
            abuser.send(&flood).await;
            closed(&mut ended, abuser.closed().await);
        }
        ended
    };
    stage.abused("a hundred floods", Bounds::USUAL, abuse).await;
}

/// Calls that the server itself must reset, for what its client sends after them (CVE-2025-8671).
pub(crate) async fn made_to_reset(target: Target) -> Ended {
    let mut ended = Ended::new();
    for (path, body) in calls(&target.secret) {
        let head = Head::call(path, &target.secret);
        let provokes: [fn(u32) -> Vec<u8>; 5] = [
            |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]),
            |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]),
            |stream| frame(DATA, 0, stream, b"more"),
            |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x83]),
            |stream| frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[1]].concat()),
        ];
        for provoke in provokes {
            let mut abuser = Abuser::connect(target.address).await;
            let flood = (0..MANY).flat_map(|number| {
                let stream = 2 * number + 1;
                [call(stream, &head, &body), provoke(stream)].concat()
            });
            abuser.send(&flood.collect::<Vec<_>>()).await;
            let end = abuser.seen().await.end();
            assert!(end.is_some(), "{path}: the connection goes on");
            closed(&mut ended, end.unwrap());
        }
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_calls_the_server_must_reset_is_ended() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("provoked resets", Bounds::USUAL, || made_to_reset(target)).await;
}

/// More calls at once than were granted.
pub(crate) async fn too_many(target: Target) -> Ended {
    let mut ended = Ended::new();
    for (path, _) in calls(&target.secret) {
        let block = Head::call(path, &target.secret).block();
        let mut abuser = Abuser::connect(target.address).await;
        let opened = |count: u32| {
            (0..count).flat_map(|number| headers(2 * number + 1, 0, &block)).collect::<Vec<_>>()
        };
        abuser.send(&opened(200)).await;
        let heard = abuser.seen().await;
        let refused =
            heard.calls.values().filter(|call| call.reset == Some(REFUSED_STREAM)).count();
        assert!(refused >= 100, "{path}: {refused} of 200");
        note(&mut ended, "RST_STREAM 7");
        // Who goes on all the same is hung up on.
        let mut abuser = Abuser::connect(target.address).await;
        abuser.send(&opened(MANY)).await;
        let end = abuser.seen().await.end();
        assert!(matches!(end, Some(None | Some(ENHANCE_YOUR_CALM))), "{path}: {end:?}");
        closed(&mut ended, end.unwrap());
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_were_granted_are_refused_and_far_more_end_the_connection() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("too many streams", Bounds::USUAL, || too_many(target)).await;
}

/// Frames that break the rules of a connection.
pub(crate) async fn unlawful(target: Target) -> Ended {
    let mut ended = Ended::new();
    let (path, body) = calls(&target.secret)[0].clone();
    let head = Head::call(path, &target.secret);
    let good = head.block();
    let protocol: &[u32] = &[PROTOCOL_ERROR];
    let size: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];
    for (frames, errors) in [
        // Of no call, of a server's, and of one that is over or was passed over.
        (frame(DATA, 0, 0, b"x"), protocol),
        (frame(DATA, 0, 7, b"x"), protocol),
        (headers(0, END_STREAM, &good), protocol),
        (headers(2, END_STREAM, &good), protocol),
        ([call(5, &head, &body), headers(3, 0, &good)].concat(), &[PROTOCOL_ERROR, 5]),
        (frame(RESET, 0, 0, &[0; 4]), protocol),
        (frame(RESET, 0, 9, &[0; 4]), protocol),
        (frame(PRIORITY, 0, 0, &[0; 5]), protocol),
        (frame(WINDOW_UPDATE, 0, 9, &[0, 0, 0, 1]), protocol),
        // Where none may be.
        (frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]), protocol),
        (frame(CONTINUATION, END_HEADERS, 1, &good), protocol),
        ([frame(HEADERS, 0, 1, &good[..9]), frame(PING, 0, 0, &[0; 8])].concat(), protocol),
        (
            [frame(HEADERS, 0, 1, &good[..9]), frame(CONTINUATION, 4, 3, &good[9..])].concat(),
            protocol,
        ),
        (frame(SETTINGS, 1, 0, &[]), protocol),
        // Of a length that none has.
        (frame(PING, 0, 0, &[0; 7]), size),
        (frame(SETTINGS, 0, 0, &[0; 5]), size),
        (frame(SETTINGS, 1, 0, &[0; 6]), size),
        (frame(RESET, 0, 1, &[0; 5]), size),
        (frame(PRIORITY, 0, 1, &[0; 4]), size),
        (frame(WINDOW_UPDATE, 0, 0, &[0; 3]), size),
        (frame(GO_AWAY, 0, 0, &[0; 7]), size),
        (frame(DATA, 0, 1, &vec![0; 16_385]), size),
        (b"\xff\xff\xff\x00\x00\0\0\0\x01".to_vec(), size),
        ([headers(1, 0, &good), frame(DATA, 8, 1, &[9, 0])].concat(), protocol),
        (frame(HEADERS, END_HEADERS | 8, 1, &[255, 0x83]), protocol),
        // Values that none may have.
        (settings(&[(2, 2)]), protocol),
        (settings(&[(4, 1 << 31)]), &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]),
        (settings(&[(5, 1)]), protocol),
        (settings(&[(5, 1 << 24)]), protocol),
        (frame(WINDOW_UPDATE, 0, 0, &[0; 4]), protocol),
        (frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]), &[FLOW_CONTROL_ERROR]),
        (
            [
                headers(1, 0, &good),
                frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0, 0, 0]),
                settings(&[(4, 0x7fff_ffff)]),
            ]
            .concat(),
            &[FLOW_CONTROL_ERROR],
        ),
        // Bytes that are no head.
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 40]), &[PROTOCOL_ERROR, 9]),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x80]), &[PROTOCOL_ERROR, 9]),
    ] {
        let mut abuser = Abuser::connect(target.address).await;
        abuser.send(&frames).await;
        let end = abuser.closed().await;
        let shown = &frames[..frames.len().min(24)];
        assert!(end.is_none_or(|end| errors.contains(&end)), "{shown:?}: {end:?}");
        closed(&mut ended, end);
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_no_client_may_send_end_the_connection() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("unlawful frames", Bounds::USUAL, || unlawful(target)).await;
}

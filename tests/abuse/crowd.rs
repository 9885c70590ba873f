//! Connections that never become one, break, or come by the thousand, and what is said before the
//! preface.

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    hpack::Head,
    paths::calls,
    stage::{Bounds, Ended, LEFT_OF_MUCH_MAX, Stage, Target, note},
    wire::{
        ACK, Abuser, DATA, END_STREAM, FRAME_MAX, PREFACE, SETTINGS, call, frame, headers, hello,
    },
};

/// Connections that are left half open at once, unless this process may have fewer, and bytes that each may cost.
const HALF_OPEN: usize = 2_000;
const HALF_OPEN_MAX: u64 = 64 << 10;
/// Connections that come one after the other.
const IN_A_ROW: usize = 10_000;
/// They come faster than they are looked at: those that wait for that cost as much as others that have not begun.
const IN_A_ROW_MAX: u64 = 384 << 20;
/// What is kept of that, which is less the faster they are looked at: 62 MiB at the most. A connection that stayed for
/// good would cost more than this for each.
const IN_A_ROW_LEFT_MAX: u64 = (16 << 10) * IN_A_ROW as u64;
/// Descriptors that are kept for all else.
const SPARE: usize = 200;

/// How many connections this process, and the server beside it, may have open.
fn possible(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let most = line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX);
    wanted.min(most.saturating_sub(SPARE) / 2)
}

fn closed(ended: &mut Ended, end: Option<u32>) {
    note(ended, end.map_or("closed".into(), |error| format!("GOAWAY {error}")));
}

/// A connection that says as much as this of a beginning.
async fn half_open(target: &Target, number: usize) -> Abuser {
    let mut abuser = Abuser::silent(target.address).await;
    let said: &[u8] = match number % 4 {
        0 => b"",
        1 => &PREFACE[..1],
        2 => &PREFACE[..23],
        // The first bytes of a hello of TLS 1.3.
        _ => &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
    };
    abuser.send(said).await;
    abuser
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_that_never_begin_are_hung_up_on_in_time() {
    let stage = Stage::new(&[("server.handshake_timeout_ms", "1500")]).await;
    let target = stage.target();
    let bounds =
        Bounds { memory: HALF_OPEN_MAX * possible(HALF_OPEN) as u64, left: LEFT_OF_MUCH_MAX };
    let abuse = async || {
        let mut ended = Ended::new();
        let mut open = Vec::new();
        for number in 0..possible(HALF_OPEN) {
            open.push(half_open(&target, number).await);
        }
        for mut abuser in open {
            closed(&mut ended, abuser.closed().await);
        }
        ended
    };
    stage.abused("half-open connections", bounds, abuse).await;
}

/// Fewer places than there are that never begin.
const PLACES: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn those_who_never_begin_keep_nobody_out() {
    let settings = [("server.max_connections", "64"), ("server.handshake_timeout_ms", "3600000")];
    let stage = Stage::new(&settings).await;
    let target = stage.target();
    let abuse = async || {
        let mut ended = Ended::new();
        let mut open = Vec::new();
        for number in 0..4 * PLACES {
            // None is a TLS hello, which ends itself.
            open.push(half_open(&target, number % 3).await);
        }
        // While all places are theirs somebody comes who has something to say.
        let (path, body) = calls(&target.secret)[0].clone();
        for _ in 0..PLACES / 2 {
            let mut other = Abuser::connect(target.address).await;
            let (answer, heard) = other.ask(&Head::call(path, &target.secret), &body).await;
            assert_eq!(answer.grpc, Some(0), "{heard:?}");
            note(&mut ended, "others served");
        }
        ended
    };
    stage.abused("places held by the half-open", Bounds::USUAL, abuse).await;
}

/// What is no preface, whatever comes after it.
pub(crate) async fn garbage(target: Target) -> Ended {
    let mut ended = Ended::new();
    let mut noise: u64 = 7;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (noise >> 56) as u8
    })
    .take(100_000)
    .collect();
    let post = |more: &str| format!("POST / HTTP/1.1\r\nhost: test\r\n{more}\r\n").into_bytes();
    let said: [Vec<u8>; 14] = [
        b"GET / HTTP/1.1\r\nhost: test\r\n\r\n".to_vec(),
        b"GET /healthz HTTP/1.0\r\n\r\n\r\n\r\n\r\n\r\n".to_vec(),
        post("content-type: application/grpc-web\r\ncontent-length: 5\r\n"),
        post("connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"),
        post(&"x: y\r\n".repeat(10_000)),
        [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &noise[..512]].concat(),
        [b"\x16\x03\x01\x00\x05", &[0; 64][..]].concat(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r".to_vec(),
        b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n".to_vec(),
        b"pri * http/2.0\r\n\r\nsm\r\n\r\n".to_vec(),
        [&b"\r\n"[..], &hello(&[])].concat(),
        [&b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n"[..], &hello(&[])].concat(),
        noise,
        vec![0; 100_000],
    ];
    for _ in 0..20 {
        for said in &said {
            let mut abuser = Abuser::silent(target.address).await;
            abuser.send(said).await;
            let heard = abuser.until(|_| false).await;
            assert!(heard.calls.is_empty() && heard.settings.is_empty(), "{heard:?}");
            closed(&mut ended, heard.end().unwrap());
        }
    }
    // A preface after which no frame of HTTP/2 comes.
    for said in [b"GET / HTTP/1.1\r\n\r\n".repeat(40), vec![0xff; 64]] {
        let mut abuser = Abuser::silent(target.address).await;
        abuser.send(&[PREFACE, &said].concat()).await;
        closed(&mut ended, abuser.closed().await);
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http2_is_hung_up_on_and_told_nothing() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("garbage", Bounds::USUAL, || garbage(target)).await;
}

/// Connections that begin in any pieces, are half closed, or break with calls in flight.
pub(crate) async fn broken(target: Target) -> Ended {
    let mut ended = Ended::new();
    for (path, body) in calls(&target.secret) {
        let head = Head::call(path, &target.secret);
        let whole = [hello(&[]), call(1, &head, &body)].concat();
        // One byte at a time: it is served when all of them are here.
        let mut slow = Abuser::silent(target.address).await;
        for byte in &whole {
            slow.send(&[*byte]).await;
        }
        let heard = slow.until(|heard| heard.of(1).is_over()).await;
        assert_eq!(heard.of(1).grpc, Some(0), "{path}: {heard:?}");
        note(&mut ended, "served");
        // Who has said all still gets its answer.
        let mut half = Abuser::silent(target.address).await;
        half.send(&whole).await;
        half.end().await;
        let heard = half.until(|_| false).await;
        assert!(matches!(heard.of(1).grpc, Some(0) | None), "{path}: {heard:?}");
        note(&mut ended, if heard.of(1).grpc.is_some() { "served" } else { "closed" });
        for cut in (0..whole.len()).step_by(7) {
            for is_broken in [false, true] {
                let mut abuser = Abuser::silent(target.address).await;
                abuser.send(&whole[..cut]).await;
                match is_broken {
                    true => abuser.break_off(),
                    false => abuser.end().await,
                }
                note(&mut ended, "given up");
            }
        }
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_anywhere_leave_nothing_behind() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("broken connections", Bounds::USUAL, || broken(target)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_in_a_row_leave_nothing_behind() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    let hello = hello(&[]);
    let abuse = async || {
        let mut ended = Ended::new();
        for number in 0..IN_A_ROW {
            let mut stream = TcpStream::connect(target.address).await.unwrap();
            let said = [&b""[..], PREFACE, &hello][number % 3];
            let _ = stream.write_all(said).await;
            if number % 2 == 0 {
                stream.set_zero_linger().unwrap();
            }
            note(&mut ended, "given up");
        }
        ended
    };
    stage
        .abused(
            "10,000 connections in a row",
            Bounds { memory: IN_A_ROW_MAX, left: IN_A_ROW_LEFT_MAX },
            abuse,
        )
        .await;
}

/// Connections that do nothing, and bytes that each may cost: most is room to read and to write.
const IDLE: usize = 1_000;
const IDLE_MAX: u64 = 96 << 10;

/// Connections that are there and do nothing, but hold a call open: each in every front.
pub(crate) async fn idle(target: Target, connections: usize) -> (Ended, Vec<Abuser>) {
    let mut ended = Ended::new();
    let mut open = Vec::new();
    let block = Head::call("/keyward.v1.Introspect/Introspect", "keyward_x").block();
    for number in 0..connections {
        let mut abuser = Abuser::silent(target.address).await;
        // The first settings of some never come, and of some are never acknowledged.
        match number % 3 {
            0 => _ = abuser.send(PREFACE).await,
            1 => _ = abuser.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await,
            _ => {
                abuser.send(&hello(&[])).await;
                let stream = abuser.stream();
                abuser.send(&headers(stream, 0, &block)).await;
                abuser.send(&frame(DATA, END_STREAM, stream, &vec![0; FRAME_MAX])).await;
            }
        }
        note(&mut ended, "left idle");
        open.push(abuser);
    }
    (ended, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_that_do_nothing_are_pinged_and_hung_up_on() {
    let stage = Stage::new(&[
        ("server.keepalive_interval_ms", "6000"),
        ("server.keepalive_timeout_ms", "6000"),
    ])
    .await;
    let target = stage.target();
    let bounds = Bounds { memory: IDLE_MAX * possible(IDLE) as u64, left: LEFT_OF_MUCH_MAX };
    let abuse = async || {
        let (mut ended, open) = idle(target, possible(IDLE)).await;
        for mut abuser in open {
            closed(&mut ended, abuser.closed().await);
        }
        ended
    };
    stage.abused("idle connections", bounds, abuse).await;
}

/// An acknowledgement of settings that were never sent, over and over.
#[tokio::test(flavor = "multi_thread")]
async fn settings_that_were_never_sent_are_not_acknowledged_twice() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.address;
    let abuse = async || {
        let mut ended = Ended::new();
        for _ in 0..50 {
            let mut abuser = Abuser::connect(address).await;
            abuser.send(&frame(SETTINGS, ACK, 0, &[]).repeat(100)).await;
            closed(&mut ended, abuser.closed().await);
        }
        ended
    };
    stage.abused("settings acknowledged twice", Bounds::USUAL, abuse).await;
}

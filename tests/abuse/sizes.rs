//! Heads that are too large: by one header, by many, by frames without end (CVE-2024-27316), and by
//! what HPACK makes of a few bytes.

use crate::{
    hpack::{Head, number, text},
    paths::calls,
    stage::{Bounds, Ended, Stage, Target, note},
    wire::{
        Abuser, COMPRESSION_ERROR, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM,
        FRAME_MAX, HEADERS, PROTOCOL_ERROR, frame, headers,
    },
};

/// Connections of each kind, one after the other.
const TIMES: usize = 5;
/// Frames that go on, and on.
const FRAMES: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused_and_costs_no_memory() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("large heads", Bounds::USUAL, || large(target)).await;
}

async fn large(target: Target) -> Ended {
    let mut ended = Ended::new();
    let (path, body) = calls(&target.secret)[0].clone();
    let good = Head::call(path, &target.secret);
    let many = |count: usize, size: usize| {
        (0..count)
            .fold(good.clone(), |head, place| head.with(format!("x-{place}"), "x".repeat(size)))
    };
    // Within two times what is taken of one; more ends the connection.
    for head in [many(1, 17_000), many(300, 30), many(4_000, 0)] {
        let mut abuser = Abuser::connect(target.address).await;
        let (answer, heard) = abuser.ask(&head, &body).await;
        match heard.end() {
            Some(error) => {
                assert_eq!(error, Some(ENHANCE_YOUR_CALM), "{heard:?}");
                note(&mut ended, "GOAWAY 11");
            }
            None => {
                assert_eq!((answer.http, answer.bytes), (Some(431), 0), "{answer:?}");
                note(&mut ended, "HTTP 431");
                let (answer, _) = abuser.ask(&good, &body).await;
                assert_eq!(answer.grpc, Some(0), "the next is served");
            }
        }
    }
    for head in [many(1, 10_000_000), many(10_000, 1_000)] {
        let mut abuser = Abuser::connect(target.address).await;
        abuser.send(&headers(1, END_STREAM, &head.block())).await;
        assert!(matches!(
            abuser.closed().await,
            None | Some(ENHANCE_YOUR_CALM | COMPRESSION_ERROR)
        ));
        note(&mut ended, "closed");
    }
    ended
}

/// Frames of a head that has no end, each of these bytes.
pub(crate) async fn endless(target: Target) -> Ended {
    let mut ended = Ended::new();
    let header = Head::default().with("x", "y".repeat(100)).block();
    let full = header.repeat(FRAME_MAX / header.len());
    // A value of a gigabyte, of which there is always more to come.
    let mut gigabyte = vec![0];
    text(&mut gigabyte, b"x");
    number(&mut gigabyte, 0, 7, 1 << 30);
    let part = vec![b'x'; FRAME_MAX];
    for (first, more) in [
        (&b""[..], &b""[..]),
        (b"", &header[..1]),
        (b"", &header),
        (&full, &full),
        (&gigabyte, &part),
        (&gigabyte, b"x"),
    ] {
        for _ in 0..TIMES {
            let mut abuser = Abuser::connect(target.address).await;
            abuser.send(&frame(HEADERS, 0, 1, first)).await;
            let frames = frame(CONTINUATION, 0, 1, more).repeat(FRAMES);
            abuser.send(&frames).await;
            let end = abuser.closed().await;
            let errors = [ENHANCE_YOUR_CALM, COMPRESSION_ERROR, PROTOCOL_ERROR];
            assert!(end.is_none_or(|end| errors.contains(&end)), "{end:?}");
            note(&mut ended, end.map_or("closed".into(), |error| format!("GOAWAY {error}")));
        }
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_ends_its_connection() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    stage.abused("endless heads", Bounds::USUAL, || endless(target)).await;
}

/// Few bytes that say much: one large entry of the dictionary, over and over.
pub(crate) async fn bomb(target: Target) -> Ended {
    let mut ended = Ended::new();
    let block = Head::call("/x", &target.secret).block();
    for _ in 0..TIMES {
        let mut abuser = Abuser::connect(target.address).await;
        let mut bomb = block.clone();
        // To be put into the dictionary, whose first number is 62.
        bomb.push(0x40);
        text(&mut bomb, b"x");
        text(&mut bomb, &vec![b'y'; 4_000]);
        bomb.extend(vec![0x80 | 62; FRAME_MAX - bomb.len()]);
        abuser.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb)).await;
        let end = abuser.closed().await;
        assert!(matches!(end, None | Some(ENHANCE_YOUR_CALM)), "{end:?}");
        note(&mut ended, end.map_or("closed".into(), |error| format!("GOAWAY {error}")));
    }
    ended
}

/// The dictionary made small and large again, in each call and in one.
pub(crate) async fn resized(target: Target) -> Ended {
    let mut ended = Ended::new();
    let block = Head::call("/x", &target.secret).block();
    let resize = |to: usize| {
        let mut resize = Vec::new();
        number(&mut resize, 0x20, 5, to);
        resize
    };
    let mut abuser = Abuser::connect(target.address).await;
    for turn in 0..500 {
        let stream = abuser.stream();
        let sizes = if turn % 2 == 0 { [0, 4_096] } else { [4_096, 0] };
        let block = [resize(sizes[0]), resize(sizes[1]), block.clone()].concat();
        abuser.send(&headers(stream, END_STREAM, &block)).await;
        let heard = abuser.until(|heard| heard.of(stream).is_over()).await;
        assert_eq!(heard.of(stream).grpc, Some(12), "{heard:?}");
        note(&mut ended, "grpc-status 12");
    }
    // More than was ever granted; after a header; and as often as a frame holds.
    let often = [resize(0).repeat(FRAME_MAX - block.len()), block.clone()].concat();
    for (block, is_none) in
        [(resize(1 << 30), true), ([block.clone(), resize(0)].concat(), true), (often, false)]
    {
        let mut abuser = Abuser::connect(target.address).await;
        abuser.send(&headers(1, END_STREAM, &block)).await;
        let heard = abuser.until(|heard| heard.of(1).is_over()).await;
        assert_eq!(heard.is_closed, is_none, "{heard:?}");
        note(&mut ended, if heard.is_closed { "closed" } else { "grpc-status 12" });
    }
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dictionary_makes_no_more_of_a_head_than_is_taken_of_one() {
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    let abuse = async || {
        let mut ended = bomb(target.clone()).await;
        for (how, count) in resized(target).await {
            *ended.entry(how).or_default() += count;
        }
        ended
    };
    stage.abused("HPACK", Bounds::USUAL, abuse).await;
}

//! Messages that are not as long as they say, too long, or compressed.

use crate::{
    hpack::Head,
    paths::{calls, told},
    stage::{Bounds, Ended, Stage, note},
    wire::{Abuser, DATA, END_STREAM, FRAME_MAX, frame, headers},
};

/// The largest message.
const MESSAGE_MAX: usize = 4 << 20;
/// Questions of one batch, and bytes of each secret: as much as the window of a call lets in at once.
const SECRETS: usize = 100;
const SECRET: usize = 10_000;

const INVALID_ARGUMENT: u8 = 3;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;

/// A prefix that says so.
fn prefix(flag: u8, length: u32) -> Vec<u8> {
    [&[flag], &length.to_be_bytes()[..]].concat()
}

/// Bodies that hold no good message, and what is to come of them.
fn bodies(good: &[u8]) -> Vec<(Vec<u8>, u8)> {
    let message = &good[5..];
    let length = u32::try_from(message.len()).unwrap();
    let said = |length: u32| [&prefix(0, length)[..], message].concat();
    let most = u32::try_from(MESSAGE_MAX).unwrap();
    vec![
        (said(most + 1), RESOURCE_EXHAUSTED),
        (said(u32::MAX), RESOURCE_EXHAUSTED),
        (said(1 << 31), RESOURCE_EXHAUSTED),
        (said(most), INVALID_ARGUMENT),
        (said(length + 1), INVALID_ARGUMENT),
        (prefix(0, 0)[..3].to_vec(), INVALID_ARGUMENT),
        ([prefix(1, length), message.to_vec()].concat(), INVALID_ARGUMENT),
        ([prefix(2, length), message.to_vec()].concat(), INVALID_ARGUMENT),
        ([prefix(255, length), message.to_vec()].concat(), INVALID_ARGUMENT),
        ([prefix(0, 3), b"\xff\xff\xff".to_vec()].concat(), INVALID_ARGUMENT),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_none_is_its_callers_error_on_every_way() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.address;
    let abuse = async || {
        let mut ended = Ended::new();
        for (path, good) in calls(&stage.root) {
            let head = Head::call(path, &stage.root);
            let mut abuser = Abuser::connect(address).await;
            for (body, due) in bodies(&good) {
                let (answer, heard) = abuser.ask(&head, &body).await;
                assert_eq!(
                    answer.grpc,
                    Some(due),
                    "{path} {:?}: {heard:?}",
                    &body[..body.len().min(9)]
                );
                assert_eq!(answer.bytes, 0, "{path}: {answer:?}");
                note(&mut ended, told(answer));
            }
            // Zeros by the gigabyte, if anybody unpacked them: none is unpacked.
            let head = head.with("grpc-encoding", "gzip");
            let bomb = [prefix(1, 64), vec![0; 64]].concat();
            let (answer, _) = abuser.ask(&head, &bomb).await;
            assert_eq!(answer.grpc, Some(UNIMPLEMENTED), "{path}: {answer:?}");
            note(&mut ended, told(answer));
        }
        ended
    };
    stage.abused("odd messages", Bounds::USUAL, abuse).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_any_size_are_none_of_ours_and_the_largest_batch_is_bounded() {
    use keyward::proto::{BatchIntrospectRequest, IntrospectRequest};
    use prost::Message as _;

    let stage = Stage::new(&[]).await;
    let address = stage.serving.address;
    let (path, _) = calls(&stage.root)[1].clone();
    let batch = |secret: usize| {
        let secret = format!("{}{}", stage.root, "x".repeat(secret));
        let question = IntrospectRequest { secret, ..Default::default() };
        let batch = BatchIntrospectRequest { requests: vec![question; SECRETS] };
        crate::wire::framed(&batch.encode_to_vec())
    };
    let abuse = async || {
        let mut ended = Ended::new();
        let head = Head::call(path, &stage.root);
        for _ in 0..5 {
            let mut abuser = Abuser::connect(address).await;
            let (answer, heard) = abuser.ask(&head, &batch(SECRET)).await;
            assert_eq!(answer.grpc, Some(0), "{heard:?}");
            note(&mut ended, told(answer));
        }
        ended
    };
    stage.abused("batches of huge secrets", Bounds::USUAL, abuse).await;
}

/// Who is no caller has no message kept, whatever its size.
#[tokio::test(flavor = "multi_thread")]
async fn the_messages_of_strangers_are_not_kept() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.address;
    let abuse = async || {
        let mut ended = Ended::new();
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut abuser = Abuser::connect(address).await;
            for (path, _) in calls("").into_iter().take(4) {
                let head = Head::call(path, "keyward_x").block();
                let stream = abuser.stream();
                abuser.send(&headers(stream, 0, &head)).await;
                let mut body = prefix(0, u32::try_from(MESSAGE_MAX).unwrap());
                body.resize(FRAME_MAX, 0);
                let sent = (0..MESSAGE_MAX / FRAME_MAX).flat_map(|_| frame(DATA, 0, stream, &body));
                let sent = sent.collect::<Vec<_>>();
                // As much as its window lets it send.
                abuser.send(&sent[..60 * (FRAME_MAX + 9)]).await;
                let heard = abuser.until(|heard| heard.of(stream).is_over()).await;
                assert_eq!(heard.of(stream).grpc, Some(16), "{heard:?}");
                note(&mut ended, told(heard.of(stream)));
                abuser.send(&frame(DATA, END_STREAM, stream, b"")).await;
            }
            open.push(abuser);
        }
        ended
    };
    stage.abused("large messages of strangers", Bounds::USUAL, abuse).await;
}

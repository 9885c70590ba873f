//! Calls that their client gives up before the server has seen them.

use tonic::Code;

use crate::{
    frames::{ACK, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RESET, framed, head},
    support::{EMPTY_MESSAGE, Event, QUICK, WAIT, start},
};

/// All that a client may have open at once, a few times over.
const CALLS: u32 = 500;
/// CANCEL.
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
const ENHANCE_YOUR_CALM: u32 = 11;

/// As where a machine stood still for longer than its callers wait.
#[tokio::test]
async fn a_client_that_gives_up_all_its_calls_at_once_keeps_its_connection() {
    let server = start(|_| {}).await;
    let mut client = Frames::connect(server.address).await;
    let head = head(QUICK, &[]);
    let given_up = (0..CALLS).flat_map(|call| {
        let stream = 2 * call + 1;
        [
            framed(HEADERS, END_HEADERS, stream, &head),
            framed(DATA, END_STREAM, stream, EMPTY_MESSAGE),
            framed(RESET, 0, stream, &CANCEL),
        ]
        .concat()
    });
    client.write(&given_up.collect::<Vec<u8>>()).await;
    let stream = 2 * CALLS + 1;
    client.send(HEADERS, END_HEADERS, stream, &head).await;
    client.send(DATA, END_STREAM, stream, EMPTY_MESSAGE).await;
    client.until(HEADERS, END_STREAM, stream).await;
    client.send(PING, 0, 0, &[0; 8]).await;
    client.until(PING, ACK, 0).await;
}

/// What a client of ten streams may give up so: more is an attack (CVE-2023-44487).
#[tokio::test]
async fn a_client_that_opens_and_gives_up_ever_more_is_closed_as_a_flood() {
    let server = start(|settings| settings.max_concurrent_streams = 10).await;
    let mut client = Frames::connect(server.address).await;
    let head = head(QUICK, &[]);
    // In one piece each, that the server finds many at once.
    let flood = (0..20_000_u32).flat_map(|call| {
        let stream = 2 * call + 1;
        let given_up = framed(RESET, 0, stream, &CANCEL);
        [framed(HEADERS, END_HEADERS, stream, &head), given_up].concat()
    });
    let error = client.write_until_closed(&flood.collect::<Vec<u8>>()).await;
    assert_eq!(error, Some(ENHANCE_YOUR_CALM));
}

/// A call that waited for its turn so long that its client has left.
#[tokio::test]
async fn what_is_given_up_before_its_turn_comes_is_not_begun() {
    let mut server = start(|_| {}).await;
    let mut client = Frames::connect(server.address).await;
    let head = head(WAIT, &[]);
    for call in 0..20_u32 {
        let stream = 2 * call + 1;
        let given_up = [
            framed(HEADERS, END_HEADERS, stream, &head),
            framed(DATA, END_STREAM, stream, EMPTY_MESSAGE),
            framed(RESET, 0, stream, &CANCEL),
        ];
        client.write(&given_up.concat()).await;
        client.send(PING, 0, 0, &[0; 8]).await;
        client.until(PING, ACK, 0).await;
    }
    server.release.notify_one();
    assert_eq!(server.client().await.call(WAIT, EMPTY_MESSAGE).await.code(), Code::Ok);
    server.begun().await;
    assert_eq!(server.events.recv().await, Some(Event::Ended));
    assert!(server.events.try_recv().is_err(), "one that was given up was begun");
}

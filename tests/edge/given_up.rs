//! Calls that their client gives up before the server has seen them.

use crate::{
    frames::{ACK, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RESET, framed, head},
    support::{EMPTY_MESSAGE, QUICK, start},
};

/// All that a client may have open at once, a few times over.
const CALLS: u32 = 500;
/// CANCEL.
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

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

//! Calls that are answered before their message is here, frame by frame (RFC 9113).

use crate::frames::{ACK, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, head};
use crate::support::{EMPTY_MESSAGE, QUICK, start};

/// More than the calls of a connection that a server may reset for errors of its client.
const CALLS: u32 = 1_100;

#[tokio::test]
async fn a_call_whose_message_comes_after_its_answer_harms_no_other_of_its_connection() {
    let server = start(|_| {}).await;
    let mut client = Frames::connect(server.address).await;
    let head = head(QUICK, &[]);
    for call in 0..CALLS {
        let stream = 2 * call + 1;
        client.send(HEADERS, END_HEADERS, stream, &head).await;
        client.until(HEADERS, END_STREAM, stream).await;
        client.send(DATA, END_STREAM, stream, EMPTY_MESSAGE).await;
    }
    client.send(PING, 0, 0, &[0; 8]).await;
    client.until(PING, ACK, 0).await;
}

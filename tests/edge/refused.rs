//! Calls that are answered before their message is here, frame by frame (RFC 9113).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{EMPTY_MESSAGE, LONG, QUICK, start};

/// More than the calls of a connection that a server may reset for errors of its client.
const CALLS: u32 = 1_100;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The head of a well-formed request to [`QUICK`], as HPACK writes it without its dictionary (RFC 7541).
fn head() -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // POST and http stand in the table, as the names of the others: 4 path, 1 authority, 31 content-type.
    [
        &[0x83, 0x86, 4][..],
        &text(QUICK),
        &[1],
        &text("test"),
        &[0x0f, 16],
        &text("application/grpc"),
    ]
    .concat()
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

/// A client that says when each frame is sent.
struct Frames(TcpStream);

impl Frames {
    async fn connect(address: SocketAddr) -> Self {
        let mut frames = Self(TcpStream::connect(address).await.unwrap());
        frames.0.set_nodelay(true).unwrap();
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame).await.unwrap();
    }

    async fn receive(&mut self) -> Frame {
        let mut head = [0; 9];
        tokio::time::timeout(LONG, self.0.read_exact(&mut head)).await.unwrap().unwrap();
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.unwrap();
        assert_ne!(kind, GOAWAY, "{}", String::from_utf8_lossy(&payload));
        Frame { kind, flags, stream: u32::from_be_bytes(stream) }
    }

    /// Reads until a frame of this kind and stream.
    async fn until(&mut self, kind: u8, flags: u8, stream: u32) {
        loop {
            let frame = self.receive().await;
            assert_ne!(frame.kind, RESET, "of stream {}", frame.stream);
            if frame.kind == kind && frame.flags & flags == flags && frame.stream == stream {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_call_whose_message_comes_after_its_answer_harms_no_other_of_its_connection() {
    let server = start(|_| {}).await;
    let mut client = Frames::connect(server.address).await;
    let head = head();
    for call in 0..CALLS {
        let stream = 2 * call + 1;
        client.send(HEADERS, END_HEADERS, stream, &head).await;
        client.until(HEADERS, END_STREAM, stream).await;
        client.send(DATA, END_STREAM, stream, EMPTY_MESSAGE).await;
    }
    client.send(PING, 0, 0, &[0; 8]).await;
    client.until(PING, ACK, 0).await;
}

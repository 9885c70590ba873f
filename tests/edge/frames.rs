//! A client of HTTP/2 that says when each frame is sent (RFC 9113).

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Far more than anything here takes: a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(60);

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// SETTINGS_INITIAL_WINDOW_SIZE.
const INITIAL_WINDOW: u8 = 4;

/// The head of a well-formed request to `path`, as HPACK writes it without its dictionary
/// (RFC 7541).
pub(crate) fn head(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 127, "longer ones are written otherwise");
        [&[length], text.as_bytes()].concat()
    };
    // POST and http stand in the table, as the names of the others: 4 path, 1 authority,
    // 31 content-type.
    let mut head = [
        &[0x83, 0x86, 4][..],
        &text(path),
        &[1],
        &text("test"),
        &[0x0f, 16],
        &text("application/grpc"),
    ]
    .concat();
    for (name, value) in headers {
        head.extend([&[0][..], &text(name), &text(value)].concat());
    }
    head
}

pub(crate) fn framed(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Bytes 4 to 7 are the error; 0 is the end of the server.
    fn is_error(&self) -> bool {
        self.kind == GOAWAY && self.payload.get(4..8) != Some(&[0; 4])
    }
}

pub(crate) struct Frames(TcpStream);

impl Frames {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::with(address, &[]).await
    }

    /// One that takes so many bytes of each answer, and then no more.
    pub(crate) async fn reading(address: SocketAddr, window: u8) -> Self {
        Self::with(address, &[0, INITIAL_WINDOW, 0, 0, 0, window]).await
    }

    async fn with(address: SocketAddr, settings: &[u8]) -> Self {
        let mut frames = Self(TcpStream::connect(address).await.unwrap());
        frames.0.set_nodelay(true).unwrap();
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        frames.send(SETTINGS, 0, 0, settings).await;
        frames
    }

    /// Takes so many bytes more of the answer.
    pub(crate) async fn read(&mut self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&framed(kind, flags, stream, payload)).await;
    }

    /// Sends frames together.
    pub(crate) async fn write(&mut self, frames: &[u8]) {
        self.0.write_all(frames).await.unwrap();
    }

    /// Sends frames until the server closes the connection, and says for which error.
    pub(crate) async fn write_until_closed(&mut self, frames: &[u8]) -> Option<u32> {
        let (mut read, mut write) = self.0.split();
        // It is closed before all is sent, or after.
        let written = async { write.write_all(frames).await.is_ok() };
        let told = async {
            loop {
                let mut head = [0; 9];
                read.read_exact(&mut head).await.ok()?;
                let [a, b, c, kind, ..] = head;
                let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
                read.read_exact(&mut payload).await.ok()?;
                if kind == GOAWAY {
                    let error = payload.get(4..8)?.try_into().ok()?;
                    return Some(u32::from_be_bytes(error));
                }
            }
        };
        let both = async { tokio::join!(written, told).1 };
        tokio::time::timeout(LONG, both).await.unwrap()
    }

    /// The calls that the server lets this connection have open (SETTINGS_MAX_CONCURRENT_STREAMS).
    pub(crate) async fn streams(&mut self) -> u32 {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.unwrap();
        assert_eq!(head[3], SETTINGS, "a server's first word");
        let mut payload = vec![0; usize::from(head[2])];
        self.0.read_exact(&mut payload).await.unwrap();
        let setting = payload.chunks(6).find_map(|setting| setting.strip_prefix(&[0, 3])).unwrap();
        u32::from_be_bytes(setting.try_into().unwrap())
    }

    pub(crate) async fn receive(&mut self) -> Frame {
        let mut head = [0; 9];
        tokio::time::timeout(LONG, self.0.read_exact(&mut head)).await.unwrap().unwrap();
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.unwrap();
        let frame = Frame { kind, flags, stream: u32::from_be_bytes(stream), payload };
        assert!(!frame.is_error(), "{}", String::from_utf8_lossy(&frame.payload));
        frame
    }

    /// Reads until a frame of this kind and stream.
    pub(crate) async fn until(&mut self, kind: u8, flags: u8, stream: u32) {
        loop {
            let frame = self.receive().await;
            if frame.kind == kind && frame.flags & flags == flags && frame.stream == stream {
                return;
            }
            assert_ne!(frame.kind, RESET, "of stream {}", frame.stream);
        }
    }
}

//! A client of HTTP/2 (RFC 9113) that sends whatever it likes and takes note of what comes back.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use crate::hpack::{self, Head};

/// Far more than anything here takes: a test that reaches it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Errors, as RESET and GOAWAY tell them (RFC 9113, section 7).
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest frame that a server takes that says nothing of it.
pub(crate) const FRAME_MAX: usize = 16_384;
/// The number of a ping that a client asks by whether all before it was seen.
const MARK: u64 = 0x6d61_726b;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS with these numbers and values.
pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let one =
        |(number, value): &(u16, u32)| [&number.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &settings.iter().flat_map(one).collect::<Vec<_>>())
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &CANCEL.to_be_bytes())
}

/// As much as a frame holds of each, and one of nothing.
fn parts(of: &[u8]) -> Vec<&[u8]> {
    if of.is_empty() { vec![of] } else { of.chunks(FRAME_MAX).collect() }
}

/// A head in as many frames as it takes.
pub(crate) fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let parts = parts(block);
    let frames = parts.iter().enumerate().flat_map(|(place, part)| {
        let end = if place + 1 == parts.len() { END_HEADERS } else { 0 };
        let (kind, flags) = if place == 0 { (HEADERS, flags | end) } else { (CONTINUATION, end) };
        frame(kind, flags, stream, part)
    });
    frames.collect()
}

/// A message as gRPC puts it into frames.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A whole call: its head, and this as its body.
pub(crate) fn call(stream: u32, head: &Head, body: &[u8]) -> Vec<u8> {
    let mut frames = headers(stream, 0, &head.block());
    let parts = parts(body);
    for (place, part) in parts.iter().enumerate() {
        let end = if place + 1 == parts.len() { END_STREAM } else { 0 };
        frames.extend(frame(DATA, end, stream, part));
    }
    frames
}

/// What came back of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) http: Option<u16>,
    pub(crate) grpc: Option<u8>,
    /// Bytes of its messages.
    pub(crate) bytes: usize,
    pub(crate) reset: Option<u32>,
    pub(crate) is_ended: bool,
}

impl Answer {
    pub(crate) fn is_over(&self) -> bool {
        self.is_ended || self.reset.is_some()
    }
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) calls: BTreeMap<u32, Answer>,
    /// The error of a GOAWAY, and its text.
    pub(crate) away: Option<(u32, String)>,
    pub(crate) is_closed: bool,
    pub(crate) marks: u64,
    pub(crate) pongs: u64,
    pub(crate) settings: BTreeMap<u16, u32>,
}

impl Heard {
    pub(crate) fn of(&self, stream: u32) -> Answer {
        self.calls.get(&stream).copied().unwrap_or_default()
    }

    /// How the server ended the connection: by this error, or without a word. None: it has not.
    pub(crate) fn end(&self) -> Option<Option<u32>> {
        self.is_closed.then(|| self.away.as_ref().map(|(error, _)| *error))
    }

    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let number = |from: usize| {
            let bytes = payload.get(from..from + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().unwrap()))
        };
        let ends = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        if matches!(kind, DATA | HEADERS | RESET) {
            let call = self.calls.entry(stream).or_default();
            call.is_ended |= ends;
            match kind {
                DATA => call.bytes += payload.len(),
                HEADERS => {
                    let said = hpack::read(payload);
                    call.http = said.http.or(call.http);
                    call.grpc = said.grpc.or(call.grpc);
                }
                _ => call.reset = number(0),
            }
        }
        match kind {
            PING if flags & ACK != 0 && payload == MARK.to_be_bytes() => self.marks += 1,
            PING if flags & ACK != 0 => self.pongs += 1,
            // That of a server which ends in peace comes first, and says nothing of an error.
            GO_AWAY => {
                let text = String::from_utf8_lossy(payload.get(8..).unwrap_or_default());
                self.away = number(4).map(|error| (error, text.into_owned()));
            }
            SETTINGS => self.settings.extend(payload.chunks_exact(6).map(|setting| {
                let number = u16::from_be_bytes([setting[0], setting[1]]);
                (number, u32::from_be_bytes(setting[2..].try_into().unwrap()))
            })),
            _ => {}
        }
    }
}

/// A connection of somebody who means harm.
pub(crate) struct Abuser {
    write: OwnedWriteHalf,
    heard: watch::Receiver<Heard>,
    listening: JoinHandle<()>,
    next: u32,
}

impl Abuser {
    /// One who has said nothing yet.
    pub(crate) async fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, write) = stream.into_split();
        let (tell, heard) = watch::channel(Heard::default());
        let listening = tokio::spawn(listen(read, tell));
        Self { write, heard, listening, next: 1 }
    }

    /// One who began well, and was told what it is granted. Answers use no dictionary.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::with(address, &[]).await
    }

    /// The same, with these settings besides.
    pub(crate) async fn with(address: SocketAddr, more: &[(u16, u32)]) -> Self {
        let mut abuser = Self::silent(address).await;
        abuser.send(&hello(more)).await;
        abuser.seen().await;
        abuser
    }

    /// From now on it reads nothing of what comes back.
    pub(crate) fn turn_deaf(&self) {
        self.listening.abort();
    }

    /// Sends this; whether it could.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sending = self.write.write_all(bytes);
        tokio::time::timeout(LONG, sending)
            .await
            .expect("the server neither reads nor hangs up")
            .is_ok()
    }

    /// Sends as much of this as is taken at once; how many bytes.
    pub(crate) fn send_what_fits(&self, bytes: &[u8]) -> usize {
        self.write.try_write(bytes).unwrap_or(0)
    }

    /// The number of a call that is to be opened.
    pub(crate) fn stream(&mut self) -> u32 {
        let stream = self.next;
        self.next += 2;
        stream
    }

    /// Waits until this is so, or the server has closed the connection.
    pub(crate) async fn until(&mut self, is_so: impl Fn(&Heard) -> bool) -> Heard {
        let heard = &mut self.heard;
        let waiting = async {
            let waiting = heard.wait_for(|heard| heard.is_closed || is_so(heard));
            waiting.await.unwrap().clone()
        };
        let waited = tokio::time::timeout(LONG, waiting).await;
        waited.unwrap_or_else(|_| {
            let heard = heard.borrow();
            panic!("no more was heard than {:?}, {:?}", heard.away, heard.calls.last_key_value())
        })
    }

    /// Waits until the server has closed the connection; by which error, or without a word.
    pub(crate) async fn closed(&mut self) -> Option<u32> {
        self.until(|_| false).await.end().unwrap()
    }

    /// Waits until the server has seen all that was sent, or has closed the connection.
    pub(crate) async fn seen(&mut self) -> Heard {
        let marks = self.heard.borrow().marks;
        self.send(&frame(PING, 0, 0, &MARK.to_be_bytes())).await;
        self.until(|heard| heard.marks > marks).await
    }

    /// Makes a call with any head and body; what came back.
    pub(crate) async fn ask(&mut self, head: &Head, body: &[u8]) -> (Answer, Heard) {
        let stream = self.stream();
        self.send(&call(stream, head, body)).await;
        let heard = self.until(|heard| heard.of(stream).is_over()).await;
        (heard.of(stream), heard)
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub(crate) async fn end(&mut self) {
        let _ = self.write.shutdown().await;
    }

    /// Ends the connection by a RST of TCP.
    pub(crate) fn break_off(self) {
        self.write.as_ref().set_zero_linger().unwrap();
    }
}

/// What opens a connection, with these settings.
pub(crate) fn hello(more: &[(u16, u32)]) -> Vec<u8> {
    let without_dictionary = [&[(1, 0)], more].concat();
    [PREFACE, &settings(&without_dictionary), &frame(SETTINGS, ACK, 0, &[])].concat()
}

async fn listen(mut read: OwnedReadHalf, tell: watch::Sender<Heard>) {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65_536]);
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..count]);
        let mut rest = &bytes[..];
        tell.send_modify(|heard| {
            while let Some((head, after)) = rest.split_at_checked(9) {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                let Some((payload, more)) = after.split_at_checked(length) else { break };
                let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
                heard.take(head[3], head[4], stream, payload);
                rest = more;
            }
        });
        let left = rest.len();
        bytes.drain(..bytes.len() - left);
    }
    tell.send_modify(|heard| heard.is_closed = true);
}

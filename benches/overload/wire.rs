//! A client of HTTP/2 (RFC 9113) that costs next to nothing: heads are written once and repeated by their numbers in
//! the dictionary (RFC 7541), and of an answer only what counts is read.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Bytes of answers that a server may send before it is told to go on.
const WINDOW: u32 = 1 << 30;
/// What is sent of requests before the socket takes more: a client waits with others.
const UNSENT_MAX: usize = 64 * 1024;
/// The first number of the dictionary that is not given.
const FIRST_NUMBER: u8 = 62;
/// `grpc-status`, in Huffman's code.
const GRPC_STATUS: [u8; 8] = [0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f];

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// With this status.
    Status(u8),
    /// Given up by its client at its deadline.
    Expired,
    /// Never sent: as many are open on the connections as the server lets a client open.
    HeldBack,
    /// Reset by the server, for this reason.
    Reset(u32),
    /// With the connection.
    Broken,
}

/// What is asked.
pub(crate) struct Requests {
    first: Vec<u8>,
    next: Vec<u8>,
    messages: Vec<Vec<u8>>,
    turn: usize,
}

impl Requests {
    /// Calls of a method with these messages in turn.
    pub(crate) fn new(
        path: &str,
        secret: &str,
        deadline: Duration,
        messages: Vec<Vec<u8>>,
    ) -> Self {
        let bearer = format!("Bearer {secret}");
        let timeout = format!("{}m", deadline.as_millis());
        // By the numbers of their names in the given dictionary, or by name.
        let headers: [(u8, &str, &str); 6] = [
            (4, "", path),
            (1, "", "keyward"),
            (31, "", "application/grpc"),
            (23, "", &bearer),
            (0, "te", "trailers"),
            (0, "grpc-timeout", &timeout),
        ];
        // POST and http stand in the dictionary.
        let (mut first, mut next) = (vec![0x83, 0x86], vec![0x83, 0x86]);
        for (place, (number, name, value)) in headers.iter().enumerate() {
            first.push(0x40 | number);
            if *number == 0 {
                text(&mut first, name);
            }
            text(&mut first, value);
            next.push(0x80 | (FIRST_NUMBER + u8::try_from(headers.len() - 1 - place).unwrap()));
        }
        let framed = |message: Vec<u8>| {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            [&[0], &length[..], &message].concat()
        };
        Self { first, next, messages: messages.into_iter().map(framed).collect(), turn: 0 }
    }
}

/// A text as it is, with its length.
fn text(to: &mut Vec<u8>, text: &str) {
    let length = text.len();
    if length < 127 {
        to.push(u8::try_from(length).unwrap());
    } else {
        assert!(length < 127 + 128);
        to.extend([127, u8::try_from(length - 127).unwrap()]);
    }
    to.extend(text.as_bytes());
}

fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    to.extend(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
    to.extend([kind, flags]);
    to.extend(stream.to_be_bytes());
    to.extend(payload);
}

/// One connection.
pub(crate) struct Connection {
    socket: TcpStream,
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    /// From this stream on, in order: when each was due, or that it has ended.
    base: u32,
    calls: VecDeque<Option<Instant>>,
    open: usize,
    open_max: usize,
    window: i64,
    taken: u32,
    has_ended: bool,
    /// The error that the server closed it for.
    pub(crate) error: Option<u32>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // Without a dictionary for answers, so that a status is told by its bytes; and with room for them.
        let window = (1_u32 << 20).to_be_bytes();
        let settings = [&[0, 1, 0, 0, 0, 0, 0, 4][..], &window].concat();
        frame(&mut out, SETTINGS, 0, 0, &settings);
        frame(&mut out, WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
        Self {
            socket,
            out,
            sent: 0,
            input: Vec::new(),
            base: 1,
            calls: VecDeque::new(),
            open: 0,
            open_max: 1,
            window: 65_535,
            taken: 0,
            has_ended: false,
            error: None,
        }
    }

    /// Whether nothing can come of it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended && self.open == 0
    }

    /// Sends a call, where the server and the socket let it.
    pub(crate) fn call(&mut self, requests: &mut Requests, due: Instant) -> bool {
        let message = &requests.messages[requests.turn % requests.messages.len()];
        let length = i64::try_from(message.len()).unwrap();
        if self.has_ended
            || self.open >= self.open_max
            || self.window < length
            || self.out.len() - self.sent > UNSENT_MAX
        {
            return false;
        }
        requests.turn += 1;
        self.window -= length;
        let stream = self.base + 2 * u32::try_from(self.calls.len()).unwrap();
        let head = if stream == 1 { &requests.first } else { &requests.next };
        frame(&mut self.out, HEADERS, END_HEADERS, stream, head);
        frame(&mut self.out, DATA, END_STREAM, stream, message);
        self.calls.push_back(Some(due));
        self.open += 1;
        true
    }

    /// Reads, gives up what was due before `expired`, and writes. Tells of each call how it ended, and when it was due.
    pub(crate) fn turn(&mut self, expired: Instant, mut tell: impl FnMut(End, Instant)) {
        self.receive(&mut tell);
        let calls = u32::try_from(self.calls.len()).unwrap();
        for place in 0..calls {
            match self.calls[place as usize] {
                Some(due) if due > expired => break,
                Some(_) => {
                    let stream = self.base + 2 * place;
                    frame(&mut self.out, RESET, 0, stream, &8_u32.to_be_bytes());
                    self.end(stream, End::Expired, &mut tell);
                }
                None => {}
            }
        }
        while self.calls.front().is_some_and(Option::is_none) {
            self.calls.pop_front();
            self.base += 2;
        }
        self.send(&mut tell);
    }

    fn end(&mut self, stream: u32, end: End, tell: &mut impl FnMut(End, Instant)) {
        let Some(place) = stream.checked_sub(self.base) else { return };
        if let Some(due) = self.calls.get_mut(place as usize / 2).and_then(Option::take) {
            self.open -= 1;
            tell(end, due);
        }
    }

    fn breaks(&mut self, tell: &mut impl FnMut(End, Instant)) {
        self.has_ended = true;
        for due in self.calls.drain(..).flatten() {
            tell(End::Broken, due);
        }
        self.open = 0;
    }

    fn send(&mut self, tell: &mut impl FnMut(End, Instant)) {
        while self.sent < self.out.len() {
            match self.socket.write(&self.out[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.breaks(tell),
            }
        }
        if self.sent == self.out.len() || self.sent > UNSENT_MAX {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    fn receive(&mut self, tell: &mut impl FnMut(End, Instant)) {
        let mut bytes = [0; 64 * 1024];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => return self.breaks(tell),
                Ok(read) => {
                    self.input.extend(&bytes[..read]);
                    self.frames(tell);
                    if read < bytes.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.breaks(tell),
            }
        }
    }

    fn frames(&mut self, tell: &mut impl FnMut(End, Instant)) {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let [a, b, c, kind, flags, s0, s1, s2, s3, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if after.len() < length {
                break;
            }
            let (payload, next) = after.split_at(length);
            self.frame(*kind, *flags, u32::from_be_bytes([*s0, *s1, *s2, *s3]), payload, tell);
            rest = next;
        }
        self.input = rest.to_vec();
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        tell: &mut impl FnMut(End, Instant),
    ) {
        let number = |from: usize| {
            payload
                .get(from..from + 4)
                .map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
        };
        match kind {
            DATA => {
                self.taken += u32::try_from(payload.len()).unwrap();
                if self.taken > WINDOW / 2 {
                    frame(&mut self.out, WINDOW_UPDATE, 0, 0, &self.taken.to_be_bytes());
                    self.taken = 0;
                }
            }
            HEADERS if flags & END_STREAM != 0 => {
                self.end(stream, End::Status(status(payload)), tell);
            }
            RESET => self.end(stream, End::Reset(number(0)), tell),
            SETTINGS if flags & ACK == 0 => {
                self.open_max = usize::MAX;
                for setting in payload.chunks(6) {
                    if setting[..2] == [0, 3] {
                        let value = setting[2..].try_into().unwrap();
                        self.open_max = u32::from_be_bytes(value) as usize;
                    }
                }
                frame(&mut self.out, SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => frame(&mut self.out, PING, ACK, 0, payload),
            GOAWAY => {
                self.has_ended = true;
                if number(4) != 0 {
                    self.error = Some(number(4));
                }
            }
            WINDOW_UPDATE if stream == 0 => self.window += i64::from(number(0)),
            _ => {}
        }
    }
}

/// The status in the last headers of an answer; 2 (UNKNOWN) where there is none.
fn status(headers: &[u8]) -> u8 {
    let place = headers.windows(GRPC_STATUS.len()).position(|window| window == GRPC_STATUS);
    let value = place.and_then(|place| headers.get(place + GRPC_STATUS.len() + 1..));
    (0..=16).find(|code| value.is_some_and(|value| value.starts_with(&digits(*code)))).unwrap_or(2)
}

/// A number in Huffman's code, filled up with ones.
fn digits(number: u8) -> Vec<u8> {
    let (mut bits, mut count) = (0_u32, 0);
    for digit in number.to_string().bytes().map(|digit| u32::from(digit - b'0')) {
        // 0 to 2 have five bits, the others six.
        let (code, length) = if digit < 3 { (digit, 5) } else { (digit - 3 + 0b01_1001, 6) };
        bits = bits << length | code;
        count += length;
    }
    let fill = (8 - count % 8) % 8;
    bits = bits << fill | ((1 << fill) - 1);
    let bytes = bits.to_be_bytes();
    bytes[4 - (count + fill) / 8..].to_vec()
}

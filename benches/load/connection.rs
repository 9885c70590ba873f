//! One connection, with its calls in flight.

use std::{collections::BTreeMap, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use rustls::ClientConfig;

use crate::{
    answers::{self, Good, NUMBER_AT},
    http2::{
        ACK, DATA, END_HEADERS, END_STREAM, FIRST_WINDOW, Frame, GO_AWAY, HEADERS, Head, OPEN_MAX,
        PING, RESET, SETTINGS, WINDOW_UPDATE, frame, greet, status,
    },
    socket::Socket,
};

/// A question is not put while one that was put so many before it has no answer.
const PLACES: usize = 1_024;
const _: () = assert!(PLACES <= answers::NUMBERS);
/// So many bytes are read at once.
const READ_SIZE: usize = 64 * 1024;
/// What the server may send before it is told to go on.
const ROOM: u32 = 0x7fff_0000;
const CALL_WINDOW: u16 = 4;
/// Bytes before the payload of a frame, and of the largest payload that a server takes at first (RFC 9113, section 4).
const FRAME_HEAD: usize = 9;
const FRAME_MAX: u16 = 16_384;

/// What is asked on every connection.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: Head,
    /// Whether all is asked in one call, which goes on.
    pub(crate) is_stream: bool,
    /// Whether what is asked of a stream at a time goes into one frame, as far as it fits. So tonic's clients, and those
    /// of C++ with buffering, do it.
    pub(crate) together: bool,
    pub(crate) good: Good,
}

/// How a question ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// When it was to be asked.
    pub(crate) due: Instant,
    pub(crate) is_good: bool,
}

/// A question in flight.
#[derive(Debug, Clone, Copy)]
struct Open {
    due: Instant,
    /// What its message says; the status comes after it.
    is_good: bool,
}

/// A connection.
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    asked: Rc<Asked>,
    received: Vec<u8>,
    /// How much of `received` is filled.
    filled: usize,
    unsent: Vec<u8>,
    sent: usize,
    /// Where in what is unsent the last frame of the stream begins.
    last: usize,
    next: usize,
    pub(crate) in_flight: usize,
    in_flight_max: usize,
    window: i64,
    call_window: i64,
    /// What the window of a call begins with.
    first_window: i64,
    places: Vec<Option<Open>>,
    /// Messages that are not whole yet, by call.
    parts: BTreeMap<u32, Vec<u8>>,
    /// What was received since the server was told to go on.
    taken: u32,
    /// The last headers of an answer with the status 0, as the first one had them.
    ended_well: Vec<u8>,
    /// The first answer that was not good.
    pub(crate) bad: Option<String>,
}

impl Connection {
    /// Connects, to have at most so many questions in flight.
    pub(crate) fn open(
        address: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
        asked: &Rc<Asked>,
        in_flight_max: usize,
    ) -> Self {
        let mut unsent = Vec::new();
        greet(&mut unsent, ROOM, ROOM - FIRST_WINDOW);
        Self {
            socket: Socket::connect(address, tls),
            asked: Rc::clone(asked),
            received: vec![0; 2 * READ_SIZE],
            filled: 0,
            unsent,
            sent: 0,
            last: usize::MAX,
            next: 0,
            in_flight: 0,
            in_flight_max,
            window: FIRST_WINDOW.into(),
            call_window: FIRST_WINDOW.into(),
            first_window: FIRST_WINDOW.into(),
            places: vec![None; PLACES],
            parts: BTreeMap::new(),
            taken: 0,
            ended_well: Vec::new(),
            bad: None,
        }
    }

    /// Puts a question, unless enough are in flight.
    pub(crate) fn ask(&mut self, message: &[u8], due: Instant) -> bool {
        let length = i64::try_from(message.len()).unwrap();
        let place = self.next % PLACES;
        if self.in_flight >= self.in_flight_max
            || self.window < length
            || self.asked.is_stream && self.call_window < length
            || self.places[place].is_some()
        {
            return false;
        }
        let out = &mut self.unsent;
        if self.asked.is_stream {
            if self.next == 0 {
                frame(out, HEADERS, END_HEADERS, 1, self.asked.head.of(1));
            }
            if !(self.asked.together && append(out, self.last, message)) {
                self.last = out.len();
                frame(out, DATA, 0, 1, message);
            }
            let number = out.len() - message.len() + NUMBER_AT;
            out[number..number + 2].copy_from_slice(&answers::number(place));
            self.call_window -= length;
        } else {
            let stream = u32::try_from(2 * self.next + 1).unwrap();
            frame(out, HEADERS, END_HEADERS, stream, self.asked.head.of(stream));
            frame(out, DATA, END_STREAM, stream, message);
        }
        self.next += 1;
        self.window -= length;
        self.in_flight += 1;
        self.places[place] = Some(Open { due, is_good: false });
        true
    }

    /// Sends what the system takes.
    pub(crate) fn flush(&mut self) {
        self.sent += self.socket.send(&self.unsent[self.sent..]);
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
        }
        self.last = usize::MAX;
    }

    /// Reads what has come, and tells what has ended.
    pub(crate) fn receive(&mut self, mut done: impl FnMut(Done)) {
        loop {
            if self.received.len() < self.filled + READ_SIZE {
                self.received.resize(self.filled + READ_SIZE, 0);
            }
            let into = &mut self.received[self.filled..];
            let room = into.len();
            let Some(read) = self.socket.receive(into) else { return };
            self.filled += read;
            let mut received = std::mem::take(&mut self.received);
            let mut rest = &received[..self.filled];
            while let Some((frame, after)) = Frame::first(rest) {
                self.take(&frame, &mut done);
                rest = after;
            }
            let (left, all) = (rest.len(), self.filled);
            received.copy_within(all - left..all, 0);
            self.received = received;
            self.filled = left;
            // What comes after this is told by another event.
            if read < room && !self.socket.is_encrypted() {
                return;
            }
        }
    }

    fn take(&mut self, received: &Frame<'_>, done: &mut impl FnMut(Done)) {
        let Frame { kind, stream, payload, .. } = *received;
        match kind {
            DATA => self.take_data(received, done),
            HEADERS if received.has(END_STREAM) => {
                assert!(!self.asked.is_stream, "the stream ended with {}", status(payload));
                // Equal headers are equal bytes: the first are read.
                let is_well = *self.ended_well == *payload || status(payload) == 0;
                if is_well && self.ended_well.is_empty() {
                    self.ended_well = payload.to_vec();
                }
                self.note(is_well, || format!("status {}", status(payload)));
                self.end(place(stream), is_well, done);
            }
            RESET => {
                assert!(!self.asked.is_stream, "the stream was reset: {}", received.number(0));
                self.end(place(stream), false, done);
            }
            SETTINGS if !received.has(ACK) => {
                for (number, value) in received.settings() {
                    match number {
                        OPEN_MAX if !self.asked.is_stream => {
                            let granted = value as usize;
                            assert!(granted >= self.in_flight_max, "{granted} calls are granted");
                        }
                        CALL_WINDOW => {
                            self.call_window += i64::from(value) - self.first_window;
                            self.first_window = value.into();
                        }
                        _ => {}
                    }
                }
                frame(&mut self.unsent, SETTINGS, ACK, 0, &[]);
            }
            PING if !received.has(ACK) => frame(&mut self.unsent, PING, ACK, 0, payload),
            GO_AWAY => panic!("sent away: {:?}", String::from_utf8_lossy(payload)),
            WINDOW_UPDATE if stream == 0 => self.window += i64::from(received.number(0)),
            WINDOW_UPDATE if self.asked.is_stream => {
                self.call_window += i64::from(received.number(0));
            }
            _ => {}
        }
    }

    fn take_data(&mut self, received: &Frame<'_>, done: &mut impl FnMut(Done)) {
        let Frame { stream, payload, .. } = *received;
        self.taken += u32::try_from(payload.len()).unwrap();
        if self.taken > ROOM / 2 {
            frame(&mut self.unsent, WINDOW_UPDATE, 0, 0, &self.taken.to_be_bytes());
            if self.asked.is_stream {
                frame(&mut self.unsent, WINDOW_UPDATE, 0, 1, &self.taken.to_be_bytes());
            }
            self.taken = 0;
        }
        let mut begun = self.parts.remove(&stream).unwrap_or_default();
        let mut rest = payload;
        if !begun.is_empty() {
            begun.extend(payload);
            rest = &begun;
        }
        while let Some((message, after)) = answers::first(rest) {
            self.take_message(stream, message, done);
            rest = after;
        }
        if !rest.is_empty() {
            self.parts.insert(stream, rest.to_vec());
        }
    }

    fn take_message(&mut self, stream: u32, message: &[u8], done: &mut impl FnMut(Done)) {
        let good = &self.asked.good;
        if self.asked.is_stream {
            let (place, answer) = answers::numbered(message).unwrap_or_else(|| {
                panic!("an answer is none: {message:02x?}");
            });
            let is_good = good.is(answer);
            if let Some(open) = self.places.get_mut(place).and_then(Option::as_mut) {
                open.is_good = is_good;
            }
            self.note(is_good, || format!("{message:02x?}"));
            self.end(place, true, done);
        } else {
            let is_good = good.is(message);
            if let Some(open) = &mut self.places[place(stream) % PLACES] {
                open.is_good = is_good;
            }
            self.note(is_good, || format!("{message:02x?}"));
        }
    }

    /// Keeps the first answer that is not good.
    fn note(&mut self, is_good: bool, answer: impl FnOnce() -> String) {
        if !is_good && self.bad.is_none() {
            self.bad = Some(answer());
        }
    }

    fn end(&mut self, place: usize, is_well: bool, done: &mut impl FnMut(Done)) {
        let Some(Open { due, is_good }) = self.places[place % PLACES].take() else {
            panic!("an answer to nothing that was asked");
        };
        self.in_flight -= 1;
        done(Done { due, is_good: is_good && is_well });
    }
}

/// Puts a message into the frame that begins there and is the last, if it fits.
fn append(out: &mut Vec<u8>, at: usize, message: &[u8]) -> bool {
    let Some([0, high, low, ..]) = out.get(at..) else { return false };
    let held = usize::from(u16::from_be_bytes([*high, *low]));
    let Ok(length) = u16::try_from(held + message.len()) else { return false };
    if length > FRAME_MAX || at + FRAME_HEAD + held != out.len() {
        return false;
    }
    out.extend(message);
    out[at + 1..at + 3].copy_from_slice(&length.to_be_bytes());
    true
}

/// The number of a call among those of its connection.
fn place(stream: u32) -> usize {
    (stream >> 1) as usize
}

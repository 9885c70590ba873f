//! A connection of HTTP/2 whose calls are given up at their deadline.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::http2::{
    ACK, DATA, END_HEADERS, END_STREAM, FIRST_WINDOW, Frame, GO_AWAY, HEADERS, Head, OPEN_MAX,
    PING, RESET, SETTINGS, WINDOW_UPDATE, frame, framed, greet, status,
};

/// Bytes of answers that a server may send before it is told to go on.
const WINDOW: u32 = 1 << 30;
/// The same for one answer.
const CALL_WINDOW: u32 = 1 << 20;
/// What is sent of requests before the socket takes more: a client waits with others.
const UNSENT_MAX: usize = 64 * 1024;

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
    head: Head,
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
        let timeout = format!("{}m", deadline.as_millis());
        let head = Head::new(path, Some(secret), &[("grpc-timeout", &timeout)]);
        let messages = messages.iter().map(|message| framed(message)).collect();
        Self { head, messages, turn: 0 }
    }
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
        let mut out = Vec::new();
        greet(&mut out, CALL_WINDOW, WINDOW);
        Self {
            socket,
            out,
            sent: 0,
            input: Vec::new(),
            base: 1,
            calls: VecDeque::new(),
            open: 0,
            open_max: 1,
            window: FIRST_WINDOW.into(),
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
        frame(&mut self.out, HEADERS, END_HEADERS, stream, requests.head.of(stream));
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
        while let Some((frame, after)) = Frame::first(rest) {
            self.frame(&frame, tell);
            rest = after;
        }
        self.input = rest.to_vec();
    }

    fn frame(&mut self, received: &Frame<'_>, tell: &mut impl FnMut(End, Instant)) {
        let Frame { kind, stream, payload, .. } = *received;
        match kind {
            DATA => {
                self.taken += u32::try_from(payload.len()).unwrap();
                if self.taken > WINDOW / 2 {
                    frame(&mut self.out, WINDOW_UPDATE, 0, 0, &self.taken.to_be_bytes());
                    self.taken = 0;
                }
            }
            HEADERS if received.has(END_STREAM) => {
                self.end(stream, End::Status(status(payload)), tell);
            }
            RESET => self.end(stream, End::Reset(received.number(0)), tell),
            SETTINGS if !received.has(ACK) => {
                let open_max = received.settings().find(|(number, _)| *number == OPEN_MAX);
                self.open_max = open_max.map_or(usize::MAX, |(_, value)| value as usize);
                frame(&mut self.out, SETTINGS, ACK, 0, &[]);
            }
            PING if !received.has(ACK) => frame(&mut self.out, PING, ACK, 0, payload),
            GO_AWAY => {
                self.has_ended = true;
                if received.number(4) != 0 {
                    self.error = Some(received.number(4));
                }
            }
            WINDOW_UPDATE if stream == 0 => self.window += i64::from(received.number(0)),
            _ => {}
        }
    }
}

//! As much of HTTP/2 (RFC 9113) as a client needs that asks one thing over and over and costs next to nothing.
//!
//! Heads are written once and repeated by their numbers in the dictionary (HPACK, RFC 7541), and of the heads of an
//! answer only the status is read.

mod digits;

use digits::digits;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The window of a connection, and of a call, before anybody has said more.
pub(crate) const FIRST_WINDOW: u32 = 65_535;
/// The setting of how many calls may be open, and of the window of each.
pub(crate) const OPEN_MAX: u16 = 3;
const CALL_WINDOW: u16 = 4;
const DICTIONARY: u16 = 1;

const FRAME_HEAD: usize = 9;
const STREAM_MAX: u32 = 0x7fff_ffff;
/// The first number of the dictionary that is not given.
const FIRST_NUMBER: usize = 62;
/// `grpc-status`, in Huffman's code and as it is.
const GRPC_STATUS: [u8; 8] = [0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f];
const GRPC_STATUS_PLAIN: &[u8] = b"grpc-status";

/// A frame that was received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame of these bytes, and what follows it. None: it is not whole yet.
    pub(crate) fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, after) = bytes.split_at_checked(FRAME_HEAD)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = after.split_at_checked(length)?;
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap()) & STREAM_MAX;
        Some((Self { kind: head[3], flags: head[4], stream, payload }, rest))
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The settings that it tells: number and value.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (u16, u32)> + 'a {
        self.payload.chunks_exact(6).map(|setting| {
            let number = u16::from_be_bytes([setting[0], setting[1]]);
            (number, u32::from_be_bytes(setting[2..].try_into().unwrap()))
        })
    }

    /// The number that begins at this byte; 0 where there is none.
    pub(crate) fn number(&self, from: usize) -> u32 {
        let bytes = self.payload.get(from..from + 4);
        bytes.map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
    }
}

pub(crate) fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    to.extend(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
    to.extend([kind, flags]);
    to.extend(stream.to_be_bytes());
    to.extend(payload);
}

/// What opens a connection: no dictionary for answers, so that a status is told by its bytes; room for each answer, and
/// so much more for all of them together.
pub(crate) fn greet(to: &mut Vec<u8>, room: u32, more: u32) {
    to.extend(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let settings = [(DICTIONARY, 0), (CALL_WINDOW, room)]
        .map(|(number, value)| [&number.to_be_bytes()[..], &u32::to_be_bytes(value)].concat());
    frame(to, SETTINGS, 0, 0, &settings.concat());
    frame(to, WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
}

/// The head of every call of a connection.
#[derive(Debug)]
pub(crate) struct Head {
    first: Vec<u8>,
    next: Vec<u8>,
}

impl Head {
    /// Of calls of a method, with a secret where one is needed, and with these headers.
    pub(crate) fn new(path: &str, secret: Option<&str>, more: &[(&str, &str)]) -> Self {
        let bearer = secret.map(|secret| format!("Bearer {secret}"));
        // By the numbers of their names in the given dictionary, or by name.
        let mut headers = vec![(4, "", path), (1, "", "keyward"), (31, "", "application/grpc")];
        headers.extend(bearer.as_deref().map(|bearer| (23, "", bearer)));
        headers.push((0, "te", "trailers"));
        headers.extend(more.iter().map(|(name, value)| (0, *name, *value)));
        // POST and http stand in the dictionary.
        let (mut first, mut next) = (vec![0x83, 0x86], vec![0x83, 0x86]);
        for (place, (number, name, value)) in headers.iter().enumerate() {
            // To be put into the dictionary: the newest has its first number.
            first.push(0x40 | number);
            if *number == 0 {
                text(&mut first, name);
            }
            text(&mut first, value);
            next.push(0x80 | u8::try_from(FIRST_NUMBER + headers.len() - 1 - place).unwrap());
        }
        Self { first, next }
    }

    /// Of this call: the first of a connection has number 1.
    pub(crate) fn of(&self, stream: u32) -> &[u8] {
        if stream == 1 { &self.first } else { &self.next }
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

/// A message as gRPC puts it into frames: not compressed, and its length before it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// The status in the last headers of an answer; 2 (UNKNOWN) where there is none.
pub(crate) fn status(headers: &[u8]) -> u8 {
    let after = |name: &[u8]| {
        let place = headers.windows(name.len()).position(|window| window == name)?;
        headers.get(place + name.len()..)
    };
    // Before the value stands its length, and whether it is in Huffman's code.
    let value = after(&GRPC_STATUS).or_else(|| after(GRPC_STATUS_PLAIN));
    let is = |code: &u8| match value {
        Some([length, value @ ..]) if length & 0x80 != 0 => {
            value.starts_with(&digits((*code).into()))
        }
        Some([length, value @ ..]) => {
            value.get(..usize::from(*length)) == Some(code.to_string().as_bytes())
        }
        _ => false,
    };
    (0..=16).find(is).unwrap_or(2)
}

//! As much of HPACK (RFC 7541) as it takes to write any head, also one that no client may send, and
//! to read of the head of an answer how the call went.

use crate::digits::digits;

/// `grpc-status`, as it is and in Huffman's code.
const GRPC_STATUS: [&[u8]; 2] = [b"grpc-status", &[0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f]];
/// The statuses of HTTP in the given dictionary, of which the first has this number.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
const FIRST_STATUS: usize = 8;

/// A head: names and values in the order in which they are sent, whatever they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head(pub(crate) Vec<(Vec<u8>, Vec<u8>)>);

impl Head {
    /// That of a well-formed call by whom this secret is of.
    pub(crate) fn call(path: &str, secret: &str) -> Self {
        Self::default()
            .with(":method", "POST")
            .with(":scheme", "http")
            .with(":path", path)
            .with(":authority", "test")
            .with("content-type", "application/grpc")
            .with("te", "trailers")
            .with("authorization", format!("Bearer {secret}"))
    }

    /// With one more header, at the end.
    pub(crate) fn with(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.0.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// With another value in the place of what is there.
    pub(crate) fn but(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for (_, old) in self.0.iter_mut().filter(|(other, _)| other == name.as_bytes()) {
            *old = value.as_ref().to_vec();
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| other != name.as_bytes());
        self
    }

    /// With one more header before all others.
    pub(crate) fn after(mut self, name: &str, value: &str) -> Self {
        self.0.insert(0, (name.into(), value.into()));
        self
    }

    /// As it is sent, without any dictionary.
    pub(crate) fn block(&self) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in &self.0 {
            block.push(0);
            text(&mut block, name);
            text(&mut block, value);
        }
        block
    }
}

/// A number with a prefix of so many bits, the rest of whose byte is this.
pub(crate) fn number(to: &mut Vec<u8>, rest: u8, bits: u32, number: usize) {
    let most = (1 << bits) - 1;
    if number < most {
        return to.push(rest | u8::try_from(number).unwrap());
    }
    to.push(rest | u8::try_from(most).unwrap());
    let mut left = number - most;
    while left >= 128 {
        to.push(u8::try_from(left % 128).unwrap() | 128);
        left /= 128;
    }
    to.push(u8::try_from(left).unwrap());
}

/// A text as it is, with its length.
pub(crate) fn text(to: &mut Vec<u8>, text: &[u8]) {
    number(to, 0, 7, text.len());
    to.extend(text);
}

/// How a call went, as far as the head or the end of its answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) http: Option<u16>,
    pub(crate) grpc: Option<u8>,
}

/// Reads a head that uses no dictionary but the given one.
pub(crate) fn read(mut block: &[u8]) -> Said {
    let mut said = Said::default();
    while let Some(&first) = block.first() {
        if first & 0x80 != 0 {
            let place = take_number(&mut block, 7).checked_sub(FIRST_STATUS);
            let status = place.and_then(|place| STATUSES.get(place));
            said.http = status.copied().or(said.http);
            continue;
        }
        if first & 0xe0 == 0x20 {
            take_number(&mut block, 5);
            continue;
        }
        let name = take_number(&mut block, if first & 0x40 != 0 { 6 } else { 4 });
        let (_, text) = if name == 0 { take_text(&mut block) } else { (false, &[][..]) };
        let value = take_text(&mut block);
        let is = |number: &u16| match value {
            (true, text) => text == digits(*number),
            (false, text) => text == number.to_string().as_bytes(),
        };
        if (FIRST_STATUS..FIRST_STATUS + STATUSES.len()).contains(&name) {
            said.http = (100..600).find(is);
        } else if GRPC_STATUS.contains(&text) {
            said.grpc = (0..=16).find(is).and_then(|status| u8::try_from(status).ok());
        }
    }
    said
}

fn take_number(block: &mut &[u8], bits: u32) -> usize {
    let most = (1_usize << bits) - 1;
    let mut taken = block.iter().map(|byte| usize::from(*byte));
    let mut number = taken.next().unwrap() & most;
    let mut count = 1;
    if number == most {
        let mut shift = 0;
        for byte in taken {
            count += 1;
            number += (byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
    }
    *block = &block[count..];
    number
}

/// Whether it is in Huffman's code, and its bytes.
fn take_text<'a>(block: &mut &'a [u8]) -> (bool, &'a [u8]) {
    let is_coded = block[0] & 0x80 != 0;
    let length = take_number(block, 7);
    let (text, rest) = block.split_at(length);
    *block = rest;
    (is_coded, text)
}

#[test]
fn what_an_answer_says_is_read_however_it_is_written() {
    let said = |block: &[u8]| read(block);
    assert_eq!(said(&[0x88]), Said { http: Some(200), grpc: None });
    assert_eq!(said(b"\x20\x48\x03405\x0f\x10\x01x").http, Some(405));
    assert_eq!(said(&[&[0x08, 0x83][..], &digits(431)].concat()).http, Some(431));
    assert_eq!(said(b"\x88\x00\x0bgrpc-status\x0212").grpc, Some(12));
    let coded = [&[0x40, 0x88][..], GRPC_STATUS[1], &[0x81], &digits(0)].concat();
    assert_eq!(said(&coded).grpc, Some(0));
    let long = Head::default().with("x", "y".repeat(300)).with("grpc-status", "7").block();
    assert_eq!(said(&long).grpc, Some(7));
}

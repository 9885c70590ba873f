//! The short way of `Introspect`: from the bytes of a question to those of its answer, where all
//! that it rests on is in memory.
//!
//! It answers as the service does, byte for byte, or not at all. It reads what is asked where it
//! lies, asks [`Introspection`] as the service does, and writes with the same functions: what it
//! leaves out is the way through the generated service, and memory for what was sent.
//!
//! [`Introspection`]: crate::introspect::Introspection

mod question;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use prost::Message as _;

use super::{
    authenticate::{Knows, Remembered},
    convert::introspect::answer,
};
use crate::server::Connected;
use question::Read;

/// The call that it answers.
const PATH: &str = "/keyward.v1.Introspect/Introspect";

/// The bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Answers questions from memory.
#[derive(Clone)]
pub struct Quick {
    knows: Knows,
}

impl Quick {
    /// For callers that are known so, and about these keys.
    pub fn new(knows: Knows) -> Self {
        Self { knows }
    }

    /// Whether calls to this path may be answered.
    pub(super) fn serves(&self, path: &str) -> bool {
        path == PATH
    }

    /// The answer to the call with these headers and this message, with the bytes before it. None:
    /// it is not at hand, or none that is given for good; nothing was done.
    pub(super) fn answer(
        &self,
        headers: &HeaderMap,
        connected: &Connected,
        remembered: &Remembered,
        message: &[u8],
    ) -> Option<Bytes> {
        let read = Read::of(message)?;
        let question = read.question();
        let full = question.full;
        let calling = self.knows.calling(headers, connected, remembered)?;
        let decided = self.knows.keys.answer_at_once(&calling, question)?;
        let response = answer(&decided, full);
        let length = response.encoded_len();
        let mut bytes = BytesMut::with_capacity(PREFIX + length);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(length).ok()?);
        response.encode_raw(&mut bytes);
        Some(bytes.freeze())
    }
}

//! The short way of `Introspect`: from the bytes of a question to those of its answer, where all
//! that it rests on is in memory.
//!
//! It answers as the service does, byte for byte, or not at all. It reads what is asked where it
//! lies, asks [`Introspection`] as the service does, and writes by hand what prost
//! would, which `tests/quick` compares: what it leaves out is the way through the generated service, and memory for what was sent.
//!
//! [`Introspection`]: crate::introspect::Introspection

mod answer;
mod batch;
mod question;
mod talk;
mod writer;

use bytes::Bytes;
use http::HeaderMap;

use super::authenticate::{Knows, Remembered};
use crate::server::Connected;
use answer::write;
use question::Read;
pub(super) use talk::{Near, answer as answer_of_stream, bring_near};
use writer::Writer;

/// The call of one question.
const ONE: &str = "/keyward.v1.Introspect/Introspect";
/// The call of several.
const SEVERAL: &str = "/keyward.v1.Introspect/BatchIntrospect";

/// The bytes before a message: whether it is compressed, and its length (gRPC over HTTP/2,
/// Length-Prefixed-Message).
pub(super) const PREFIX: usize = 5;
/// Bytes of an answer that a decision fits in, and those of one that says all, nearly always.
const BRIEF: usize = 64;
const WHOLE: usize = 1_024;

/// Answers questions from memory.
#[derive(Clone)]
pub struct Quick {
    knows: Knows,
}

/// The calls that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    One,
    Several,
}

impl Method {
    /// That of a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            ONE => Some(Self::One),
            SEVERAL => Some(Self::Several),
            _ => None,
        }
    }
}

impl Quick {
    /// For callers that are known so, and about these keys.
    pub fn new(knows: Knows) -> Self {
        Self { knows }
    }

    /// Whether this message asks what may be answered.
    pub(super) fn reads(&self, method: Method, message: &[u8]) -> bool {
        match method {
            Method::One => Read::of(message).is_some(),
            Method::Several => batch::read(message).is_some(),
        }
    }

    /// Whether who makes the call with these headers is at hand and may call.
    pub(super) fn knows(
        &self,
        headers: &HeaderMap,
        connected: &Connected,
        remembered: &Remembered,
    ) -> bool {
        self.knows.calling(headers, connected, remembered).is_some()
    }

    /// The answer to the call with these headers and this message, with the bytes before it. None:
    /// it is not at hand, or none that is given for good; nothing was done.
    pub(super) fn answer(
        &self,
        method: Method,
        headers: &HeaderMap,
        (connected, remembered): (&Connected, &Remembered),
        message: &[u8],
    ) -> Option<Bytes> {
        let calling = || self.knows.calling(headers, connected, remembered);
        let keys = &self.knows.keys;
        let writer = match method {
            Method::One => {
                let read = Read::of(message)?;
                let question = read.question();
                let full = question.full;
                let decided = keys.answer_at_once(&calling()?, question)?;
                let mut writer = Writer::framed(if full { WHOLE } else { BRIEF });
                write(&mut writer, &decided, full);
                writer
            }
            Method::Several => batch::answer(keys, calling, message)?,
        };
        writer.into_frame()
    }
}

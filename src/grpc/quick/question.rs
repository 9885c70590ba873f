//! A question, read where it lies.

use prost::encoding::decode_varint;
use smallvec::SmallVec;

use crate::{
    domain::scope::Names,
    grpc::convert::introspect::is_full,
    introspect::{Question, REQUIRED_SCOPES_MAX},
};

/// An `IntrospectRequest`, read where it lies.
#[derive(Default)]
pub(super) struct Read<'a> {
    secret: &'a str,
    client_ip: &'a str,
    required_scopes: SmallVec<[&'a str; 8]>,
    resource: &'a str,
    class: &'a str,
    cost: i64,
    view: i32,
}

impl<'a> Read<'a> {
    /// Reads one. None: it is none, or has fields that it may have in another version, or more
    /// than it may have of one.
    pub(super) fn of(mut message: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        while let Some((tag, rest)) = message.split_first() {
            message = rest;
            // The number of the field and how it is written (Protocol Buffers, Encoding).
            match tag {
                0x0a => read.secret = text(&mut message)?,
                0x12 => read.client_ip = text(&mut message)?,
                0x1a if read.required_scopes.len() < REQUIRED_SCOPES_MAX => {
                    read.required_scopes.push(text(&mut message)?);
                }
                0x22 => read.resource = text(&mut message)?,
                0x2a => read.class = text(&mut message)?,
                // As prost has it: of two's complement, in ten bytes where it is negative.
                0x30 => read.cost = number(&mut message)?.cast_signed(),
                0x38 => read.view = i32::try_from(number(&mut message)?).ok()?,
                _ => return None,
            }
        }
        Some(read)
    }

    /// What is asked.
    pub(super) fn question(&self) -> Question<'_> {
        let Self { secret, client_ip, required_scopes, resource, class, cost, view } = self;
        Question {
            secret,
            client_ip,
            required_scopes: Names::Within(required_scopes),
            resource,
            class,
            cost: *cost,
            full: is_full(*view),
            without_hint: false,
        }
    }
}

pub(super) fn number(message: &mut &[u8]) -> Option<u64> {
    decode_varint(message).ok()
}

/// What begins with its length.
pub(super) fn part<'a>(message: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(message)?).ok()?;
    let (part, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(part)
}

fn text<'a>(message: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(part(message)?).ok()
}

//! Several questions at once.

use super::{
    BRIEF, WHOLE, Writer,
    question::{Read, part},
    write,
};
use crate::introspect::{Calling, Introspection};

/// So many are answered in a row; a larger batch is left to the service, which gives others their
/// turn in between.
const IN_A_ROW_MAX: usize = 100;

/// The field of the questions, and of their answers, as a list of messages.
const LIST: (u8, u32) = (0x0a, 1);

/// The questions of a `BatchIntrospectRequest`, read where they lie. None: it is none, or has too
/// many.
pub(super) fn read(mut message: &[u8]) -> Option<Vec<Read<'_>>> {
    let mut read = Vec::new();
    while let Some((tag, rest)) = message.split_first() {
        message = rest;
        if *tag != LIST.0 || read.len() == IN_A_ROW_MAX {
            return None;
        }
        read.push(Read::of(part(&mut message)?)?);
    }
    Some(read)
}

/// The answer to one.
pub(super) fn answer(
    keys: &Introspection,
    calling: impl FnOnce() -> Option<Calling>,
    message: &[u8],
) -> Option<Writer> {
    let read = read(message)?;
    let questions = read.iter().map(Read::question);
    let room = questions.clone().map(|question| if question.full { WHOLE } else { BRIEF }).sum();
    let mut writer = Writer::framed(room);
    keys.answer_all_at_once(&calling()?, questions, |answer, full| {
        writer.nested(LIST.1, |writer| write(writer, answer, full));
    })?;
    Some(writer)
}

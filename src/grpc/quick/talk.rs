//! One question of a stream.

use super::{
    BRIEF, WHOLE, Writer,
    question::{Read, number, part},
    write,
};
use crate::introspect::{Calling, Introspection};

/// The fields of a `StreamIntrospectRequest`, and how they are written.
const ID: u8 = 0x08;
const REQUEST: u8 = 0x12;

/// The answer to a `StreamIntrospectRequest`, a `StreamIntrospectResponse`. None: it is not at hand,
/// or the message is another; nothing was done.
pub(in crate::grpc) fn answer(
    keys: &Introspection,
    calling: impl FnOnce() -> Option<Calling>,
    mut message: &[u8],
) -> Option<Vec<u8>> {
    let (mut id, mut request) = (0, None);
    while let Some((tag, rest)) = message.split_first() {
        message = rest;
        match *tag {
            ID => id = number(&mut message)?.cast_signed(),
            // A second one would add to the first.
            REQUEST if request.is_none() => request = Some(part(&mut message)?),
            _ => return None,
        }
    }
    let read = Read::of(request?)?;
    let question = read.question();
    let full = question.full;
    let decided = keys.answer_at_once(&calling()?, question)?;
    let mut writer = Writer::bare(if full { WHOLE } else { BRIEF });
    writer.number(1, id);
    writer.nested(2, |writer| write(writer, &decided, full));
    Some(writer.into_message())
}

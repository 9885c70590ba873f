//! One question of a stream.

use super::{
    BRIEF, WHOLE, Writer,
    question::{Read, number, part},
    write,
};
use crate::{
    domain::secret::Digest,
    introspect::{Calling, Introspection},
};

/// The fields of a `StreamIntrospectRequest`, and how they are written.
const ID: u8 = 0x08;
const REQUEST: u8 = 0x12;

/// What the secret of a message is looked up by; none where it is none of ours, or where there is none.
pub(in crate::grpc) struct Near(Option<Digest>);

/// The answer to a `StreamIntrospectRequest`, a `StreamIntrospectResponse`. None: it is not at hand,
/// or the message is another; nothing was done. `near`: what is known of that message.
pub(in crate::grpc) fn answer(
    keys: &Introspection,
    calling: impl FnOnce() -> Option<Calling>,
    message: &[u8],
    near: Option<&Near>,
) -> Option<Vec<u8>> {
    let (id, read) = read(message)?;
    let question = read.question();
    let full = question.full;
    let calling = calling()?;
    let decided = match near {
        Some(Near(digest)) => keys.answer_recognised(&calling, question, digest.as_ref())?,
        None => keys.answer_at_once(&calling, question)?,
    };
    let mut writer = Writer::bare(if full { WHOLE } else { BRIEF });
    writer.number(1, id);
    writer.nested(2, |writer| write(writer, &decided, full));
    Some(writer.into_message())
}

/// Has the processor read what these messages will need of what is at hand, and tells what is known
/// of each from then on.
pub(in crate::grpc) fn bring_near<'a>(
    keys: &Introspection,
    messages: impl Iterator<Item = &'a [u8]>,
) -> Vec<Near> {
    let digest = |message| keys.recognise(read(message)?.1.question().secret);
    let digests: Vec<_> = messages.map(digest).collect();
    keys.bring_near(&digests);
    digests.into_iter().map(Near).collect()
}

/// The number of the question, and the question.
fn read(mut message: &[u8]) -> Option<(i64, Read<'_>)> {
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
    Some((id, Read::of(request?)?))
}

//! What an answer has to be.

/// What a good answer looks like.
#[derive(Debug, Clone)]
pub(crate) enum Good {
    /// The message begins with this.
    Begins(Vec<u8>),
    /// It is so many messages in its first field, of which each begins with this.
    Each(usize, Vec<u8>),
}

impl Good {
    pub(crate) fn is(&self, message: &[u8]) -> bool {
        match self {
            Self::Begins(good) => message.starts_with(good),
            Self::Each(count, good) => {
                let mut parts = Parts(message);
                parts.by_ref().take_while(|part| part.starts_with(good)).count() == *count
                    && parts.0.is_empty()
            }
        }
    }
}

/// The messages in field 1, and nothing else.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, after) = length(self.0.strip_prefix(&[0x0a])?)?;
        let (part, rest) = after.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }
}

/// A length as messages have it, and what follows.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [low, rest @ ..] if low & 0x80 == 0 => Some((usize::from(*low), rest)),
        [low, high, rest @ ..] if high & 0x80 == 0 => {
            Some((usize::from(low & 0x7f) | usize::from(*high) << 7, rest))
        }
        _ => None,
    }
}

/// Where the number of a question of a stream stands in its message, with what gRPC puts before it: two bytes.
pub(crate) const NUMBER_AT: usize = 6;
/// The least number that takes two bytes, and how many there are.
const NUMBER_MIN: usize = 1 << 7;
pub(crate) const NUMBERS: usize = (1 << 14) - NUMBER_MIN;

/// The bytes of a number below [`NUMBERS`].
#[expect(clippy::cast_possible_truncation, reason = "fourteen bits")]
pub(crate) fn number(place: usize) -> [u8; 2] {
    let number = NUMBER_MIN + place;
    [number as u8 | 0x80, (number >> 7) as u8]
}

/// The place that an answer of a stream is for, and the answer. None: it is none.
pub(crate) fn numbered(message: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = length(message.strip_prefix(&[0x08])?)?;
    let (length, answer) = length(rest.strip_prefix(&[0x12])?)?;
    Some((number.checked_sub(NUMBER_MIN)?, answer.get(..length)?))
}

/// The first message of these bytes, and what follows it. None: it is not whole yet.
pub(crate) fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, after) = bytes.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
    after.split_at_checked(length)
}

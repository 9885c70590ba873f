//! Writes messages field by field, as prost does.

use bytes::Bytes;
use prost::{Message, encoding::encode_varint};

use super::PREFIX;

/// How a field is written that is a number (Protocol Buffers, Encoding).
const VARINT: u32 = 0;
/// How one is written that begins with its length.
const LENGTH_DELIMITED: u32 = 2;
/// From here on a length takes a second byte.
const LONG: usize = 128;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// A message alone, with room for so many bytes.
    pub(super) fn bare(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// What was written.
    pub(super) fn into_message(self) -> Vec<u8> {
        self.0
    }

    /// A message as gRPC sends it, with room for so many bytes.
    pub(super) fn framed(bytes: usize) -> Self {
        let mut whole = Vec::with_capacity(PREFIX + bytes);
        whole.extend([0; PREFIX]);
        Self(whole)
    }

    /// What was written, with the bytes before it. None: it is longer than there are numbers for.
    pub(super) fn into_frame(mut self) -> Option<Bytes> {
        let length = u32::try_from(self.0.len().checked_sub(PREFIX)?).ok()?;
        let [_, place @ ..] = self.0.first_chunk_mut::<PREFIX>()?;
        *place = length.to_be_bytes();
        Some(self.0.into())
    }

    fn tag(&mut self, field: u32, kind: u32) {
        encode_varint(u64::from(field << 3 | kind), &mut self.0);
    }

    /// A number, or nothing where it is 0. What is negative is written as of 64 bits.
    pub(super) fn number(&mut self, field: u32, number: i64) {
        if number != 0 {
            self.tag(field, VARINT);
            encode_varint(number.cast_unsigned(), &mut self.0);
        }
    }

    /// A text, or nothing where it is empty.
    pub(super) fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.entry(field, text);
        }
    }

    /// A text of a list.
    pub(super) fn entry(&mut self, field: u32, text: &str) {
        self.parts(field, &[text]);
    }

    /// A text that is put together.
    pub(super) fn parts(&mut self, field: u32, parts: &[&str]) {
        self.tag(field, LENGTH_DELIMITED);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.length(length);
        for part in parts {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    /// A message, where there is one.
    pub(super) fn message(&mut self, field: u32, message: Option<&impl Message>) {
        let Some(message) = message else { return };
        self.tag(field, LENGTH_DELIMITED);
        self.length(message.encoded_len());
        message.encode_raw(&mut self.0);
    }

    /// A message whose fields are written by `write`.
    pub(super) fn nested(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.tag(field, LENGTH_DELIMITED);
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - at - 1;
        match u8::try_from(length) {
            Ok(short) if length < LONG => {
                if let Some(place) = self.0.get_mut(at) {
                    *place = short;
                }
            }
            _ => {
                let mut written = Vec::with_capacity(10);
                encode_varint(length as u64, &mut written);
                self.0.splice(at..=at, written);
            }
        }
    }

    fn length(&mut self, bytes: usize) {
        encode_varint(bytes as u64, &mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto;

    proptest! {
        #[test]
        fn fields_are_written_as_prost_does(
            number in any::<i64>(),
            texts in prop::collection::vec(".{0,80}", 0..4),
            seconds in any::<i64>(),
        ) {
            let window = Some(prost_types::Duration { seconds, nanos: 0 });
            let limits = texts.iter().map(|name| proto::LimitStatus {
                name: name.clone(),
                quota: number,
                window,
                ..proto::LimitStatus::default()
            });
            let expected = proto::IntrospectResponse {
                active: true,
                revision: number,
                key: "workspaces/one".to_owned(),
                effective_scopes: texts.clone(),
                limits: limits.collect(),
                ..proto::IntrospectResponse::default()
            };
            let mut writer = Writer::framed(0);
            writer.number(1, 1);
            writer.number(4, number);
            writer.parts(5, &["workspaces/", "one"]);
            writer.text(6, "");
            texts.iter().for_each(|text| writer.entry(12, text));
            for text in &texts {
                writer.nested(17, |writer| {
                    writer.text(1, text);
                    writer.number(2, number);
                    writer.message(3, window.as_ref());
                });
            }
            let frame = writer.into_frame().unwrap_or_default();
            let message = expected.encode_to_vec();
            prop_assert_eq!(frame.get(PREFIX..), Some(&*message));
            let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
            prop_assert_eq!(frame.get(..PREFIX), Some(&[&[0][..], &length].concat()[..]));
        }
    }
}

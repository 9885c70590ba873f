//! As much of the protocol between a program and PostgreSQL as faults need to strike where
//! they should: "Message Formats" of its documentation, version 3.0, without encryption.

use std::collections::HashMap;

use bytes::{Buf as _, Bytes, BytesMut};

/// The most that a message may have; more is no message.
const LENGTH_MAX: usize = 64 * 1024 * 1024;

/// Cuts a stream into messages.
pub(crate) struct Frames {
    buffer: BytesMut,
    /// Whether the next message is the first of a program, which has no tag.
    is_start: bool,
}

/// One message, as it is sent on.
pub(crate) struct Message {
    /// What it is. 0: the first of a program.
    pub(crate) tag: u8,
    pub(crate) bytes: Bytes,
}

/// What a program is doing on a connection, by what it has sent.
#[derive(Default)]
pub(crate) struct Session {
    /// The statements that are prepared, by name.
    statements: HashMap<Bytes, Statement>,
    /// Whether the transaction has written.
    has_written: bool,
    /// Whether it listens for notifications.
    pub(crate) is_listener: bool,
    pub(crate) awaits: Awaits,
}

/// What a program is waiting to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Awaits {
    #[default]
    Anything,
    /// That a transaction which has written is committed.
    Commit,
    /// Whose a secret is.
    LookUp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Statement {
    LookUp,
    Write,
    Other,
}

impl Frames {
    pub(crate) fn of_program() -> Self {
        Self { buffer: BytesMut::new(), is_start: true }
    }

    pub(crate) fn of_server() -> Self {
        Self { buffer: BytesMut::new(), is_start: false }
    }

    /// Where what is read goes.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next message, where all of it was read.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let tagged = usize::from(!self.is_start);
        let mut length = self.buffer.get(tagged..tagged + 4)?;
        let length = tagged + length.get_u32() as usize;
        assert!(length <= LENGTH_MAX, "this is no message: {length} bytes");
        if self.buffer.len() < length {
            return None;
        }
        let bytes = self.buffer.split_to(length).freeze();
        let tag = if self.is_start { 0 } else { bytes[0] };
        self.is_start = false;
        Some(Message { tag, bytes })
    }
}

impl Statement {
    fn of(sql: &[u8]) -> Self {
        let sql = String::from_utf8_lossy(sql);
        let begins = |word: &str| {
            sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        if begins("SELECT") && sql.contains(r#""secrets"."digest" ="#) {
            Self::LookUp
        } else if ["INSERT", "UPDATE", "DELETE", "WITH"].into_iter().any(begins) {
            Self::Write
        } else {
            Self::Other
        }
    }
}

impl Message {
    /// The texts, each ended by a zero, that it begins with.
    fn texts(&self) -> impl Iterator<Item = Bytes> {
        let body = self.bytes.slice(self.bytes.len().min(5)..);
        let mut start = 0;
        std::iter::from_fn(move || {
            let rest = body.get(start..)?;
            let length = rest.iter().position(|byte| *byte == 0)?;
            let text = body.slice(start..start + length);
            start += length + 1;
            Some(text)
        })
    }
}

impl Session {
    /// The program sends this.
    pub(crate) fn sent(&mut self, message: &Message) {
        let mut texts = message.texts();
        match message.tag {
            b'Q' => self.query(&texts.next().unwrap_or_default()),
            b'P' => {
                if let (Some(name), Some(sql)) = (texts.next(), texts.next()) {
                    self.statements.insert(name, Statement::of(&sql));
                }
            }
            b'B' => {
                let name = texts.nth(1).unwrap_or_default();
                match self.statements.get(&name) {
                    Some(Statement::LookUp) => self.awaits = Awaits::LookUp,
                    Some(Statement::Write) => self.has_written = true,
                    Some(Statement::Other) | None => {}
                }
            }
            _ => {}
        }
    }

    fn query(&mut self, sql: &[u8]) {
        let sql = String::from_utf8_lossy(sql).trim_start().to_ascii_uppercase();
        if sql.starts_with("LISTEN") {
            self.is_listener = true;
        } else if sql.starts_with("BEGIN") {
            self.has_written = false;
        } else if sql.starts_with("COMMIT") && self.has_written {
            self.awaits = Awaits::Commit;
        }
    }

    /// The server has sent this, and it went on.
    pub(crate) fn received(&mut self, message: &Message) {
        // Ready for the next query.
        if message.tag == b'Z' {
            self.awaits = Awaits::Anything;
        }
    }
}

#[test]
fn a_stream_is_cut_into_messages() {
    let mut frames = Frames::of_program();
    let startup = [0, 0, 0, 8, 0, 3, 0, 0];
    let query = b"Q\0\0\0\x0bCOMMIT\0";
    for byte in startup.iter().chain(query).chain(b"X") {
        assert!(frames.next().is_none() || frames.buffer().is_empty());
        frames.buffer().extend_from_slice(&[*byte]);
        if let Some(message) = frames.next() {
            let expected = if message.tag == 0 { &startup[..] } else { &query[..] };
            assert_eq!(message.bytes, expected);
        }
    }
    assert_eq!(&frames.buffer()[..], b"X");
}

#[test]
fn what_a_program_waits_for_is_seen() {
    let message = |tag: u8, parts: &[&str]| {
        let body: Vec<u8> = parts.iter().flat_map(|part| part.bytes().chain([0])).collect();
        let mut bytes = vec![tag];
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
        Message { tag, bytes: bytes.into() }
    };
    let mut session = Session::default();
    session.sent(&message(b'P', &["s1", r#"SELECT 1 FROM x WHERE "secrets"."digest" = $1"#]));
    session.sent(&message(b'P', &["s2", r#"INSERT INTO "events" VALUES ($1)"#]));
    session.sent(&message(b'B', &["", "s1"]));
    assert_eq!(session.awaits, Awaits::LookUp);
    session.received(&message(b'Z', &[]));
    assert_eq!(session.awaits, Awaits::Anything);
    session.sent(&message(b'Q', &["BEGIN"]));
    session.sent(&message(b'Q', &["COMMIT"]));
    assert_eq!(session.awaits, Awaits::Anything, "nothing was written");
    session.sent(&message(b'Q', &["BEGIN"]));
    session.sent(&message(b'B', &["", "s2"]));
    session.sent(&message(b'Q', &["COMMIT"]));
    assert_eq!(session.awaits, Awaits::Commit);
    assert!(!session.is_listener);
    session.sent(&message(b'Q', &[r#"LISTEN "bell""#]));
    assert!(session.is_listener);
}

//! Reads single values.

use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, MessageDescriptor, Value};

use super::{Reader, skip_within};
use crate::{
    domain::fault::nearest,
    policy_file::{
        duration,
        places::Places,
        scalar::{Meaning, whole},
        text::quoted,
        tree::{Content, Node},
    },
};

/// Spans of time are written in a form of their own.
pub(in crate::policy_file) const DURATION: &str = "google.protobuf.Duration";

const NOTHING: &str = "has no value; give it one or leave it out";

impl Node {
    /// Whether nothing is written, or that there is nothing.
    pub(in crate::policy_file) fn is_nothing(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true }
            if Meaning::of(text) == Meaning::Nothing)
    }

    /// What it is, for people.
    fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar { text, plain: true } => match Meaning::of(text) {
                Meaning::Nothing => "nothing",
                Meaning::Bool(_) => "a truth value",
                Meaning::Number => "a number",
                Meaning::Text => "a text",
            },
            Content::Scalar { .. } => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
            Content::None => "nothing",
        }
    }
}

/// What is said of what is no list.
pub(super) fn no_list(node: &Node) -> String {
    match &node.content {
        _ if node.is_nothing() => NOTHING.to_owned(),
        Content::Scalar { text, .. } if text.chars().count() <= 40 => {
            format!("must be a list, also of one: [{}]", quoted(text))
        }
        _ => format!("must be a list, not {}", node.kind()),
    }
}

impl Reader<'_> {
    /// A value of a kind, and where its parts stand. Nothing where it is wrong.
    pub(super) fn value(
        &mut self,
        kind: &Kind,
        node: &Node,
        path: &str,
    ) -> (Option<Value>, Places) {
        let refused = self.refuse(node, path);
        if let (Kind::Message(message), Content::Map(entries)) = (kind, &node.content)
            && message.full_name() != DURATION
        {
            let (read, places) = self.message(message, node, entries, path);
            return (Some(Value::Message(read)), places);
        }
        let read = match &node.content {
            Content::None => Err(String::new()),
            _ if node.is_nothing() => Err(NOTHING.to_owned()),
            _ => single(kind, node),
        };
        let mut places = Places::of(node.place);
        match read {
            Ok(value) => {
                places.faulty = refused;
                (Some(value), places)
            }
            Err(why) => {
                if !refused {
                    self.noted.note(node.place, path, why);
                }
                skip_within(node, path, self.noted);
                places.faulty = true;
                // A text that was meant is there for what refers to it.
                let meant = match (kind, &node.content) {
                    (Kind::String, Content::Scalar { text, .. }) => Some(text.clone()),
                    _ => None,
                };
                (meant.map(Value::String), places)
            }
        }
    }
}

/// A value that is no message with fields of its own.
fn single(kind: &Kind, node: &Node) -> Result<Value, String> {
    let Content::Scalar { text, plain } = &node.content else {
        return Err(no_scalar(kind, node));
    };
    let meaning = if *plain { Meaning::of(text) } else { Meaning::Text };
    let integer = |range| whole(text, range);
    let range = |least: i64, most: i64| i128::from(least)..=i128::from(most);
    match kind {
        Kind::String if meaning == Meaning::Text => Ok(Value::String(text.clone())),
        Kind::String => Err(format!(
            "must be a text, not {}; write texts that look like something else in quotes: {}",
            node.kind(),
            quoted(text)
        )),
        Kind::Bool => match meaning {
            Meaning::Bool(value) => Ok(Value::Bool(value)),
            _ if matches!(&**text, "true" | "false") => {
                Err("must be true or false, without quotes".to_owned())
            }
            _ => Err("must be true or false".to_owned()),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            let number = integer(range(i32::MIN.into(), i32::MAX.into()))?;
            Ok(Value::I32(i32::try_from(number).unwrap_or_default()))
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            let number = integer(range(i64::MIN, i64::MAX))?;
            Ok(Value::I64(i64::try_from(number).unwrap_or_default()))
        }
        Kind::Uint32 | Kind::Fixed32 => {
            let number = integer(range(0, u32::MAX.into()))?;
            Ok(Value::U32(u32::try_from(number).unwrap_or_default()))
        }
        Kind::Uint64 | Kind::Fixed64 => {
            let number = integer(0..=i128::from(u64::MAX))?;
            Ok(Value::U64(u64::try_from(number).unwrap_or_default()))
        }
        Kind::Enum(names) => constant(names, text),
        Kind::Message(message) if message.full_name() == DURATION => span(message, text),
        Kind::Message(_) => Err(no_scalar(kind, node)),
        Kind::Float | Kind::Double | Kind::Bytes => {
            Err("is not read from files by this version".to_owned())
        }
    }
}

/// What is said of what should be written otherwise altogether.
fn no_scalar(kind: &Kind, node: &Node) -> String {
    let wanted = match kind {
        Kind::String => "a text",
        Kind::Bool => "true or false",
        Kind::Enum(_) => "one of the names",
        Kind::Message(message) if message.full_name() == DURATION => "a span of time",
        Kind::Message(_) => "a mapping",
        _ => "a whole number",
    };
    let hint = match (kind, &node.content) {
        (Kind::String, Content::Map(_)) => "; write texts with { or a colon and a space in quotes",
        (Kind::String, Content::List(_)) => "; write texts that begin with [ or - in quotes",
        _ => "",
    };
    format!("must be {wanted}{}, not {}{hint}", example(kind, node), node.kind())
}

/// How a text is written where what has a name is wanted.
fn example(kind: &Kind, node: &Node) -> String {
    match (kind, &node.content) {
        (Kind::Message(message), Content::Scalar { text, .. })
            if node.kind() == "a text"
                && text.chars().count() <= 40
                && message.get_field_by_name("name").is_some() =>
        {
            format!(", such as {{name: {}}}", quoted(text))
        }
        _ => String::new(),
    }
}

/// The value of an enum, by its name with or without what all names begin with.
fn constant(names: &EnumDescriptor, text: &str) -> Result<Value, String> {
    let known = short_names(names);
    let long = names.get_value_by_name(text).map(|value| value.number());
    let is = |(name, number): &&(String, i32)| name == text || long == Some(*number);
    let found = known.iter().find(is).map(|(_, number)| Value::EnumNumber(*number));
    found.ok_or_else(|| {
        let short = || known.iter().map(|(name, _)| name.as_str());
        let hint = nearest(text, short()).map(|name| format!("; did you mean {name}?"));
        let all: Vec<&str> = short().collect();
        let hint = hint.unwrap_or_default();
        format!("{} is none of {}{hint}", quoted(text), all.join(", "))
    })
}

/// The names of an enum that are worth writing, without what all of them begin with.
pub(in crate::policy_file) fn short_names(names: &EnumDescriptor) -> Vec<(String, i32)> {
    let values: Vec<_> = names.values().collect();
    let first = values.first().map(|value| value.name().to_owned()).unwrap_or_default();
    let prefix = first.strip_suffix("UNSPECIFIED").unwrap_or_default();
    let short = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let worth = values.iter().filter(|value| value.number() != 0 || prefix.is_empty());
    worth.map(|value| (short(value.name()), value.number())).collect()
}

fn span(message: &MessageDescriptor, text: &str) -> Result<Value, String> {
    let (seconds, nanos) = duration::parse(text)?;
    let mut read = DynamicMessage::new(message.clone());
    let set = read
        .try_set_field_by_name("seconds", Value::I64(seconds))
        .and_then(|()| read.try_set_field_by_name("nanos", Value::I32(nanos)));
    set.map(|()| Value::Message(read)).map_err(|error| error.to_string())
}
